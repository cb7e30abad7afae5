// One incident: what, where and since when; what to do; the proof; why; and everything that was done.
import { age, clockTime, now, span } from "../clock.js";
import { current, pending } from "../desk.js";
import { detail, useDetail } from "../detail.js";
import { html } from "../html.js";
import { isUnacked } from "../order.js";
import { refusal } from "../refusal.js";
import { t, word } from "../text.js";
import { Actions } from "./actions.js";
import { Calm } from "./calm.js";
import { CallCard } from "./call119.js";
import { Evidence } from "./evidence.js";
import { stateOf } from "./list.js";
import { Messages, Reasons, Story, WorkOrders } from "./story.js";
import { Symbol } from "./symbol.js";

export function IncidentPane() {
  const incident = current.value;
  useDetail(incident);
  if (!incident) return html`<main class="pane"><${Calm} /></main>`;
  const more = detail.value && detail.value.incident.id === incident.id ? detail.value : null;
  const live = (incident.purpose ?? "live") === "live";
  return html`<main class=${`pane p${incident.priority}${live ? "" : " exercise"}`} data-testid="incident" data-id=${incident.id}>
    <${Head} incident=${incident} />
    <${Actions} incident=${incident} people=${more?.people ?? []} />
    <${Pending} incident=${incident} />
    <div class="columns" key=${incident.id}>
      <div class="column">
        <${Evidence} incident=${incident} more=${more} />
        <${Reasons} incident=${incident} more=${more} />
      </div>
      <div class="column">
        ${more?.call_119 && html`<${CallCard} incident=${incident} card=${more.call_119} />`}
        <${WorkOrders} orders=${more?.work_orders ?? []} />
        <${Messages} messages=${more?.notifications ?? []} />
        <${Story} steps=${more?.timeline ?? []} loading=${!more} />
      </div>
    </div>
  </main>`;
}

function Head({ incident }) {
  const waiting = isUnacked(incident);
  const live = (incident.purpose ?? "live") === "live";
  return html`<div class="head">
    <${Symbol} urgency=${incident.priority} size=${52} flash=${waiting && live && incident.priority < 4} />
    <div class="name">
      <h2 data-testid="title" title=${incident.title}>
        ${!live && html`<b class="mark">${word("purpose", incident.purpose)}</b> `}${incident.title}
      </h2>
      <p>
        <span>${t("incident.number", { n: incident.number })}</span>
        ${incident.why_linked?.length > 0 && html`<b>${incident.why_linked[0]}</b>`}
        ${incident.grid_name && html`<span>${incident.grid_name}</span>`}
        ${incident.assigned_to_name && html`<span>${t("incident.assigned", { who: incident.assigned_to_name })}</span>`}
      </p>
    </div>
    <div class="since">
      <span class="state" data-testid="state" data-state=${incident.state}>${stateOf(incident)}</span>
      <span><time>${clockTime(incident.opened_at)}</time> · ${t("age.ago", { span: span(age(incident.opened_at)) })}</span>
    </div>
  </div>`;
}

function Pending({ incident }) {
  const command = pending.value.get(incident.id);
  if (command && !command.failed && now.value && command.waits) {
    return html`<p class="failed waits" role="status" data-testid="waits">
      ${t("pending.waits", { action: t(`action.${command.action}`), n: command.waits })}
    </p>`;
  }
  if (!command?.failed) return null;
  const why = command.failed === "slow" ? t("pending.slow") : refusal(command.failed);
  return html`<p class="failed" role="alert" data-testid="failed">
    ${t("pending.failed", { action: t(`action.${command.action}`), why })}
  </p>`;
}

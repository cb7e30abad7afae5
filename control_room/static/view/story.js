// Why this is one incident, whom we told, what the hotline says, and who did what when.
import { age, clockTime, span } from "../clock.js";
import { html } from "../html.js";
import { refusal } from "../refusal.js";
import { known, t, word } from "../text.js";

/** A fall lasts a second: that it is over is no recovery. */
const MOMENTARY = new Set(["falling_object"]);

export function Reasons({ incident, more }) {
  const links = new Map((more?.links ?? []).map((link) => [link.alert, link]));
  const alerts = more?.alerts ?? incident.alerts ?? [];
  const whys = incident.why_linked ?? [];
  return html`<section class="card" data-testid="why">
    <h3>${t("why.title", { n: alerts.length })}</h3>
    ${whys.slice(0, 3).map((why) => html`<p class="why" key=${why}>${why}</p>`)}
    ${whys.length > 3 &&
    html`<details>
      <summary>${t("why.more", { n: whys.length - 3 })}</summary>
      ${whys.slice(3).map((why) => html`<p class="why" key=${why}>${why}</p>`)}
    </details>`}
    <ul class="alerts">
      ${alerts.map(
        (alert) => html`<li key=${alert.id} class=${links.get(alert.id)?.undone_at ? "cut" : ""}>
          <time>${clockTime(alert.began_at)}</time>
          <div>
            <b>${kindOf(alert)}</b>
            <span class="place">${alert.subject_name || alert.subject}</span>
            ${alert.level === "pre_alarm" && html`<span class="chip">${t("alert.pre_alarm")}</span>`}
            ${alert.status === "suspected" && html`<span class="chip">${t("alert.suspected")}</span>`}
            ${alert.ended_at && !MOMENTARY.has(alert.kind) && html`<span class="chip">${t("alert.over", { at: clockTime(alert.ended_at) })}</span>`}
            <p>${alert.reason}</p>
            <${Figures} numbers=${alert.numbers ?? {}} words=${alert.words ?? {}} />
          </div>
        </li>`,
      )}
    </ul>
  </section>`;
}

/** A smoke detector that has fallen silent is no smoke. */
export function kindOf(alert) {
  return alert.level === "fault" && known("device", alert.kind) ? t("alert.fault", { kind: word("device", alert.kind) }) : word("kind", alert.kind);
}

/** What has a word that people know; the rest of what was weighed is for engineers, and waits in the tip. */
export function Figures({ numbers, words }) {
  const all = [
    ...Object.entries(words).map(([name, value]) => [name, value]),
    ...Object.entries(numbers).map(([name, value]) => [name, tidy(value) + (name === "value" && words.unit ? ` ${words.unit}` : "")]),
  ];
  const entries = all.filter(([name]) => known("figure", name));
  if (!entries.length) return null;
  return html`<dl class="figures" title=${all.map(([name, value]) => `${name} = ${value}`).join("\n")}>
    ${entries.slice(0, 8).map(([name, value]) => html`<div key=${name}><dt>${word("figure", name)}</dt><dd>${value}</dd></div>`)}
  </dl>`;
}

function tidy(value) {
  return String(Number(value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2)));
}

export function WorkOrders({ orders }) {
  if (!orders.length) return null;
  return html`<section class="card" data-testid="work-orders">
    <h3>${t("order.title")}</h3>
    <ul class="rows">
      ${orders.map(
        (order) => html`<li key=${order.id}>
          <b>${word("channel", order.channel)}</b>
          <span class="grow">${order.order_no ? t("order.number", { n: order.order_no }) : t("order.none")}</span>
          <span class="chip" data-testid="order-status">${order.status ? word("order.status", order.status) : t(order.order_no ? "order.received" : "order.sending")}</span>
          <time>${clockTime(order.updated_at)}</time>
        </li>`,
      )}
    </ul>
  </section>`;
}

/** Each message with its delivery: waiting, delivered, refused. A refusal is as plain as a delivery. */
export function Messages({ messages }) {
  return html`<section class="card" data-testid="messages">
    <h3>${t("message.title")}</h3>
    ${messages.length === 0 && html`<p class="none">${t("message.none")}</p>`}
    <ul class="rows">
      ${messages.map(
        (message) => html`<li key=${message.id} class=${`m-${message.state}`} data-testid="message" data-state=${message.state}>
          <span class="sign" aria-hidden="true">${{ waiting: "…", sent: "✓", refused: "✕", dead: "✕", merged: "⤳" }[message.state]}</span>
          <span class="grow">
            <b>${message.recipient_name || message.recipient || word("channel", message.channel)}</b>
            <span class="sub">${word("channel", message.channel)} · ${word("message.kind", message.kind)}</span>
            ${message.answer && !["sent", "merged"].includes(message.state) && html`<span class="sub answer">${message.answer}</span>`}
          </span>
          <span>${messageState(message)}</span>
          <time>${clockTime(message.sent_at || message.created_at)}</time>
        </li>`,
      )}
    </ul>
  </section>`;
}

function messageState(message) {
  if (message.state === "waiting" && message.tries > 0) return t("message.retry", { n: message.tries });
  if (message.state === "waiting") return t("message.waiting", { span: span(age(message.created_at)) });
  return t(`message.${message.state}`);
}

export function Story({ steps, loading }) {
  return html`<section class="card" data-testid="timeline">
    <h3>${t("story.title")}</h3>
    ${loading && html`<p class="none">${t("loading")}</p>`}
    <ol class="story">
      ${[...steps].reverse().map(
        (step) => html`<li key=${step.id}>
          <time>${clockTime(step.at)}</time>
          <div>
            <b>${word("step", step.action)}</b>
            ${step.details.name && html` <span>${step.details.name}</span>`}
            ${step.to_name && html` <span>${step.to_name}</span>`}
            ${step.who && html`<span class="who">${word("who", step.who_name || step.who)}</span>`}
            ${step.reason && html`<p>${step.reason}</p>`}
            ${step.details.refused && html`<p class="bad">${t("step.not_done", { why: refusal(step.details.refused) })}</p>`}
          </div>
        </li>`,
      )}
    </ol>
  </section>`;
}

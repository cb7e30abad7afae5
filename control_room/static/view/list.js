// The list of incidents: waiting for a hand, being worked on, ended. Rows stay where they are while someone points.
import { age, clockTime, span } from "../clock.js";
import { current, incidents, parts, pending, selected } from "../desk.js";
import { html, useRef, useSignal } from "../html.js";
import { isUnacked, steady } from "../order.js";
import { t, word } from "../text.js";
import { Symbol } from "./symbol.js";

export function List() {
  const pointed = useSignal(false);
  const drawn = useRef({ waiting: [], working: [], ended: [] });
  const rows = {};
  for (const part of ["waiting", "working", "ended"]) {
    const wanted = parts.value[part].map((incident) => incident.id);
    rows[part] = steady(wanted, drawn.current[part], pointed.value);
  }
  drawn.current = rows;
  return html`<nav
    class="list"
    aria-label=${t("list.label")}
    onPointerEnter=${() => (pointed.value = true)}
    onPointerLeave=${() => (pointed.value = false)}
  >
    <${Part} name="waiting" ids=${rows.waiting} />
    <${Part} name="working" ids=${rows.working} />
    <${Part} name="ended" ids=${rows.ended} />
    <${Announcer} />
  </nav>`;
}

function Part({ name, ids }) {
  const live = ids.filter((id) => incidents.value.has(id));
  return html`<section class=${`part ${name}`} data-testid=${`part-${name}`}>
    <h2>
      ${t(`list.${name}`)} <span class="count">${live.length}</span>
      ${name === "waiting" && live.length > 1 && html`<span class="hint"><kbd>N</kbd> ${t("key.next")}</span>`}
    </h2>
    ${live.length === 0 && html`<p class="none">${t(`list.${name}.none`)}</p>`}
    <ul>
      ${live.map((id) => html`<${Row} key=${id} id=${id} />`)}
    </ul>
  </section>`;
}

function Row({ id }) {
  const incident = incidents.value.get(id);
  if (!incident) return null;
  const waiting = isUnacked(incident);
  const chosen = current.value?.id === id;
  const live = (incident.purpose ?? "live") === "live";
  const classes = ["row", waiting ? "waits" : "", chosen ? "chosen" : "", live ? "" : "exercise", `p${incident.priority}`];
  return html`<li>
    <button
      class=${classes.filter(Boolean).join(" ")}
      aria-current=${chosen ? "true" : null}
      onClick=${() => (selected.value = id)}
      data-testid="row"
      data-id=${id}
      data-state=${incident.state}
    >
      <${Symbol} urgency=${incident.priority} flash=${waiting && live && incident.priority < 4} />
      <span class="what">
        <span class="title">${!live && html`<b class="mark">${word("purpose", incident.purpose)}</b> `}${titleOf(incident)}</span>
        <span class="where">${incident.place_name || incident.site_name || incident.site}</span>
      </span>
      <span class="when">
        <time title=${clockTime(incident.opened_at)}>${span(age(incident.opened_at))}</time>
        <span class="state">${stateOf(incident)}</span>
      </span>
    </button>
  </li>`;
}

/** The title without the place it begins with, where that stands in a line of its own. */
export function titleOf(incident) {
  const place = incident.place_name;
  const bare = place && incident.title.startsWith(place) ? incident.title.slice(place.length).trim() : "";
  return bare || incident.title;
}

export function stateOf(incident) {
  const command = pending.value.get(incident.id);
  if (command && !command.failed) return t("pending.sent");
  if (incident.state === "new") return t("state.new");
  const who = incident.acknowledged_by_name || incident.acknowledged_by;
  if (incident.state === "acknowledged" && who) return t("state.acknowledged_by", { who });
  return word("state", incident.state);
}

/** What a screen reader says: the gravest at once, the rest as one polite line, never one region per row. */
function Announcer() {
  const waiting = parts.value.waiting.filter((incident) => (incident.purpose ?? "live") === "live");
  const grave = waiting.filter((incident) => incident.priority === 1);
  return html`<div class="spoken">
    <div role="alert">${grave.map((incident) => html`<p key=${incident.id}>${t("urgency.1")} ${incident.title}</p>`)}</div>
    <div role="status">${t("list.summary", { n: waiting.length })}</div>
  </div>`;
}

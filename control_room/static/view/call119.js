// The card for the call to 119: five lines in the order they are read aloud. The hub never dials.
import { clockTime } from "../clock.js";
import { command } from "../commands.js";
import { pending } from "../desk.js";
import { html } from "../html.js";
import { isEnded } from "../order.js";
import { mayAct } from "../session.js";
import { t } from "../text.js";

const LINES = ["unit", "place", "burning", "scale", "caller"];

export function CallCard({ incident, card }) {
  const busy = pending.value.has(incident.id) && !pending.value.get(incident.id).failed;
  return html`<section class="card call" data-testid="call-119">
    <h3><b>119</b> ${t("call.title")}</h3>
    <ol>
      ${LINES.map(
        (line) => html`<li>
          <span class="label">${t(`call.${line}`)}</span>
          <span class="line" data-testid=${`call-${line}`}>${card[line] || t("call.unknown")}</span>
        </li>`,
      )}
    </ol>
    ${card.called
      ? html`<p class="called" data-testid="called">${t("call.called", { who: card.called.who, at: clockTime(card.called.at) })}</p>`
      : mayAct.value &&
        !isEnded(incident) &&
        html`<button class="primary" disabled=${busy} onClick=${() => command(incident, "called_119")} data-testid="do-called_119">
          ${t("action.called_119")}
        </button>`}
    <p class="small">${t("call.never")}</p>
  </section>`;
}

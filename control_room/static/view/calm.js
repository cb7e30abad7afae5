// What the page shows when nothing has happened: not emptiness, but what is being watched and when that was last sure.
import { age, clockTime, span } from "../clock.js";
import { overview, parts, tick } from "../desk.js";
import { html } from "../html.js";
import { t } from "../text.js";

export function Calm() {
  const seen = tick.value;
  const all = overview.value;
  if (!seen || !all) return html`<div class="calm"><p>${t("loading")}</p></div>`;
  const waiting = parts.value.waiting.length;
  const counts = seen.counts;
  return html`<div class="calm" data-testid="calm">
    <h2>${t(waiting ? "calm.waiting" : "calm.title", { n: waiting })}</h2>
    <dl>
      <div><dt>${t("calm.cameras")}</dt><dd>${counts.cameras_heard}<small> / ${counts.cameras}</small></dd></div>
      <div><dt>${t("calm.sensors")}</dt><dd>${counts.sensors_heard}<small> / ${counts.sensors}</small></dd></div>
      <div><dt>${t("calm.selftest")}</dt><dd>${seen.selftest ? span(seen.selftest.age) : t(seen.broker?.kind ? "age.never" : "bar.selftest.none")}</dd></div>
      <div>
        <dt>${t("calm.last")}</dt>
        <dd>${all.last_incident_at ? span(age(all.last_incident_at)) : t("age.never")}</dd>
      </div>
    </dl>
    <p>${t("calm.explain", { at: clockTime(seen.at) })}</p>
  </div>`;
}

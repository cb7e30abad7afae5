// What a person may do with an incident: few verbs, large keys, each leaves a line with name and time.
import { command } from "../commands.js";
import { pending } from "../desk.js";
import { html, useEffect, useRef, useSignal } from "../html.js";
import { isEnded, isUnacked } from "../order.js";
import { mayAct } from "../session.js";
import { t } from "../text.js";

const CAUSES = ["cooking", "steam", "smoking", "work", "insects", "weather", "device", "test", "other"];

const FORMS = new Set(["assign", "resolve", "false_alarm", "close", "note", "reopen"]);
const LABELS = { note: "ask.note", reopen: "ask.why" };

export function Actions({ incident, people }) {
  const form = useSignal(null);
  useEffect(() => {
    form.value = null;
  }, [incident.id]);
  if (!mayAct.value) return html`<p class="actions none">${t("action.viewer")}</p>`;
  const busy = pending.value.has(incident.id) && !pending.value.get(incident.id).failed;
  const waiting = isUnacked(incident);
  const ended = isEnded(incident);
  const open = (name) => () => (form.value = form.value === name ? null : name);
  const key = (name, action, shown, extra = "", shortcut = "") =>
    shown &&
    html`<button
      class=${extra}
      disabled=${busy}
      onClick=${action}
      data-testid=${`do-${name}`}
      aria-keyshortcuts=${shortcut || null}
      aria-expanded=${FORMS.has(name) ? String(form.value === name) : null}
    >
      ${t(`action.${name}`)} ${shortcut && html`<kbd>${shortcut}</kbd>`}
    </button>`;
  return html`<div class="actions">
    ${key("acknowledge", () => command(incident, "acknowledge"), waiting, "primary", "A")}
    ${key("confirm", () => command(incident, "confirm"), ["acknowledged", "verifying"].includes(incident.state))}
    ${key("assign", open("assign"), !ended && incident.state !== "handled")}
    ${key("arrive", () => command(incident, "arrive"), incident.state === "dispatched")} ${key("resolve", open("resolve"), !ended && incident.state !== "handled")}
    ${key("false_alarm", open("false_alarm"), !ended)} ${key("close", open("close"), !ended)}
    ${key("reopen", open("reopen"), ended)} ${key("note", open("note"), true, "quiet")}
    ${form.value && html`<${Form} key=${form.value} name=${form.value} incident=${incident} people=${people} done=${() => (form.value = null)} />`}
  </div>`;
}

function Form({ name, incident, people, done }) {
  const first = useRef(null);
  const chosen = useSignal(name === "assign" ? (people[0]?.id ?? "") : "");
  const words = useSignal("");
  useEffect(() => first.current?.focus(), []);
  const send = (submitted) => {
    submitted.preventDefault();
    const details = {};
    let reason = words.value.trim();
    if (name === "assign") details.to = chosen.value;
    if (name === "false_alarm") {
      details.cause = chosen.value;
      reason = reason || t(`cause.${chosen.value}`);
    }
    void command(incident, name, { reason, details });
    done();
  };
  const ready = LABELS[name] ? words.value.trim() : (name !== "assign" && name !== "false_alarm") || chosen.value;
  return html`<form class="ask" onSubmit=${send} data-testid=${`form-${name}`}>
    ${name === "assign" &&
    html`<label>${t("ask.assign")}
      <select ref=${first} value=${chosen.value} onChange=${(changed) => (chosen.value = changed.target.value)}>
        ${people.map((one) => html`<option value=${one.id}>${one.name} · ${t(`people.${one.role}`)}${one.phone ? ` · ${one.phone}` : ""}</option>`)}
      </select>
    </label>`}
    ${name === "false_alarm" &&
    html`<fieldset>
      <legend>${t("ask.cause")}</legend>
      ${CAUSES.map(
        (cause, place) =>
          html`<label class="cause">
            <input
              ref=${place === 0 ? first : null}
              type="radio"
              name="cause"
              value=${cause}
              checked=${chosen.value === cause}
              onChange=${() => (chosen.value = cause)}
            />
            ${t(`cause.${cause}`)}
          </label>`,
      )}
    </fieldset>`}
    <label class="wide">${t(LABELS[name] ?? "ask.reason")}
      <input
        ref=${name === "assign" || name === "false_alarm" ? null : first}
        type="text"
        maxlength="500"
        value=${words.value}
        onInput=${(typed) => (words.value = typed.target.value)}
        data-testid="reason"
      />
    </label>
    <button class="primary" type="submit" disabled=${!ready} data-testid="send">${t("ask.send", { action: t(`action.${name}`) })}</button>
    <button type="button" class="quiet" onClick=${done}>${t("ask.cancel")}</button>
  </form>`;
}

// Every camera and sensor, and when it was last heard: the silent ones first.
import { get } from "../api.js";
import { age, clockTime, span } from "../clock.js";
import { html, signal, useEffect, useRef, useSignal } from "../html.js";
import { t, word } from "../text.js";
import { Still } from "./still.js";
import { Symbol } from "./symbol.js";

/** "cameras", "sensors", or null while it is shut. */
export const devicesOpen = signal(null);

export function Devices() {
  const which = devicesOpen.value;
  const box = useRef(null);
  const answer = useSignal({ total: 0, rows: [] });
  const looked = useSignal("");
  useEffect(() => {
    if (!which) return undefined;
    box.current?.focus();
    const quit = new AbortController();
    const load = async () => {
      try {
        answer.value = await get(`/api/devices?kind=${which}`, { signal: quit.signal });
      } catch {
        // shown as it was; the ages go on growing, and the stream's own watch tells that the hub is away
      }
    };
    void load();
    const timer = setInterval(load, 5000);
    return () => {
      quit.abort();
      clearInterval(timer);
      answer.value = { total: 0, rows: [] };
      looked.value = "";
    };
  }, [which]);
  if (!which) return null;
  const { total, rows } = answer.value;
  const shut = () => (devicesOpen.value = null);
  return html`<aside
    class="drawer"
    role="dialog"
    aria-label=${t(`devices.${which}`)}
    tabindex="-1"
    ref=${box}
    onKeyDown=${(pressed) => pressed.key === "Escape" && shut()}
    data-testid="devices"
  >
    <header>
      <h2>${t(`devices.${which}`)} <span class="count">${total}</span></h2>
      <button class="quiet" onClick=${shut}>${t("shut")} <kbd>Esc</kbd></button>
    </header>
    <table>
      <thead>
        <tr><th>${t("devices.name")}</th><th>${t("devices.place")}</th><th>${t("devices.kind")}</th><th class="right">${t("devices.heard")}</th>${which === "cameras" && html`<th>${t("devices.picture")}</th>`}</tr>
      </thead>
      <tbody>
        ${rows.map(
          (one) => html`<tr key=${one.id} class=${one.heard ? "" : "silent"} data-testid="device" data-id=${one.id}>
            <td>${!one.heard && html`<${Symbol} urgency="ill" size=${14} label=${false} />`} ${one.name}${one.registered === false && html` <span class="chip">${t("devices.unplaced")}</span>`}</td>
            <td>${one.place_name}</td>
            <td>${word("device", one.kind)}</td>
            <td class="right" title=${one.last_at ? clockTime(one.last_at) : ""}>${one.last_at ? t("age.ago", { span: span(age(one.last_at)) }) : t("age.never")}</td>
            ${which === "cameras" &&
            html`<td class="right">
              ${one.registered !== false && html`<button onClick=${() => (looked.value = looked.value === one.id ? "" : one.id)} aria-expanded=${String(looked.value === one.id)} data-testid="look">${t("devices.look")}</button>`}
            </td>`}
          </tr>
          ${looked.value === one.id && html`<tr key=${`${one.id} picture`}><td colspan="5" class="look"><${Still} key=${one.id} camera=${{ ...one, still: `/cameras/${one.id}/still.jpg` }} /></td></tr>`}`,
        )}
      </tbody>
    </table>
    ${rows.length < total && html`<p class="none">${t("devices.more", { n: rows.length })}</p>`}
  </aside>`;
}

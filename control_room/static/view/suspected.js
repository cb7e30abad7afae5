// The quiet list 疑似: what a detector only suspects. It never rings; its count stands on the front.
import { get } from "../api.js";
import { clockTime } from "../clock.js";
import { tick } from "../desk.js";
import { html, signal, useEffect, useRef, useSignal } from "../html.js";
import { t } from "../text.js";
import { Evidence } from "./evidence.js";
import { Figures, kindOf } from "./story.js";

export const HOURS = 24;
export const suspectedOpen = signal(false);

/** One line below the list of alarms, always there, so that nothing moves when something is suspected. */
export function SuspectedLine() {
  const count = tick.value?.counts.suspected ?? 0;
  return html`<button class=${`suspected-line${count ? " some" : ""}`} onClick=${() => (suspectedOpen.value = true)} data-testid="suspected-count">
    <b>${t("list.suspected")}</b> <span class="count">${count}</span>
    <span class="hint">${t("list.suspected.hint", { n: HOURS })}</span>
  </button>`;
}

export function Suspected() {
  const open = suspectedOpen.value;
  const box = useRef(null);
  const rows = useSignal(null);
  const looked = useSignal("");
  useEffect(() => {
    if (!open) return undefined;
    box.current?.focus();
    const quit = new AbortController();
    const load = async () => {
      try {
        rows.value = (await get("/api/suspected", { signal: quit.signal })).rows;
      } catch {
        // shown as it was; the stream's own watch tells that the hub is away
      }
    };
    void load();
    const timer = setInterval(load, 5000);
    return () => {
      quit.abort();
      clearInterval(timer);
      rows.value = null;
      looked.value = "";
    };
  }, [open]);
  if (!open) return null;
  const shut = () => (suspectedOpen.value = false);
  return html`<aside
    class="drawer"
    role="dialog"
    aria-label=${t("list.suspected")}
    tabindex="-1"
    ref=${box}
    onKeyDown=${(pressed) => pressed.key === "Escape" && shut()}
    data-testid="suspected"
  >
    <header>
      <h2>${t("suspected.title", { n: HOURS })} <span class="count">${rows.value?.length ?? ""}</span></h2>
      <button class="quiet" onClick=${shut}>${t("shut")} <kbd>Esc</kbd></button>
    </header>
    <p class="sub">${t("suspected.explain")}</p>
    ${rows.value?.length === 0 && html`<p class="none">${t("suspected.none")}</p>`}
    <ul class="alerts">
      ${(rows.value ?? []).map(
        (one) => html`<li key=${one.id} data-testid="suspect" data-id=${one.id}>
          <time>${clockTime(one.began_at)}</time>
          <div>
            <b>${kindOf(one)}</b> <span class="chip">${t(one.status === "suspected" ? "alert.suspected" : "alert.notice")}</span>
            <span class="place">${one.place_name || one.site} · ${one.subject_name}</span>
            <p>${one.reason}</p>
            <${Figures} numbers=${one.numbers ?? {}} words=${one.words ?? {}} />
            ${looked.value === one.id
              ? html`<${Evidence} more=${one} />`
              : one.evidence.length + one.cameras.length > 0 &&
                html`<button onClick=${() => (looked.value = one.id)} data-testid="look">${t("suspected.look")}</button>`}
          </div>
        </li>`,
      )}
    </ul>
  </aside>`;
}

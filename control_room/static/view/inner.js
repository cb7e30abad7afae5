// How the hub itself is, for whoever wants to know more than the bottom line says: each stage, each process.
import { tick } from "../desk.js";
import { span } from "../clock.js";
import { html, signal, useEffect, useRef } from "../html.js";
import { t, word } from "../text.js";

export const LATE = 15; // seconds, as the server counts it
export const TEST_EVERY = 5;
export const innerOpen = signal(false);

/** The stages of a self-test in the order in which it passed them: [[stage, seconds after it was sent]]. */
export function passages(test) {
  return Object.entries(test.stages).sort((a, b) => a[1] - b[1]);
}

export function Inner() {
  const box = useRef(null);
  useEffect(() => {
    if (innerOpen.value) box.current?.focus();
  }, [innerOpen.value]);
  const seen = tick.value;
  if (!innerOpen.value || !seen) return null;
  const shut = () => (innerOpen.value = false);
  const test = seen.selftest;
  return html`<aside
    class="drawer"
    role="dialog"
    aria-label=${t("inner.title")}
    tabindex="-1"
    ref=${box}
    onKeyDown=${(pressed) => pressed.key === "Escape" && shut()}
    data-testid="inner"
  >
    <header>
      <h2>${t("inner.title")}</h2>
      <button class="quiet" onClick=${shut}>${t("shut")} <kbd>Esc</kbd></button>
    </header>
    <p>${t("inner.test", { n: TEST_EVERY })}</p>
    ${!test && html`<p class="none">${t("inner.none")}</p>`}
    ${test &&
    html`<table>
      <thead><tr><th>${t("inner.stage")}</th><th class="right">${t("inner.passed")}</th></tr></thead>
      <tbody>
        ${passages(test).map(
          ([stage, seconds]) => html`<tr key=${stage} data-testid="stage" data-stage=${stage}>
            <td>${word("stage", stage)}</td><td class="right">+${seconds.toFixed(2)} s</td>
          </tr>`,
        )}
        <tr class=${test.age > LATE ? "silent" : ""}><td>${t("inner.now")}</td><td class="right">${t("age.ago", { span: span(test.age) })}</td></tr>
      </tbody>
    </table>`}
    <h3>${t("inner.roles")}</h3>
    <table>
      <tbody>
        ${seen.roles.map(
          (role) => html`<tr key=${`${role.role}/${role.instance}`} class=${role.age > LATE ? "silent" : ""}>
            <td>${word("process", role.role)}</td><td>${role.instance}</td>
            <td class="right">${t("inner.progress")} ${t("age.ago", { span: span(role.age) })}</td>
          </tr>`,
        )}
      </tbody>
    </table>
  </aside>`;
}

// Changing one's own password.
import { post } from "../api.js";
import { html, signal, useEffect, useRef, useSignal } from "../html.js";
import { t } from "../text.js";

export const passwordOpen = signal(false);

export function Password() {
  const said = useSignal("");
  const first = useRef(null);
  useEffect(() => {
    said.value = "";
    if (passwordOpen.value) first.current?.focus();
  }, [passwordOpen.value]);
  if (!passwordOpen.value) return null;
  const shut = () => (passwordOpen.value = false);
  const send = async (submitted) => {
    submitted.preventDefault();
    const fields = new FormData(submitted.target);
    if (fields.get("new") !== fields.get("again")) return (said.value = t("password.differ"));
    try {
      await post("/api/password", { old: fields.get("old"), new: fields.get("new") });
      said.value = t("password.done");
      submitted.target.reset();
    } catch (error) {
      said.value = error.message;
    }
    return undefined;
  };
  const field = (name, filled, reference) => html`<label>
    ${t(`password.${name}`)}
    <input ref=${reference} type="password" name=${name} autocomplete=${filled} required minlength=${name === "old" ? 1 : 10} maxlength="200" />
  </label>`;
  return html`<aside class="dialog" role="dialog" aria-label=${t("password.change")} onKeyDown=${(pressed) => pressed.key === "Escape" && shut()}>
    <h2>${t("password.change")}</h2>
    <form class="fields" onSubmit=${send} data-testid="password-form">
      ${field("old", "current-password", first)} ${field("new", "new-password")} ${field("again", "new-password")}
      ${said.value && html`<p role="status" data-testid="password-said">${said.value}</p>`}
      <div class="actions">
        <button class="primary" type="submit">${t("password.save")}</button>
        <button type="button" onClick=${shut}>${t("shut")}</button>
      </div>
    </form>
  </aside>`;
}

// Signing in, which also lets the browser make sound.
import { Refusal } from "../api.js";
import { html, useEffect, useRef, useSignal } from "../html.js";
import { signIn } from "../session.js";
import { enable } from "../sound.js";
import { language, speak, t } from "../text.js";
import { Symbol } from "./symbol.js";

export function Login() {
  const name = useRef(null);
  const failed = useSignal("");
  const busy = useSignal(false);
  useEffect(() => name.current?.focus(), []);
  const send = async (submitted) => {
    submitted.preventDefault();
    const fields = new FormData(submitted.target);
    busy.value = true;
    failed.value = "";
    void enable();
    try {
      await signIn(fields.get("name"), fields.get("password"));
    } catch (error) {
      failed.value = error instanceof Refusal ? t(`login.${error.status}`, { say: error.message }) : t("login.away");
    } finally {
      busy.value = false;
    }
  };
  return html`<div class="login">
    <form onSubmit=${send}>
      <div class="signs" aria-hidden="true">
        <${Symbol} urgency=${1} label=${false} /><${Symbol} urgency=${2} label=${false} /><${Symbol} urgency=${3} label=${false} />
      </div>
      <h1>${t("title")}</h1>
      <p class="sub">${t("subtitle")}</p>
      <label>${t("login.name")} <input ref=${name} name="name" autocomplete="username" required maxlength="64" /></label>
      <label>${t("login.password")} <input name="password" type="password" autocomplete="current-password" required maxlength="200" /></label>
      ${failed.value && html`<p class="bad" role="alert">${failed.value}</p>`}
      <button class="primary" disabled=${busy.value} type="submit">${t(busy.value ? "login.busy" : "login.enter")}</button>
      <p class="small">${t("login.first")}</p>
      ${!window.isSecureContext && html`<p class="small bad">${t("login.insecure")}</p>`}
      <p class="small"><a href="/install-ca">${t("login.ca")}</a>
        <button type="button" class="quiet" onClick=${() => speak(language.value === "zh" ? "en" : "zh")}>${t("language.other")}</button></p>
    </form>
    <p class="small aid">${t("aid")}</p>
  </div>`;
}

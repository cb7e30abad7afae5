// The test that only a person can pass: did you hear it? Asked at the start of a shift, kept with name and time.
import { post } from "../api.js";
import { refresh } from "../desk.js";
import { html, signal, useEffect } from "../html.js";
import { burst, enable, sound } from "../sound.js";
import { t } from "../text.js";

export const soundTestOpen = signal(false);

export function SoundTest() {
  useEffect(() => {
    if (soundTestOpen.value) void enable().then(() => burst("p1"));
  }, [soundTestOpen.value]);
  if (!soundTestOpen.value) return null;
  const answer = async (heard) => {
    soundTestOpen.value = false;
    await post("/api/sound-test", { heard });
    void refresh();
  };
  return html`<aside class="dialog" role="dialog" aria-label=${t("soundtest.title")} data-testid="sound-test">
    <h2>${t("soundtest.title")}</h2>
    <p>${t(sound.value === "on" ? "soundtest.ask" : "soundtest.blocked")}</p>
    <div class="actions">
      <button onClick=${() => burst("p1")}>${t("soundtest.again")}</button>
      <button class="primary" onClick=${() => answer(true)} data-testid="heard">${t("soundtest.heard")}</button>
      <button onClick=${() => answer(false)}>${t("soundtest.not")}</button>
    </div>
  </aside>`;
}

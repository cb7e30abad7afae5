// What a camera sees now, as a still: never a live mosaic, and never older than it says.
import { clockTime } from "../clock.js";
import { html, useEffect, useSignal } from "../html.js";
import { t } from "../text.js";

/** The camera's latest picture, renewed each 2 s: a picture that stands still says how old it is. */
export function Still({ camera }) {
  const picture = useSignal({ address: "", at: "", why: "" });
  useEffect(() => {
    const quit = new AbortController();
    let timer = 0;
    let shown = "";
    const load = async () => {
      try {
        const answer = await fetch(camera.still, { signal: quit.signal, cache: "no-store" });
        if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).say ?? `HTTP ${answer.status}`);
        const address = URL.createObjectURL(await answer.blob());
        if (quit.signal.aborted) return URL.revokeObjectURL(address);
        picture.value = { address, at: answer.headers.get("X-Picture-At") ?? "", why: "" };
        if (shown) URL.revokeObjectURL(shown);
        shown = address;
      } catch (error) {
        if (quit.signal.aborted) return undefined;
        picture.value = { ...picture.value, why: error.message };
      }
      timer = setTimeout(load, 2000);
      return undefined;
    };
    void load();
    return () => {
      quit.abort();
      clearTimeout(timer);
      if (shown) URL.revokeObjectURL(shown);
    };
  }, [camera.id]);
  const { address, at, why } = picture.value;
  return html`${address ? html`<img src=${address} alt=${camera.name} data-testid="still" />` : html`<p class="none">${why || t("loading")}</p>`}
    <p class="facts">
      <span>${camera.name}</span>
      ${at && html`<span>${t("evidence.at", { at: clockTime(at) })}</span>`}
      ${address && why && html`<span class="bad">${t("evidence.still_stopped")}: ${why}</span>`}
    </p>`;
}

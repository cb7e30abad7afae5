// The proof: the clip by itself, muted and looped; the pictures beside it; the camera as it sees now.
import { clockTime } from "../clock.js";
import { html, useEffect, useRef, useSignal } from "../html.js";
import { t, word } from "../text.js";
import { Still } from "./still.js";

const WHOLE = 64 * 2 ** 20; // bytes: larger ones are offered, not fetched by themselves
const LEAD = 2; // seconds before the moment at which a film is first shown

/** What to show: each ready piece once, an H.265 clip by its preview, with what is still being cut. */
export function pieces(evidence, alerts) {
  const moments = new Map(alerts.map((alert) => [alert.id, Date.parse(alert.began_at)]));
  const ready = evidence.filter((one) => one.state === "ready");
  const seen = new Set();
  const previews = new Map(ready.filter((one) => one.preview_of).map((one) => [one.preview_of, one]));
  return ready
    .filter((one) => !one.preview_of && !seen.has(one.sha256) && seen.add(one.sha256)) // two signals, one film
    .map((one) => ({
      ...one,
      start: Math.max(0, ((moments.get(one.alert) ?? 0) - Date.parse(one.from_at)) / 1000 - LEAD) || 0,
      shown: previews.get(one.id) ?? (one.codec === "hevc" ? null : one),
    }));
}

export function Evidence({ incident, more }) {
  const chosen = useSignal("");
  if (!more) return html`<section class="card evidence"><p class="none">${t("loading")}</p></section>`;
  const all = pieces(more.evidence, more.alerts ?? [more]);
  const cutting = more.evidence.filter((one) => one.state === "pending" && !one.preview_of).length;
  const failed = more.evidence.filter((one) => one.state === "failed");
  const live = more.cameras.map((camera) => ({ id: `live-${camera.id}`, camera, media_type: "live" }));
  const tabs = [...all, ...live];
  const piece = tabs.find((one) => one.id === chosen.value) ?? first(all) ?? tabs[0];
  return html`<section class="card evidence" data-testid="evidence">
    <div class="stage">
      ${!piece && html`<p class="none">${t(cutting ? "evidence.cutting" : "evidence.none")}</p>`}
      ${piece && html`<${Piece} key=${piece.id} piece=${piece} />`}
    </div>
    <div class="tabs">
      ${tabs.map(
        (one) => html`<button
          key=${one.id}
          class=${one.id === piece?.id ? "chosen" : ""}
          onClick=${() => (chosen.value = one.id)}
          data-testid="evidence-tab"
          data-kind=${one.kind ?? "live"}
        >
          ${one.camera ? t("evidence.live", { name: one.camera.name }) : nameOf(one)}
        </button>`,
      )}
      ${cutting > 0 && html`<span class="none">${t("evidence.more", { n: cutting })}</span>`}
      ${failed.map((one) => html`<span class="bad" key=${one.id}>${t("evidence.failed", { why: one.reason })}</span>`)}
    </div>
  </section>`;
}

/** What is shown by itself: the film, else the latest thermal picture, for a fire grows. */
function first(all) {
  return all.find((one) => one.kind === "clip") ?? all.filter((one) => one.kind === "thermal").pop() ?? all[0];
}

function nameOf(one) {
  return `${word("evidence.kind", one.kind)}${one.from_at ? ` ${clockTime(one.from_at)}` : ""}`;
}

function Piece({ piece }) {
  if (piece.media_type === "live") return html`<${Still} camera=${piece.camera} />`;
  const facts = html`<p class="facts">
    <a href=${piece.url} download data-testid="original">${t("evidence.original")}</a>
    <span>${piece.codec ? word("codec", piece.codec) : ""}</span>
    ${piece.from_at && html`<span>${clockTime(piece.from_at)} – ${clockTime(piece.to_at)}</span>`}
    <span class="hash" title=${piece.sha256}>SHA-256 ${piece.sha256.slice(0, 12)}…</span>
    ${piece.shown && piece.shown.id !== piece.id && html`<span>${t("evidence.preview")}</span>`}
  </p>`;
  if (!piece.shown) return html`<p class="none">${t("evidence.no_preview")}</p>${facts}`;
  if (piece.media_type.startsWith("image/")) {
    return html`<img src=${piece.shown.url} alt=${word("evidence.kind", piece.kind)} data-testid="picture" />${facts}`;
  }
  return html`<${Clip} piece=${piece.shown} start=${piece.start} />${facts}`;
}

/** A clip is fetched whole and played from memory: six open connections to one host would stop everything else. */
function Clip({ piece, start }) {
  const video = useRef(null);
  const state = useSignal(piece.bytes > WHOLE ? "large" : "loading");
  const paused = useSignal(false);
  const slow = useSignal(false);
  const wish = useSignal(piece.bytes <= WHOLE);
  useEffect(() => {
    if (!wish.value) return undefined;
    const quit = new AbortController();
    const element = video.current;
    let address = "";
    (async () => {
      try {
        const answer = await fetch(piece.url, { signal: quit.signal });
        if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
        address = URL.createObjectURL(await answer.blob());
        if (quit.signal.aborted) return URL.revokeObjectURL(address);
        // First what happened, and then, looped, what came before and after.
        element.addEventListener("loadedmetadata", () => start < element.duration && (element.currentTime = start), { once: true });
        element.src = address;
        state.value = "ready";
        await element.play().catch(() => (paused.value = true));
      } catch (error) {
        if (!quit.signal.aborted) state.value = `failed: ${error.message}`;
      }
      return undefined;
    })();
    return () => {
      quit.abort();
      element.removeAttribute("src"); // without load() the player would stay with the browser for ever
      element.load();
      if (address) URL.revokeObjectURL(address);
    };
  }, [piece.id, wish.value]);
  const toggle = () => {
    const element = video.current;
    if (element.paused) void element.play();
    else element.pause();
  };
  const pace = () => {
    slow.value = !slow.value;
    video.current.playbackRate = slow.value ? 0.25 : 1;
  };
  const step = (seconds) => () => {
    const element = video.current;
    element.currentTime = Math.min(Math.max(element.currentTime + seconds, 0), element.duration || 0);
  };
  return html`<video
      ref=${video}
      muted
      loop
      playsinline
      data-testid="clip"
      onPlay=${() => (paused.value = false)}
      onPause=${() => (paused.value = true)}
      onError=${() => state.value === "ready" && (state.value = "failed: codec")}
    ></video>
    ${state.value === "loading" && html`<p class="over">${t("evidence.loading")}</p>`}
    ${state.value === "large" && html`<button class="over" onClick=${() => (wish.value = true)}>${t("evidence.large", { n: Math.round(piece.bytes / 2 ** 20) })}</button>`}
    ${state.value.startsWith("failed") && html`<p class="over bad">${t("evidence.unplayable", { why: state.value })}</p>`}
    <div class="player">
      <button onClick=${toggle} data-testid="pause">${t(paused.value ? "player.play" : "player.pause")}</button>
      <button onClick=${step(-5)}>−5 s</button>
      <button onClick=${step(-0.04)} aria-label=${t("player.back")}>◂</button>
      <button onClick=${step(0.04)} aria-label=${t("player.forward")}>▸</button>
      <button onClick=${pace} aria-pressed=${String(slow.value)}>${t(slow.value ? "player.normal" : "player.slow")}</button>
    </div>`;
}

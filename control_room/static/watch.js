// The watch that never sleeps: twice a second it asks whether the page still hears, and whether it should ring.
import { blind, incidents, inspect, tick } from "./desk.js";
import { serverNow } from "./clock.js";
import { signal } from "./html.js";
import { due, ILL_AGAIN_SECONDS, ringers, SILENCE_SECONDS, wanted } from "./ringing.js";
import { burst, hush, inspect as inspectSound } from "./sound.js";
import { elected } from "./voice.js";

/** The voice that sounds now ("p1", "ill", ...), or null: shown as text, for whoever can't hear it. */
export const ringing = signal(null);
/** Until when (server's milliseconds) the key S holds. 0: not at all. */
export const silencedUntil = signal(0);
export const loudHere = signal(true);

let silence = { until: 0, about: new Set() };
let seen = { until: 0, about: new Set() };
let last = null;

const clock = () => serverNow() || Date.now();

function look() {
  inspect();
  inspectSound();
  loudHere.value = elected();
  const now = clock();
  const want = wanted({
    blind: blind.value !== null,
    ill: tick.value?.ill ?? [],
    incidents: [...incidents.value.values()],
    silence,
    seen,
    now,
  });
  if (silencedUntil.value && now > silencedUntil.value) silencedUntil.value = 0;
  if (!want && last) hush();
  ringing.value = want ? want.voice : null;
  if (due(want, last, now)) {
    hush();
    if (loudHere.value) burst(want.voice);
    last = { ...want, at: now };
  } else if (want) {
    last = { ...last, about: want.about };
  } else {
    last = null;
  }
}

/** The key S: quiet for 30 s for everything that is there now. What comes later is heard. */
export function silenceNow() {
  const until = clock() + SILENCE_SECONDS * 1000;
  const about = [...ringers([...incidents.value.values()]).map((one) => one.id), ...(tick.value?.ill ?? []).map((one) => one.what)];
  if (blind.value !== null) about.push("blind");
  silence = { until, about: new Set(about) };
  silencedUntil.value = until;
  look();
}

/** Somebody has read what is ill. It stays on the page, and sounds again when it lasts or when more falls ill. */
export function noteIll() {
  seen = { until: clock() + ILL_AGAIN_SECONDS * 1000, about: new Set((tick.value?.ill ?? []).map((one) => one.what)) };
  look();
}

/** Begin to watch. Returns how to stop. */
export function watch() {
  const worker = new Worker("/static/beat.js");
  worker.onmessage = look;
  return () => {
    worker.terminate();
    hush();
  };
}

/** Look at once, not with the next beat: an acknowledgement must be heard to have worked. */
export { look as lookNow };

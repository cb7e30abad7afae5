// What should sound now, if anything: one voice at a time, the gravest first. Values in, values out.

/** Seconds from the beginning of one burst to the next. Priorities 1 to 3 follow the medical alarm patterns. */
export const PERIODS = { blind: 6, p1: 10, ill: 15, p2: 25, p3: 30 };

export const SILENCE_SECONDS = 30;
/** A *system ill* that somebody has seen sounds again after this long, if it is still so. */
export const ILL_AGAIN_SECONDS = 600;

/** Only live incidents ring, only unacknowledged ones, and priority 4 never does. */
export function ringers(incidents) {
  return incidents.filter(
    (incident) =>
      incident.state === "new" &&
      !incident.merged_into &&
      (incident.purpose ?? "live") === "live" &&
      incident.priority >= 1 &&
      incident.priority <= 3,
  );
}

/**
 * The voice that should sound: {voice, about} or null. `about` is the set of what it sounds for, so that one more
 * makes itself heard at once.
 *
 * `silence` is {until, about: Set} in the server's milliseconds: it holds for what was there when the key was
 * pressed, never for what came later. `seen` is {until, about: Set}: the causes of *system ill* somebody has noted.
 */
export function wanted({ blind, ill, incidents, silence, seen, now }) {
  const quiet = (key) => now < silence.until && silence.about.has(key);
  if (blind && !quiet("blind")) return { voice: "blind", about: ["blind"] };
  const rung = ringers(incidents).filter((incident) => !quiet(incident.id));
  const first = Math.min(...rung.map((incident) => incident.priority));
  const ills = ill.map((one) => one.what).filter((what) => !quiet(what) && !(now < seen.until && seen.about.has(what)));
  if (ills.length && first !== 1) return { voice: "ill", about: ills };
  if (!rung.length) return null;
  return { voice: `p${first}`, about: rung.filter((one) => one.priority === first).map((one) => one.id) };
}

/** Whether a burst is due, given the last one {voice, about, at}. */
export function due(want, last, now) {
  if (!want) return false;
  if (!last || last.voice !== want.voice) return true;
  if (want.about.some((key) => !last.about.includes(key))) return true;
  return now - last.at >= PERIODS[want.voice] * 1000;
}

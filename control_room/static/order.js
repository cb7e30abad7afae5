// The order of the list: what nobody has acknowledged first, by priority, then the oldest; and it never jumps.

const ENDED = new Set(["closed", "false_alarm"]);

export const isEnded = (incident) => ENDED.has(incident.state);
export const isUnacked = (incident) => incident.state === "new" && !incident.merged_into;

/** The three parts of the list: {waiting, working, ended}, each in its order. */
export function sections(incidents) {
  const shown = incidents.filter((incident) => !incident.merged_into);
  const opened = (incident) => Date.parse(incident.opened_at);
  const byPriority = (a, b) => a.priority - b.priority || opened(a) - opened(b) || (a.id < b.id ? -1 : 1);
  const byEnd = (a, b) => Date.parse(b.updated_at) - Date.parse(a.updated_at) || (a.id < b.id ? -1 : 1);
  return {
    waiting: shown.filter(isUnacked).sort(byPriority),
    working: shown.filter((incident) => !isUnacked(incident) && !isEnded(incident)).sort(byPriority),
    ended: shown.filter(isEnded).sort(byEnd),
  };
}

/**
 * The rows to draw: `wanted` as it is, or, while somebody points at the list, `drawn` with every row where it was.
 * What is new meanwhile comes at the end, where it moves nothing; the strip above the list announces it.
 */
export function steady(wanted, drawn, pointed) {
  if (!pointed) return wanted;
  const known = new Set(wanted);
  const kept = drawn.filter((id) => known.has(id));
  const seen = new Set(kept);
  return [...kept, ...wanted.filter((id) => !seen.has(id))];
}

/** The id that the key N goes to: the first waiting one after `selected` in the list's order, from the top again. */
export function nextUnacked(waiting, selected) {
  if (!waiting.length) return null;
  const here = waiting.findIndex((incident) => incident.id === selected);
  return waiting[(here + 1) % waiting.length].id;
}

// What this page knows: the incidents, the hub's last tick, and how long the stream has been silent.
import { get, Refusal } from "./api.js";
import { learn, move, serverNow, zone } from "./clock.js";
import { batch, computed, effect, signal } from "./html.js";
import { isEnded, isUnacked, nextUnacked, sections } from "./order.js";
import { lost } from "./session.js";
import { follow } from "./tabs.js";

const KEEP_ENDED = 200; // a page left open for a month must not grow

export const incidents = signal(new Map());
export const tick = signal(null);
export const overview = signal(null);
/** "open", or {down: why}. */
export const stream = signal({ down: "starting" });
/** Seconds since the last tick once two of them are missing, else null: then this page shows the past. */
export const blind = signal(null);
/** A gap that was closed by a fresh snapshot: {at, missed}. */
export const gap = signal(null);
export const selected = signal(null);
/** Commands under way: incident id → {action, version, at, failed}. */
export const pending = signal(new Map());
/** The id of what came last, for the strip above the list. */
export const newest = signal(null);

export const parts = computed(() => sections([...incidents.value.values()]));
export const current = computed(() => {
  let incident = incidents.value.get(selected.value);
  for (let hops = 0; incident && incident.merged_into && hops < 10; hops += 1) {
    incident = incidents.value.get(incident.merged_into) ?? { ...incident, merged_into: "" };
  }
  return incident ?? null;
});

let known = { boot: "", sequence: -1 };
let interval = 2;
let lastTick = performance.now();
let refreshing = null;
let again = false;

function take(list) {
  const next = new Map(incidents.value);
  for (const incident of list) {
    const old = next.get(incident.id);
    if (old && old.version >= incident.version) continue;
    next.set(incident.id, incident);
  }
  const ended = sections([...next.values()]).ended;
  for (const incident of ended.slice(KEEP_ENDED)) if (incident.id !== selected.peek()) next.delete(incident.id);
  incidents.value = next;
  settle(next);
}

// A command is done when the incident comes back changed: the receipt is the hub's, not our own guess.
function settle(all) {
  const open = [...pending.peek()].filter(([id, command]) => {
    const incident = all.get(id);
    return command.failed || !incident || incident.version <= command.version;
  });
  if (open.length !== pending.peek().size) pending.value = new Map(open);
}

/** An incident that was asked for by name, whatever its age. */
export function admit(incident) {
  take([incident]);
}

/** Everything anew: at the start, after a gap, after the hub's restart. Asked for meanwhile, it is done once more. */
export async function refresh() {
  if (refreshing) again = true;
  refreshing ??= (async () => {
    try {
      let snapshot;
      do {
        again = false;
        snapshot = await get("/api/snapshot");
      } while (again);
      batch(() => {
        zone.value = snapshot.zone;
        overview.value = snapshot;
        if (snapshot.tick) hearTick(snapshot.tick);
        take(snapshot.incidents);
        if (!selected.value) selected.value = parts.value.waiting[0]?.id ?? parts.value.working[0]?.id ?? null;
      });
      return true;
    } catch (error) {
      if (error instanceof Refusal && error.status === 401) lost();
      return false;
    } finally {
      refreshing = null;
    }
  })();
  return refreshing;
}

let version = null;

function hearTick(data) {
  learn(data.at);
  version ??= data.version;
  // After an upgrade an old page must not go on for months; but never reload under an alarm that waits.
  if (data.version !== version && overview.peek() && !parts.peek().waiting.length) location.reload();
  tick.value = data;
  interval = data.interval ?? interval;
}

function hear(message) {
  const [boot, count] = message.id.split(".");
  const sequence = Number(count);
  batch(() => {
    if (message.kind === "tick") {
      lastTick = performance.now();
      blind.value = null;
      hearTick(message.data);
    }
    if (boot === known.boot && sequence <= known.sequence) return; // a replay overlaps what we have
    const missed = boot === known.boot ? sequence - known.sequence - 1 : -1;
    const first = known.boot === "";
    known = { boot, sequence };
    if (missed !== 0) {
      if (!first) gap.value = { at: serverNow(), missed: Math.max(missed, 0) };
      void refreshUntilDone();
    }
    if (message.kind === "incident") {
      const fresh = !incidents.value.has(message.data.id);
      take([message.data]);
      if (fresh && isUnacked(message.data) && outranks(message.data)) newest.value = message.data.id;
      // A picture appears with the alarm, unless somebody is reading another one.
      if (fresh && (!current.value || isEnded(current.value))) selected.value = message.data.id;
    }
  });
}

// The strip shows the latest of the gravest that wait: a leaking pipe does not push a fire out of sight.
function outranks(incident) {
  const shown = incidents.value.get(newest.value);
  return !shown || !isUnacked(shown) || incident.priority <= shown.priority;
}

async function refreshUntilDone() {
  while (!(await refresh())) await new Promise((resume) => setTimeout(resume, 1000));
}

/** Called with every beat (watch.js): how long has nothing been heard? */
export function inspect() {
  const silence = (performance.now() - lastTick) / 1000;
  blind.value = silence > interval * 3 ? Math.floor(silence) : null;
  move();
  const now = performance.now();
  for (const [id, command] of pending.value) {
    // Asked and not answered within 2 s is said at once; after 8 s the keys are free again.
    const waits = Math.floor((now - command.since) / 1000);
    if (command.failed) continue;
    if (waits > 8) note(id, { ...command, failed: "slow" });
    else if (waits >= 2 && waits !== command.waits) note(id, { ...command, waits });
  }
}

export function note(id, command) {
  const next = new Map(pending.value);
  if (command) next.set(id, command);
  else next.delete(id);
  pending.value = next;
}

export function selectNext() {
  const next = nextUnacked(parts.value.waiting, current.value?.id);
  if (next) selected.value = next;
}

/** Begin to listen. Returns how to stop. */
export function open() {
  lastTick = performance.now();
  known = { boot: "", sequence: -1 };
  void refreshUntilDone();
  const cameras = setInterval(() => void refresh(), 60000); // what the stream does not carry: last heard, sound tests
  const stop = follow({
    address: "/api/stream",
    patience: 9000,
    heard: hear,
    changed: (state) => {
      stream.value = state;
    },
    unknown: lost,
  });
  return () => {
    clearInterval(cameras);
    stop();
  };
}

effect(() => {
  // An incident that was merged away goes on under its new name.
  if (current.value && current.value.id !== selected.value) selected.value = current.value.id;
});

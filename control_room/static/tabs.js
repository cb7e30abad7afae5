// One stream per browser, however many tabs are open: a browser allows six connections to a host in all.
//
// The tab that holds the lock listens and tells the others. When it goes, the next one gets the lock. When it
// hangs, it stops telling, and the next one takes the lock from it.
import { listen } from "./stream.js";

const LOCK = "hub-stream";
const PULSE = 2000;
const HUNG_AFTER = 7000;

/** Hear the stream until the returned function is called. `options` are those of `listen`, without its signal. */
export function follow(options) {
  const end = new AbortController();
  if (!navigator.locks || !window.BroadcastChannel) {
    // Plain http from another machine: a browser has no locks there. Each tab listens for itself.
    void listen({ ...options, signal: end.signal });
    return () => end.abort();
  }
  const channel = new BroadcastChannel(LOCK);
  let leading = false;
  let told = performance.now();
  channel.onmessage = ({ data }) => {
    if (leading) return;
    told = performance.now();
    if (data.message) options.heard(data.message);
    if (data.state) options.changed(data.state);
    if (data.unknown) options.unknown();
  };
  const tell = (what) => {
    if (!end.signal.aborted) channel.postMessage(what);
  };

  async function lead(signal) {
    leading = true;
    let state = { down: "starting" };
    const pulse = setInterval(() => tell({ state }), PULSE);
    await listen({
      ...options,
      signal,
      heard: (message) => {
        options.heard(message);
        tell({ message });
      },
      changed: (next) => {
        state = next;
        options.changed(next);
        tell({ state });
      },
      unknown: () => {
        options.unknown();
        tell({ unknown: true });
      },
    });
    clearInterval(pulse);
    leading = false;
  }

  async function ask(how) {
    const turn = new AbortController();
    const leave = () => turn.abort();
    end.signal.addEventListener("abort", leave);
    try {
      await navigator.locks.request(LOCK, how, () => lead(turn.signal));
    } catch {
      // Another tab took the lock because this one hung, or this page is ending.
    }
    turn.abort();
    end.signal.removeEventListener("abort", leave);
    if (!end.signal.aborted) setTimeout(() => ask({ signal: end.signal }), 1000);
  }

  void ask({ signal: end.signal });
  const watch = setInterval(() => {
    if (leading || end.signal.aborted || performance.now() - told < HUNG_AFTER) return;
    told = performance.now();
    void ask({ steal: true });
  }, 1000);
  return () => {
    clearInterval(watch);
    end.abort();
    channel.close();
  };
}

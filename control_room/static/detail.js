// What is known of the incident in view beyond its row: fetched when it changes, and while proof is still being cut.
import { get } from "./api.js";
import { signal, useEffect } from "./html.js";

export const detail = signal(null);

const unfinished = (more) =>
  more.evidence.some((one) => one.state === "pending") || more.notifications.some((one) => one.state === "waiting");

/** Keep `detail` that of `incident`. */
export function useDetail(incident) {
  const id = incident?.id;
  const version = incident?.version;
  useEffect(() => {
    if (!id) {
      detail.value = null;
      return undefined;
    }
    let timer = 0;
    const quit = new AbortController();
    const load = async () => {
      let wait = 15000; // messages and orders move on without the incident's version
      try {
        const more = await get(`/api/incidents/${encodeURIComponent(id)}`, { signal: quit.signal });
        if (quit.signal.aborted) return;
        detail.value = more;
        if (unfinished(more)) wait = 1500;
      } catch {
        wait = 3000; // the stream's own watch tells that the hub is away
      }
      if (!quit.signal.aborted) timer = setTimeout(load, wait);
    };
    void load();
    return () => {
      quit.abort();
      clearTimeout(timer);
    };
  }, [id, version]);
}

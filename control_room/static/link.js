// The link in a message, <page>/#/incident/<id>: it opens that incident, after signing in too, old or merged ones as well.
import { get } from "./api.js";
import { admit, current, selected } from "./desk.js";
import { effect, signal } from "./html.js";

/** {id, state: "opening" | "unknown"} while a link could not be followed yet, else null. */
export const link = signal(null);

const named = () => {
  try {
    return decodeURIComponent(/^#\/incident\/([^/?#]+)$/.exec(location.hash)?.[1] ?? "");
  } catch {
    return ""; // a link cut in half by a chat program
  }
};

async function go(quit) {
  const id = named();
  if (!id) return;
  link.value = { id, state: "opening" };
  for (;;) {
    try {
      const more = await get(`/api/incidents/${encodeURIComponent(id)}`, { signal: quit });
      selected.value = more.incident.id; // first, so that it is kept however old it is
      admit(more.incident);
      link.value = null;
      return;
    } catch (error) {
      if (quit.aborted || named() !== id) return;
      if (error.status === 404 || error.status === 422) {
        link.value = { id, state: "unknown" };
        return;
      }
      if (error.status === 401) return; // signing in begins it again
    }
    await new Promise((resume) => setTimeout(resume, 2000));
  }
}

/** Follow the address. Returns how to stop. */
export function followLink() {
  const quit = new AbortController();
  const changed = () => void go(quit.signal);
  window.addEventListener("hashchange", changed);
  changed();
  let shown = "";
  const forget = effect(() => {
    // Whoever goes on to another incident is no longer at the link; a reload must not take them back.
    const id = current.value?.id ?? "";
    if (link.value?.state === "opening") return;
    if (shown && id && id !== shown && named()) {
      history.replaceState(null, "", location.pathname);
      link.value = null;
    }
    shown = id;
  });
  return () => {
    quit.abort();
    window.removeEventListener("hashchange", changed);
    forget();
  };
}

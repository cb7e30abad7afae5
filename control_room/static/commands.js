// What a person asks for: sent once under an id of its own, done when the incident comes back changed.
import { post } from "./api.js";
import { incidents, note, pending } from "./desk.js";
import { hush } from "./sound.js";

function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `cmd_${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** Send a command. A press that got no answer is sent again under the same id: the hub does it once. */
export async function command(incident, action, { reason = "", details = {} } = {}) {
  const id = newId();
  const entry = { action, version: incident.version, since: performance.now(), failed: "" };
  if (pending.value.has(incident.id) && !pending.value.get(incident.id).failed) return;
  note(incident.id, entry);
  if (action === "acknowledge") hush();
  for (let attempt = 0; ; attempt += 1) {
    try {
      await post(`/api/incidents/${encodeURIComponent(incident.id)}/commands`, { id, action, reason, details });
      const now = incidents.value.get(incident.id);
      if (now && now.version > incident.version) note(incident.id, null);
      return;
    } catch (error) {
      const final = error.status && error.status < 500;
      if (final || attempt === 2) {
        note(incident.id, { ...entry, failed: error.message });
        return;
      }
      await new Promise((resume) => setTimeout(resume, 500 * (attempt + 1)));
    }
  }
}

// Which tab rings: one alone, preferably the one that is looked at. In doubt two ring, never none.
import { sound } from "./sound.js";

const ME = Math.random().toString(36).slice(2);
const FORGET_AFTER = 3000;

const others = new Map();
const channel = window.BroadcastChannel ? new BroadcastChannel("hub-voice") : null;
if (channel) {
  channel.onmessage = ({ data }) => {
    if (data.gone) others.delete(data.id);
    else others.set(data.id, { ...data, at: performance.now() });
  };
  window.addEventListener("pagehide", () => channel.postMessage({ id: ME, gone: true }));
}

function rank(tab) {
  return [tab.audible ? 0 : 1, tab.visible ? 0 : 1, tab.id].join("|");
}

/** Called with every beat: tell the other tabs of this one, and learn whether this one is to ring. */
export function elected() {
  const mine = { id: ME, audible: sound.value === "on", visible: document.visibilityState === "visible" };
  if (channel) channel.postMessage(mine);
  const now = performance.now();
  for (const [id, tab] of others) if (now - tab.at > FORGET_AFTER) others.delete(id);
  return [...others.values()].every((tab) => rank(mine) <= rank(tab));
}

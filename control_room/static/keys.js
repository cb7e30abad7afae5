// The keys of the desk: A or space acknowledges, N goes to the next, S silences for 30 s. They can be switched off.
import { command } from "./commands.js";
import { current, selectNext } from "./desk.js";
import { effect, signal } from "./html.js";
import { isUnacked } from "./order.js";
import { mayAct } from "./session.js";
import { silenceNow } from "./watch.js";

export const keysOn = signal(localStorage.getItem("hub-keys") !== "off");
effect(() => localStorage.setItem("hub-keys", keysOn.value ? "on" : "off"));

const FIELDS = new Set(["INPUT", "TEXTAREA", "SELECT"]);

function acknowledge() {
  const incident = current.value;
  if (incident && isUnacked(incident) && mayAct.value) void command(incident, "acknowledge");
}

function press(pressed) {
  if (!keysOn.value || pressed.isComposing || pressed.repeat) return;
  if (pressed.ctrlKey || pressed.metaKey || pressed.altKey) return;
  const field = pressed.target instanceof Element && (FIELDS.has(pressed.target.tagName) || pressed.target.isContentEditable);
  if (field) return;
  const key = pressed.key.toLowerCase();
  // A space on a button presses that button; on a row of the list it is meant for the incident.
  const onButton = pressed.target instanceof Element && pressed.target.closest("button, a") && !pressed.target.closest(".row");
  if (key === "a" || (key === " " && !onButton)) acknowledge();
  else if (key === "n") selectNext();
  else if (key === "s") silenceNow();
  else return;
  pressed.preventDefault();
}

/** Begin to listen to the keyboard. Returns how to stop. */
export function listenToKeys() {
  window.addEventListener("keydown", press);
  return () => window.removeEventListener("keydown", press);
}

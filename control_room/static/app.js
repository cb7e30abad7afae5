// The page begins here: who are you, and then the desk.
import { blind, open } from "./desk.js";
import { html, render, useEffect } from "./html.js";
import { keysOn, listenToKeys } from "./keys.js";
import { followLink } from "./link.js";
import { person, recall } from "./session.js";
import { enable, sound } from "./sound.js";
import { speak, t } from "./text.js";
import "./theme.js";
import { Devices } from "./view/devices.js";
import { IncidentPane } from "./view/incident.js";
import { Inner } from "./view/inner.js";
import { List } from "./view/list.js";
import { Login } from "./view/login.js";
import { Password } from "./view/password.js";
import { SoundTest } from "./view/soundtest.js";
import { StatusBar } from "./view/statusbar.js";
import { Suspected, SuspectedLine } from "./view/suspected.js";
import { TopBar } from "./view/topbar.js";
import { watch } from "./watch.js";

function Desk() {
  useEffect(() => {
    const stops = [open(), followLink(), watch(), listenToKeys(), stayAwake()];
    const unlock = () => sound.value === "on" || void enable();
    window.addEventListener("pointerdown", unlock, { once: true });
    return () => {
      window.removeEventListener("pointerdown", unlock);
      for (const stop of stops) stop();
    };
  }, []);
  return html`<div class=${`desk${blind.value === null ? "" : " blind"}`}>
    <${TopBar} />
    <div class="middle">
      <div class="side"><${List} /><${SuspectedLine} /><${Keys} /></div>
      <${IncidentPane} />
    </div>
    <${StatusBar} />
    <${Devices} />
    <${Suspected} />
    <${Inner} />
    <${SoundTest} />
    <${Password} />
  </div>`;
}

function Keys() {
  const switchKeys = () => (keysOn.value = !keysOn.value);
  return html`<p class=${`keys${keysOn.value ? "" : " off"}`}>
    <span><kbd>A</kbd> ${t("key.acknowledge")}</span>
    <span><kbd>N</kbd> ${t("key.next")}</span>
    <span><kbd>S</kbd> ${t("key.silence")}</span>
    <button class="quiet" onClick=${switchKeys} aria-pressed=${String(keysOn.value)}>${t(keysOn.value ? "key.on" : "key.off")}</button>
  </p>`;
}

/** Keep the screen lit while the page is seen; the browser takes it back whenever the page is hidden. */
function stayAwake() {
  const ask = () => {
    if (document.visibilityState === "visible") void navigator.wakeLock?.request("screen").catch(() => {});
  };
  ask();
  document.addEventListener("visibilitychange", ask);
  return () => document.removeEventListener("visibilitychange", ask);
}

function Page() {
  if (person.value === null) return html`<p class="starting">${t("loading")}</p>`;
  return person.value ? html`<${Desk} key=${person.value.name} />` : html`<${Login} />`;
}

async function begin() {
  await speak(localStorage.getItem("hub-language") === "en" ? "en" : "zh");
  render(html`<${Page} />`, document.getElementById("page"));
  for (;;) {
    try {
      await recall();
      return;
    } catch {
      await new Promise((resume) => setTimeout(resume, 2000)); // the hub is starting, or away
    }
  }
}

void begin();

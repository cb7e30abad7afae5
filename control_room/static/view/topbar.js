// The line at the top: where we are, what time the server has, what is wrong with the hub itself, and the sound.
import { blind, gap, newest, incidents, overview, parts, selected, stream, tick } from "../desk.js";
import { clockTime, now, wallClock, wallDate } from "../clock.js";
import { html } from "../html.js";
import { link } from "../link.js";
import { person, signOut } from "../session.js";
import { enable, sound } from "../sound.js";
import { language, speak, t, word } from "../text.js";
import { cycleTheme, theme } from "../theme.js";
import { noteIll, ringing, silencedUntil, silenceNow } from "../watch.js";
import { passwordOpen } from "./password.js";
import { Symbol } from "./symbol.js";

export function TopBar() {
  return html`<header class="topbar">
    <div class="brand">
      <h1>${overview.value?.city || t("title")}</h1>
      <span class="sub">${t("subtitle")}</span>
    </div>
    <div class="notice"><${Notice} /></div>
    <${SoundBox} />
    <div class="wallclock" title=${t("clock.server")}>
      <time>${wallClock()}</time>
      <span class="sub">${wallDate()}</span>
    </div>
    <div class="person">
      <span>${person.value?.shown}</span>
      <span class="sub">${t(`role.${person.value?.role}`)}</span>
    </div>
    <div class="corner">
      <button class="quiet" onClick=${() => (passwordOpen.value = true)}>${t("password.change")}</button>
      <button class="quiet" onClick=${cycleTheme} title=${t("theme.change")}>${t(`theme.${theme.value}`)}</button>
      <button class="quiet" onClick=${() => speak(language.value === "zh" ? "en" : "zh")}>${t("language.other")}</button>
      <button class="quiet" onClick=${signOut} data-testid="sign-out">${t("sign.out")}</button>
    </div>
  </header>`;
}

/** One place for what concerns the hub itself; the gravest first. It has its room always, so nothing moves. */
function Notice() {
  if (blind.value !== null) {
    return html`<div class="banner ill" role="alert" data-testid="blind">
      <${Symbol} urgency="ill" flash=${true} label=${false} />
      <span><b>${t("blind.title", { n: blind.value })}</b> ${t("blind.say")}</span>
    </div>`;
  }
  const ill = tick.value?.ill ?? [];
  if (ill.length) {
    return html`<div class="banner ill" role="alert" data-testid="ill">
      <${Symbol} urgency="ill" flash=${true} label=${false} />
      <span><b>${t("ill.title")}</b> ${ill.map((one) => say(one)).join(t("list.and"))}</span>
      <button onClick=${noteIll}>${t("ill.noted")}</button>
    </div>`;
  }
  const settings = tick.value?.settings;
  if (settings && settings.ok === false) {
    return html`<div class="banner warn" role="status" data-testid="settings-bad">
      ${t("settings.bad", { problem: settings.problem ?? "" })}
    </div>`;
  }
  if (link.value) {
    return html`<div class="banner info" role="status" data-testid="link">
      ${t(link.value.state === "unknown" ? "link.unknown" : "link.away", { id: link.value.id })}
    </div>`;
  }
  const fresh = incidents.value.get(newest.value);
  if (fresh && parts.value.waiting.some((one) => one.id === fresh.id)) {
    return html`<button class="banner fresh" onClick=${() => (selected.value = fresh.id)} data-testid="fresh">
      <${Symbol} urgency=${fresh.priority} label=${false} size=${22} />
      <span>${t("fresh.latest")} <b>${fresh.title}</b> ${clockTime(fresh.opened_at)}</span>
    </button>`;
  }
  if (gap.value && now.value - gap.value.at < 60000) {
    return html`<div class="banner info" role="status" data-testid="gap">${t("gap.say", { n: gap.value.missed })}</div>`;
  }
  if (stream.value !== "open") return html`<div class="banner info" role="status">${t("stream.opening")}</div>`;
  return null;
}

// The server says what is ill in Chinese; where this page has its own words for the cause, it uses those.
function say(one) {
  const values = { ...one.values, role: one.values?.role ? word("process", one.values.role) : "" };
  const said = t(`ill.${one.code}`, values);
  return said === `ill.${one.code}` ? one.say : said;
}

function SoundBox() {
  const quiet = silencedUntil.value > now.value ? Math.ceil((silencedUntil.value - now.value) / 1000) : 0;
  if (sound.value !== "on") {
    return html`<button class="sound-off" onClick=${enable} data-testid="enable-sound">
      <b>${t(sound.value === "stuck" ? "sound.stuck" : "sound.off")}</b><span>${t("sound.enable")}</span>
    </button>`;
  }
  const state = quiet ? t("sound.quiet", { n: quiet }) : ringing.value ? t(`voice.${ringing.value}`) : t("sound.ready");
  return html`<div class=${`sound-on${ringing.value && !quiet ? " rings" : ""}`} data-testid="sound" data-voice=${ringing.value ?? ""}>
    <span>${state}</span>
    <button onClick=${silenceNow} disabled=${!ringing.value} aria-keyshortcuts="S" data-testid="silence">
      ${t("sound.silence")} <kbd>S</kbd>
    </button>
  </div>`;
}

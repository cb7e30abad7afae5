// The line at the bottom: what is being watched and whether each part of the hub is well, every figure with its age.
import { age, clockTime, span } from "../clock.js";
import { overview, stream, tick } from "../desk.js";
import { html } from "../html.js";
import { sound } from "../sound.js";
import { t, word } from "../text.js";
import { loudHere } from "../watch.js";
import { devicesOpen } from "./devices.js";
import { innerOpen, LATE, passages } from "./inner.js";
import { soundTestOpen } from "./soundtest.js";
import { Symbol } from "./symbol.js";

export function StatusBar() {
  const seen = tick.value;
  if (!seen) return html`<footer class="statusbar"><span>${t("loading")}</span></footer>`;
  const counts = seen.counts;
  const test = overview.value?.sound_test;
  const channels = seen.channels ?? [];
  const tested = Boolean(seen.broker?.kind);
  return html`<footer class="statusbar" data-testid="statusbar">
    <${Item} label=${t("bar.cameras")} action=${() => (devicesOpen.value = "cameras")} late=${counts.cameras_heard < counts.cameras} name="cameras">
      ${counts.cameras_heard}/${counts.cameras}
    <//>
    <${Item} label=${t("bar.sensors")} action=${() => (devicesOpen.value = "sensors")} late=${counts.sensors_heard < counts.sensors} name="sensors">
      ${counts.sensors_heard}/${counts.sensors}
    <//>
    <${Item} label=${t("bar.selftest")} late=${tested && (!seen.selftest || seen.selftest.age > LATE)} name="selftest" action=${() => (innerOpen.value = true)} title=${stages(seen.selftest)}>
      ${seen.selftest ? t("age.ago", { span: span(seen.selftest.age) }) : t(tested ? "age.never" : "bar.selftest.none")}
    <//>
    <${Item} label=${t("bar.roles")} late=${seen.roles.some((role) => role.age > LATE)} name="roles" action=${() => (innerOpen.value = true)} title=${roles(seen.roles)}>
      ${seen.roles.filter((role) => role.age <= LATE).length}/${seen.roles.length}
    <//>
    ${channels.map(
      (channel) => html`<${Item} key=${channel.channel} label=${word("channel", channel.channel)} late=${channel.oldest_waiting > 60 || channel.refused > 0} name=${`channel-${channel.channel}`}>
        ${channelState(channel)}
      <//>`,
    )}
    <${Item} label=${t("bar.settings")} late=${seen.settings.ok === false} name="settings">
      ${seen.settings.ok === false ? t("bar.settings.bad") : t("bar.settings.ok", { n: seen.settings.revision ?? "–" })}
    <//>
    <${Item} label=${t("bar.sound")} late=${sound.value !== "on"} action=${() => (soundTestOpen.value = true)} name="sound">
      ${t(sound.value === "on" ? (loudHere.value ? "bar.sound.on" : "bar.sound.elsewhere") : "bar.sound.off")}
      ${test ? html` · ${t("bar.sound.tested", { at: clockTime(test.at) })}` : html` · ${t("bar.sound.untested")}`}
    <//>
    <${Item} label=${t("bar.stream")} late=${stream.value !== "open"} name="stream">
      ${stream.value === "open" ? t("age.ago", { span: span(age(seen.at)) }) : t("bar.stream.down")}
    <//>
    ${seen.broker?.note && html`<span class="item late" data-testid="broker-note"><span class="value">${t(`broker.${seen.broker.kind}`)}</span></span>`}
  </footer>`;
}

function Item({ label, late, action, name, title, children }) {
  const inner = html`<span class="label">${late && html`<${Symbol} urgency="ill" size=${14} label=${false} />`}${label}</span>
    <span class="value">${children}</span>`;
  const classes = `item${late ? " late" : ""}`;
  if (action) return html`<button class=${classes} title=${title} onClick=${action} data-testid=${`bar-${name}`}>${inner}</button>`;
  return html`<span class=${classes} title=${title} data-testid=${`bar-${name}`}>${inner}</span>`;
}

function channelState(channel) {
  if (channel.refused > 0) return t("bar.channel.refused", { n: channel.refused });
  if (channel.waiting > 0) return t("bar.channel.waiting", { n: channel.waiting, span: span(channel.oldest_waiting) });
  return channel.last_sent === null ? t("bar.channel.idle") : t("bar.channel.sent", { span: span(channel.last_sent) });
}

function stages(test) {
  if (!test) return "";
  return passages(test).map(([stage, seconds]) => `${word("stage", stage)} +${seconds.toFixed(2)} s`).join("\n");
}

function roles(all) {
  return all.map((role) => `${word("process", role.role)} ${span(role.age)}`).join("\n");
}

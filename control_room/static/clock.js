// The server's time, shown in the site's zone: never the clock of this PC.
import { signal } from "./html.js";
import { language, t } from "./text.js";

export const zone = signal("Asia/Shanghai");
/** The server's time now in milliseconds since 1970; moves with the beat (watch.js). 0 before the first tick. */
export const now = signal(0);

let offset = null;

/** Learn the server's time from a message that just arrived. The quickest message of all is the best guess. */
export function learn(at) {
  const seen = Date.parse(at) - performance.now();
  if (Number.isNaN(seen)) return;
  // A late message makes the server look behind: take the larger, and let it sink slowly if this PC's clock drifts.
  offset = offset === null || seen > offset || offset - seen > 5000 ? seen : offset - 1;
  move();
}

/** The server's time now, in milliseconds since 1970. */
export function serverNow() {
  return offset === null ? 0 : offset + performance.now();
}

export function move() {
  now.value = Math.floor(serverNow() / 1000) * 1000; // whole seconds: the page need not be drawn more often
}

const formats = new Map();
function format(options) {
  const key = `${zone.value}|${JSON.stringify(options)}`;
  if (!formats.has(key)) {
    formats.set(key, new Intl.DateTimeFormat("zh-CN", { timeZone: zone.value, hourCycle: "h23", ...options }));
  }
  return formats.get(key);
}

/** 24-hour time; with the date in front when it was not today. */
export function clockTime(at) {
  const moment = Date.parse(at);
  if (Number.isNaN(moment)) return "";
  const time = format({ hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(moment);
  const day = format({ month: "2-digit", day: "2-digit" });
  return day.format(moment) === day.format(serverNow() || moment) ? time : `${day.format(moment)} ${time}`;
}

export function wallClock() {
  if (!now.value) return "--:--:--";
  return format({ hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(now.value);
}

export function wallDate() {
  if (!now.value) return "";
  const locale = language.value === "zh" ? "zh-CN" : "en-GB";
  const options = { timeZone: zone.value, month: "long", day: "numeric", weekday: "short" };
  return new Intl.DateTimeFormat(locale, options).format(now.value);
}

/** "12 秒", "3 分", "2 小时", "4 天": how long `seconds` is, to one figure that a glance can take. */
export function span(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return t("age.never");
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return t("age.seconds", { n: whole });
  if (whole < 3600) return t("age.minutes", { n: Math.floor(whole / 60) });
  if (whole < 86400) return t("age.hours", { n: Math.floor(whole / 3600) });
  return t("age.days", { n: Math.floor(whole / 86400) });
}

/** Seconds from `at` to the server's now; follows the beat. */
export function age(at) {
  const moment = Date.parse(at);
  return Number.isNaN(moment) || !now.value ? null : (now.value - moment) / 1000;
}

// Light grey by day, dark grey by night, never black; "auto" follows the hour at the site.
import { effect, signal } from "./html.js";
import { now, zone } from "./clock.js";

const CHOICES = ["auto", "day", "night"];
const stored = localStorage.getItem("hub-theme");
export const theme = signal(CHOICES.includes(stored) ? stored : "auto");

export function cycleTheme() {
  theme.value = CHOICES[(CHOICES.indexOf(theme.value) + 1) % CHOICES.length];
  localStorage.setItem("hub-theme", theme.value);
}

function hour() {
  if (!now.value) return 12;
  const text = new Intl.DateTimeFormat("en-GB", { timeZone: zone.value, hour: "2-digit", hourCycle: "h23" });
  return Number(text.format(now.value));
}

effect(() => {
  const night = theme.value === "night" || (theme.value === "auto" && (hour() >= 19 || hour() < 7));
  document.documentElement.dataset.theme = night ? "night" : "day";
});

// The page's words: one dictionary per language, 中文 first.
import { signal } from "./html.js";

const words = signal({});
export const language = signal("zh");

/** Load a dictionary. The choice is kept in this browser. */
export async function speak(chosen) {
  const answer = await fetch(`/static/text/${chosen}.json`);
  if (!answer.ok) throw new Error(`no dictionary for ${chosen}`);
  words.value = await answer.json();
  language.value = chosen;
  document.documentElement.lang = chosen === "zh" ? "zh-CN" : chosen;
  document.title = t("title");
  localStorage.setItem("hub-language", chosen);
}

/** The text of a key with {names} filled in. An unknown key shows itself: better an odd word than an empty place. */
export function t(key, values = {}) {
  const text = words.value[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** Whether somebody wrote a text for `prefix.name`. */
export function known(prefix, name) {
  return `${prefix}.${name}` in words.value;
}

/** The text of `prefix.name`, or `name` itself when nobody wrote one: kinds and rules can be new. */
export function word(prefix, name) {
  return words.value[`${prefix}.${name}`] ?? name;
}

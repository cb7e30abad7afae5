// Why something was not done, in the words of the page; what is not known stands as it was said.
import { t, word } from "./text.js";

export function refusal(why) {
  const [, state, by] = /^already (\w+)(?: by (.+))?$/.exec(why) ?? [];
  if (state) return t(by ? "refused.already_by" : "refused.already", { state: word("state", state), by });
  if (/needs a reason$/.test(why) || why === "a note without words") return t("refused.reason");
  if (why === "assign needs someone to assign to") return t("refused.nobody");
  return why;
}

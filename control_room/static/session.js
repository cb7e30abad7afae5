// Who sits here, and what they may do.
import { carry, get, post } from "./api.js";
import { computed, signal } from "./html.js";

/** null: not asked yet; false: nobody; else {name, shown, role}. */
export const person = signal(null);

const RANKS = ["viewer", "operator", "engineer", "admin"];
export const mayAct = computed(() => Boolean(person.value) && RANKS.indexOf(person.value.role) >= 1);

function enter(session) {
  carry(session.csrf);
  person.value = session.person;
}

export async function recall() {
  const session = await get("/api/session");
  if (session.person) enter(session);
  else person.value = false;
}

export async function signIn(name, password) {
  enter(await post("/api/login", { name, password }));
}

export async function signOut() {
  await post("/api/logout", {});
  person.value = false;
}

/** The session ended on the server: say so instead of showing an old picture. */
export function lost() {
  if (person.value) person.value = false;
}

// Asking the hub: every answer is JSON, every refusal has words.
export class Refusal extends Error {
  constructor(status, say) {
    super(say || `HTTP ${status}`);
    this.status = status;
  }
}

let csrf = "";
/** The token that every POST of this session must carry. */
export function carry(token) {
  csrf = token;
}

async function read(answer) {
  let body = null;
  try {
    body = await answer.json();
  } catch {
    body = null; // a proxy's error page is not JSON
  }
  if (!answer.ok) throw new Refusal(answer.status, body && (body.say || body.detail));
  return body;
}

export async function get(address, options = {}) {
  const answer = await fetch(address, { headers: { Accept: "application/json" }, cache: "no-store", ...options });
  return read(answer);
}

export async function post(address, body) {
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": csrf };
  return read(await fetch(address, { method: "POST", headers, body: JSON.stringify(body) }));
}

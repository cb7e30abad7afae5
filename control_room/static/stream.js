// The page's ear: one stream of ticks and incidents from the hub, opened again for as long as the page lives.
//
// Not EventSource: that one closes for good on a proxy's 502 during our restart, and waits for ever on a
// connection that is half open. Here every answer is looked at and silence is a fault.

/** Cut a stream of text into server-sent messages: {id, kind, data}. */
export class Cutter {
  constructor() {
    this.rest = "";
  }

  cut(text) {
    const blocks = (this.rest + text).split("\n\n");
    this.rest = blocks.pop();
    return blocks.map(parse).filter((message) => message.data !== "");
  }
}

function parse(block) {
  const message = { id: "", kind: "message", data: "" };
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue; // a comment, or nothing
    const value = line.slice(colon + 1).replace(/^ /, "");
    const field = line.slice(0, colon);
    if (field === "id") message.id = value;
    else if (field === "event") message.kind = value;
    else if (field === "data") message.data += message.data ? `\n${value}` : value;
  }
  return message;
}

/**
 * Listen until `signal` aborts. `heard(message)` gets {id, kind, data: parsed}; `changed(state)` gets "open" or
 * {down: why}; `unknown()` is called when the server no longer knows this session.
 */
export async function listen({ address, signal, patience, heard, changed, unknown }) {
  let last = "";
  let wait = 500;
  while (!signal.aborted) {
    try {
      await once({ address, signal, patience, last, unknown, changed, heard: (message) => {
        last = message.id || last;
        wait = 500;
        heard(message);
      } });
      changed({ down: "ended" });
    } catch (error) {
      if (signal.aborted) return;
      changed({ down: String(error && error.message ? error.message : error) });
    }
    await pause(wait + Math.random() * 250, signal);
    wait = Math.min(wait * 2, 4000); // an alarm page may not wait long: the hub is on the same premises
  }
}

async function once({ address, signal, patience, last, heard, changed, unknown }) {
  const quit = new AbortController();
  const stop = () => quit.abort(new Error("stopped"));
  signal.addEventListener("abort", stop);
  let timer = 0;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => quit.abort(new Error("silent")), patience);
  };
  alive();
  try {
    const headers = { Accept: "text/event-stream" };
    if (last) headers["Last-Event-ID"] = last;
    const answer = await fetch(address, { headers, cache: "no-store", signal: quit.signal });
    if (answer.status === 401 || answer.status === 403) unknown();
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    if (!(answer.headers.get("Content-Type") || "").startsWith("text/event-stream")) throw new Error("no stream");
    changed("open");
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    const cutter = new Cutter();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      alive();
      for (const message of cutter.cut(value)) heard({ ...message, data: JSON.parse(message.data) });
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
    quit.abort(new Error("left"));
  }
}

function pause(milliseconds, signal) {
  return new Promise((resume) => {
    const timer = setTimeout(resume, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resume();
    }, { once: true });
  });
}

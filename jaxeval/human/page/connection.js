// What goes to the server and comes from it. Whatever fails for a passing reason is sent again, the same, until it is
// acknowledged: the server counts an answer once, however often it arrives.

const FIRST_WAIT = 500;
const LONGEST_WAIT = 3000;
const LONGEST_REQUEST = 15000;
const PASSING = new Set([408, 429, 500, 502, 503, 504]);

// The server's last word on a request.
export class Refusal extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

export class Connection {
  // failing: is called with the number of failed tries in a row, and with 0 once the server has answered again.
  constructor(token, failing) {
    this.token = token;
    this.failing = failing;
  }

  state() {
    return this.#until("state");
  }

  send(what, body) {
    return this.#until(what, body);
  }

  async #until(what, body) {
    for (let tries = 1; ; tries += 1) {
      let wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (tries - 1));
      try {
        const found = await once(`/api/${this.token}/${what}`, body);
        this.failing(0);
        return found;
      } catch (error) {
        if (error instanceof Refusal && !PASSING.has(error.status)) {
          this.failing(0);
          throw error;
        }
        wait = Math.max(wait, error.after ?? 0);
      }
      this.failing(tries);
      await pause(wait * (0.9 + 0.2 * Math.random()));  // so that not all raters come back in one moment
    }
  }
}

// One request; an error has `after`, in milliseconds, where the server said when to come again.
export async function once(path, body) {
  const giveUp = new AbortController();
  const timer = setTimeout(() => giveUp.abort(), LONGEST_REQUEST);
  try {
    const response = await fetch(path, {
      signal: giveUp.signal,
      ...(body === undefined ? {} : {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      }),
    });
    if (response.ok) return await response.json();
    const said = await response.json().catch(() => ({}));
    const error = new Refusal(response.status, said.error ?? `the server answered with ${response.status}`);
    error.after = 1000 * Number(response.headers.get("Retry-After") ?? 0) || 0;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

// Waits; less where the network comes back meanwhile.
function pause(milliseconds) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      removeEventListener("online", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    addEventListener("online", end);
  });
}

// A UUID; crypto.randomUUID is there only over TLS and on the server's own machine.
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

// Small facts that outlive the page. Browsers may refuse to keep any: then they last as long as the page.
export class Memory {
  constructor(name) {
    this.name = name;
    this.here = new Map();
  }

  get(key) {
    try {
      return JSON.parse(localStorage.getItem(`${this.name} ${key}`)) ?? this.here.get(key) ?? null;
    } catch {
      return this.here.get(key) ?? null;
    }
  }

  set(key, value) {
    this.here.set(key, value);
    try {
      localStorage.setItem(`${this.name} ${key}`, JSON.stringify(value));
    } catch { /* it is in `here` */ }
  }

  remove(key) {
    this.here.delete(key);
    try {
      localStorage.removeItem(`${this.name} ${key}`);
    } catch { /* it was in `here` alone */ }
  }
}

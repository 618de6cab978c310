/**
 * Server-sent events read with `fetch`: unlike EventSource it can send an API key, and says why it was refused.
 *
 * A lost connection is made again with growing waits, and goes on behind the last event that came.
 */
import { ask, otherPerson } from "./access.js";

const FIRST_WAIT = 500;
const LONGEST_WAIT = 15_000;
/** The service says something every 15 seconds: a connection that is silent for so long is dead. */
const SILENCE = 40_000;

/** Clocks that differ by less agree: the service says its time in whole seconds. */
const AGREE = 3000;

/** By how many milliseconds the clock of a `Date` header is ahead of `now`; 0 where nothing can be said. */
export const ahead = (date, now) => {
  const difference = Date.parse(date ?? "") + 500 - now;
  return Math.abs(difference) > AGREE ? difference : 0;
};

/** Splits what comes into events; keeps what is not complete yet. */
export class Reader {
  constructor(hear) {
    this.hear = hear;
    this.rest = "";
    this.begin();
  }

  begin() {
    this.type = "message";
    this.data = [];
    this.id = null;
  }

  feed(text) {
    // A line may end with \r\n, and the two may come apart.
    const all = this.rest + text, held = all.endsWith("\r") ? 1 : 0;
    const lines = all.slice(0, all.length - held).split(/\r\n|\n|\r/);
    this.rest = lines.pop() + all.slice(all.length - held);
    for (const line of lines) this.line(line);
  }

  line(line) {
    if (line === "") {
      if (this.data.length) this.hear({ type: this.type, data: this.data.join("\n"), id: this.id });
      this.begin();
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") this.type = value;
    else if (name === "data") this.data.push(value);
    else if (name === "id") this.id = value;
  }
}

/**
 * Follow a stream until `stop()`.
 *
 * `hear(type, value)` gets each event, parsed; `state(name, seconds)` is told `connecting`, `open`, `waiting` (with
 * the seconds until the next attempt) and `signed-out`, after which all is told anew; `opened(ahead)` each time that a
 * connection is there, with the milliseconds by which the service's clock is ahead of this one's;
 * `missing()` of a 404 and `closed(empty)` of an orderly end say whether to go on.
 */
export class Stream {
  constructor(path, { hear, state = () => {}, opened = () => {}, missing = () => true, closed = () => true }) {
    Object.assign(this, { path, hear, state, opened, missing, closed });
    this.last = "";
    this.failures = 0;
    this.stopped = false;
    this.wake = () => {};
    this.wakeNow = () => this.wake();
    this.renew = () => {
      this.forget();
      this.abort?.abort();
    };
    addEventListener("online", this.wakeNow);
    document.addEventListener("key", this.renew);
    this.run();
  }

  stop() {
    this.stopped = true;
    removeEventListener("online", this.wakeNow);
    document.removeEventListener("key", this.renew);
    this.abort?.abort();
    this.wake();
  }

  /** Whoever looks now may not be who looked before: nothing counts as seen. */
  forget() {
    this.last = "";
    this.state("signed-out");
  }

  async run() {
    while (!this.stopped) {
      try {
        await this.connect();
      } catch (error) {
        if (this.stopped) return;
        if (!(await this.fail(error))) return this.stop();
      }
    }
  }

  async connect() {
    this.abort = new AbortController();
    this.state("connecting");
    const headers = this.last ? { "Last-Event-ID": this.last } : {};
    const answer = await ask(this.path, { headers, signal: this.abort.signal });
    this.state("open");
    this.opened(ahead(answer.headers.get("Date"), Date.now()));
    const begun = Date.now();
    let heard = 0, over = false;
    const reader = new Reader((event) => {
      if (this.stopped) return;
      if (event.id !== null) this.last = event.id;
      over ||= event.type === "closed";
      if (event.type === "closed") return;
      heard += 1;
      this.failures = 0;
      this.hear(event.type, JSON.parse(event.data));
    });
    await this.read(answer.body.getReader(), reader);
    if (this.stopped) return;
    if (over && !this.closed(!heard && Date.now() - begun < 5000)) return this.stop();
    await this.rest({ quiet: over && this.failures === 0 });
  }

  async read(body, reader) {
    const decoder = new TextDecoder();
    let silence;
    try {
      for (let pieces = 0; ; pieces += 1) {
        silence = setTimeout(() => this.abort.abort(), SILENCE);
        const { done, value } = await body.read();
        clearTimeout(silence);
        if (done) return;
        // The first piece is the greeting; more of them show a connection that holds.
        if (pieces) this.failures = 0;
        reader.feed(decoder.decode(value, { stream: true }));
      }
    } finally {
      clearTimeout(silence);
    }
  }

  /** After a failure: whether to go on. */
  async fail(error) {
    if (error.status === 401 || error.status === 403) {
      this.forget();
      await otherPerson(error);
      this.failures = 0;
      return true;
    }
    if (error.status === 404 && !this.missing()) return false;
    await this.rest({ seconds: error.wait });
    return true;
  }

  /** Wait before the next attempt, unless the network comes back sooner; `quiet` after an orderly end. */
  async rest({ seconds = 0, quiet = false }) {
    if (this.stopped) return;
    const grown = Math.min(FIRST_WAIT * 2 ** this.failures, LONGEST_WAIT);
    this.failures += 1;
    // Many pages lose their service at once; they must not all come back at once.
    const wait = Math.max(seconds * 1000, grown * (0.75 + Math.random() / 2));
    if (!quiet) this.state("waiting", Math.ceil(wait / 1000));
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, wait);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

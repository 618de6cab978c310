/** Sends a call's sound over the WebSocket and hears what the call tells; a lost connection goes on where it was. */
import { API, theKey } from "./access.js";
import { HERTZ } from "./microphone.js";

const FIRST_WAIT = 500;
const LONGEST_WAIT = 8000;
/** So much may be on its way; more waits here, where it can be sent again. */
const AHEAD_BYTES = 256 * 1024;
/** What was sent is kept so long, should the service ask for it again. */
const KEPT_SAMPLES = 300 * HERTZ;
const FIRST_ATTEMPTS = 3;
/** Over two minutes: the service has ended the call by then. */
const ATTEMPTS = 20;
const ORDERLY = 1000;
const FINAL_CODES = new Set([1008, 1013]);
const GAP_PIECE = HERTZ;

export class CallSender {
  /**
   * `call` and `roles` as the protocol has them. `hear(type, event)` gets what the call tells, `state(name)`
   * `connecting`, `sending`, `waiting`, `ended`; `refused(code)` when there will be no call; `lost(seconds)` when
   * sound could not be kept until the service came back.
   */
  constructor({ call, roles, hear, state, refused, lost }) {
    Object.assign(this, { call, roles, hear, state, refused, lost });
    this.pieces = [];
    this.first = 0;
    this.next = 0;
    this.taken = 0;
    this.sequence = 0;
    this.token = "";
    this.failures = 0;
    this.ready = this.stopping = this.stopped = this.over = false;
    this.connect();
  }

  /** Take the next sound, Int16Array. */
  push(piece) {
    if (this.over || this.stopping) return;
    this.pieces.push(piece);
    this.taken += piece.length;
    while (this.taken - this.first > KEPT_SAMPLES) this.first += this.pieces.shift().length;
    this.pump();
  }

  /** No more sound comes. */
  stop() {
    this.stopping = true;
    this.pump();
  }

  dismiss(id) {
    if (this.ready) this.say({ type: "dismiss", hint_id: id });
  }

  say(message) {
    this.socket.send(JSON.stringify(message));
  }

  connect() {
    this.state("connecting");
    const address = new URL("live", API);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = (this.socket = new WebSocket(address));
    this.fatal = "";
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.greet();
    socket.onmessage = ({ data }) => this.receive(JSON.parse(data));
    socket.onclose = ({ code }) => this.close(code);
  }

  greet() {
    if (this.token) {
      this.say({ type: "resume", token: this.token, after: this.sequence, encoding: "pcm16" });
      return;
    }
    const audio = { encoding: "pcm16", rate: HERTZ, channels: 1, roles: this.roles };
    this.say({ type: "start", call: this.call, audio, ...(theKey() ? { key: theKey() } : {}) });
  }

  receive(event) {
    if (event.type === "started" || event.type === "resumed") {
      this.token = event.token;
      this.failures = 0;
      this.begin(event.received_samples);
    }
    if (event.sequence) this.sequence = event.sequence;
    if (event.type === "error" && event.fatal) this.fatal = event.code;
    this.hear(event.type, event);
  }

  /** Go on with what the service has not got. */
  begin(received) {
    this.next = Math.max(received, 0);
    if (this.next < this.first) {
      this.lost((this.first - this.next) / HERTZ);
      // Silence in its place: what follows must keep its time.
      for (let left = this.first - this.next; left > 0; left -= GAP_PIECE) {
        this.socket.send(new Int16Array(Math.min(left, GAP_PIECE)));
      }
      this.next = this.first;
    }
    this.ready = true;
    this.stopped = false;
    this.state("sending");
    this.pump();
  }

  pump() {
    if (!this.ready || this.stopped) return;
    let at = this.first;
    for (const piece of this.pieces) {
      const end = at + piece.length;
      if (end > this.next) {
        if (this.socket.bufferedAmount > AHEAD_BYTES) break;
        this.socket.send(at < this.next ? piece.subarray(this.next - at) : piece);
        this.next = end;
      }
      at = end;
    }
    if (!this.stopping) return;
    if (this.next < this.taken) setTimeout(() => this.pump(), 200);
    else {
      this.stopped = true;
      this.say({ type: "stop" });
    }
  }

  close(code) {
    this.ready = false;
    if (this.over) return;
    if (code === ORDERLY || this.fatal || FINAL_CODES.has(code)) {
      this.over = true;
      if (code !== ORDERLY) this.refused(this.fatal || "taken_over");
      this.state("ended");
      return;
    }
    if (this.failures >= (this.token ? ATTEMPTS : FIRST_ATTEMPTS)) {
      this.over = true;
      this.refused("away");
      this.state("ended");
      return;
    }
    const wait = Math.min(FIRST_WAIT * 2 ** this.failures, LONGEST_WAIT);
    this.failures += 1;
    this.state("waiting");
    setTimeout(() => this.connect(), wait);
  }
}

/** The words of a running call as they come: finished utterances, grey words that may still change, notes between. */
import { make, say, together } from "./screen.js";
import { clock, LEVELS, MOODS, ROLES, TONES } from "./words.js";

const NEAR = 60;
const KINDS = { credit: ["亮点", "credit"], note: ["提示", "note"] };

const roleOf = (role) => (role in ROLES ? role : "unsure");

export class Talk {
  /** `list` is the element for lines, `pane` what scrolls, `most` how many lines are kept. */
  constructor(list, { pane = list, most = Infinity, notes = true } = {}) {
    Object.assign(this, { list, pane, most, notes });
    this.queue = [];
    this.running = new Map();
    this.draw = together(() => this.drawNow());
    this.clear();
  }

  clear() {
    this.queue.length = 0;
    this.running.clear();
    this.list.replaceChildren();
  }

  hear(type, event) {
    this.queue.push([type, event]);
    this.draw();
  }

  drawNow() {
    const follows = this.pane.scrollHeight - this.pane.scrollTop - this.pane.clientHeight < NEAR;
    for (const [type, event] of this.queue.splice(0)) this[`on_${type}`]?.(event);
    while (this.list.childElementCount > this.most) this.list.firstElementChild.remove();
    if (follows) this.pane.scrollTop = this.pane.scrollHeight;
  }

  on_partial({ party, role, start_ms: start, stable_text: stable, tail_text: tail }) {
    const name = `${party} ${start}`;
    let line = this.running.get(name);
    if (!line) {
      line = this.line(role, start, "partial");
      line.stable = make("span", "stable");
      line.tail = make("span", "tail");
      line.bubble.append(line.stable, line.tail);
      line.node.setAttribute("aria-hidden", "true");
      this.running.set(name, { ...line, party, start });
      this.list.append(line.node);
    }
    say(line.stable, stable);
    say(line.tail, tail);
  }

  on_utterance({ party, role, start_ms: start, text, flags }) {
    this.drop(party, start);
    const line = this.line(role, start);
    if (text) say(line.bubble, text);
    else line.bubble.append(make("i", "", flags?.includes("refused") ? "没有识别出来" : "没有文字"));
    this.add(line.node);
  }

  on_dropped({ party, start_ms: start }) {
    this.drop(party, start);
  }

  on_report() {
    for (const line of this.running.values()) line.node.remove();
    this.running.clear();
  }

  on_finding({ finding }) {
    const [word, tone] = KINDS[finding.polarity] ?? [LEVELS[finding.level], TONES[finding.level]];
    const first = finding.evidence[0];
    this.note(tone, word, finding.title, first?.start_ms, finding.explanation);
  }

  on_risk({ level, title, start_ms: start, quote }) {
    this.note(TONES[level], "风险", title, start, quote ? `“${quote}”` : "");
  }

  on_alert({ level, title, at_ms: at }) {
    this.note(TONES[level], "告警", title, at, "");
  }

  on_emotion({ role, mood, at_ms: at }) {
    const tone = mood === "angry" || mood === "negative" ? "medium" : "note";
    this.note(tone, "情绪", `${ROLES[roleOf(role)]}：${MOODS[mood] ?? mood}`, at, "");
  }

  note(tone, word, title, at, more) {
    if (!this.notes) return;
    const node = make("li", `note k-${tone}`);
    const head = make("p", "note-head");
    head.append(make("span", "badge", word), make("bdi", "", title));
    if (at !== undefined) head.append(make("span", "time", clock(at)));
    node.append(head);
    if (more) node.append(make("p", "note-more", more));
    this.add(node);
  }

  line(role, start, kind = "") {
    const node = make("li", `line ${roleOf(role)} ${kind}`);
    const who = make("p", "who", ROLES[roleOf(role)]), bubble = make("p", "bubble");
    who.append(make("span", "time", clock(start)));
    node.append(who, bubble);
    return { node, bubble };
  }

  /** Finished lines stand above the words that still run. */
  add(node) {
    const [first] = this.running.values();
    this.list.insertBefore(node, first?.node ?? null);
  }

  /** Words that ran are void: their utterance is there, or they were no words. */
  drop(party, start) {
    for (const [name, line] of this.running) {
      if (line.party !== party || line.start > start) continue;
      line.node.remove();
      this.running.delete(name);
    }
  }
}

/** Hints for the agent: at most three at once, the urgent first, none of them for ever. */
import { ask, otherPerson } from "./access.js";
import { $, make, say, together } from "./screen.js";
import { HINTS } from "./words.js";

const MOST = 3;
/** A hint that nobody answered moves to the older ones; call time in milliseconds. */
const STAYS = 90_000;
const THANKS = 1500;
const TONES = { risk: "medium", wording: "medium", praise: "credit" };
const ANSWERS = [["useful", "有用"], ["not_useful", "没用"], ["dismissed", "不再提示"]];

export class Hints {
  /** `dismissed(id)` when the reader wants no more of its kind; `now()` is the call's time. */
  constructor({ dismissed, now }) {
    Object.assign(this, { dismissed, now });
    this.list = $("hints");
    this.draw = together(() => this.show());
    this.clear("");
    setInterval(() => this.show(), 1000);
  }

  /** Begin with another call. */
  clear(callId) {
    this.callId = callId;
    this.hints = new Map();
    this.old = 0;
    this.list.replaceChildren();
    $("older-list").replaceChildren();
    this.show();
  }

  hear({ hint_id: id, kind, text, urgent, at_ms: at }) {
    if (this.hints.has(id)) return;
    this.hints.set(id, { id, kind, text, urgent: Boolean(urgent), at, number: this.hints.size, node: null });
    // Where a call is joined in its middle many come at once: only the last of them are drawn.
    this.draw();
  }

  show() {
    const open = [...this.hints.values()].filter((hint) => !hint.done);
    for (const hint of open) if (this.now() - hint.at > STAYS && !this.busy(hint)) this.retire(hint);
    const wanted = open.filter((hint) => !hint.done).sort((a, b) => this.weight(b) - this.weight(a) || b.number - a.number);
    for (const hint of wanted.slice(MOST)) this.retire(hint);
    wanted.slice(0, MOST).forEach((hint, place) => this.put(hint, place));
    $("no-hints").hidden = this.list.childElementCount > 0;
    $("older").hidden = this.old === 0;
    say($("older-count"), String(this.old));
  }

  weight(hint) {
    return (this.busy(hint) ? 2 : 0) + (hint.urgent ? 1 : 0);
  }

  /** Somebody has the keyboard on it, or its answer is on its way. */
  busy(hint) {
    return hint.sending || Boolean(hint.node?.contains(document.activeElement));
  }

  put(hint, place) {
    hint.node ??= this.make(hint);
    if (hint.node.parentNode) return;
    this.list.insertBefore(hint.node, this.list.children[place] ?? null);
  }

  make(hint) {
    const node = make("li", `hint k-${TONES[hint.kind] ?? "agent"}${hint.urgent ? " urgent" : ""}`);
    const text = make("p", "hint-text");
    text.append(make("span", "badge", HINTS[hint.kind] ?? HINTS.other), make("bdi", "", hint.text));
    const answers = make("p", "answers");
    for (const [verdict, word] of ANSWERS) {
      const button = make("button", "quiet", word);
      button.type = "button";
      button.setAttribute("aria-label", `${word}：${hint.text}`);
      button.addEventListener("click", () => this.answer(hint, verdict));
      answers.append(button);
    }
    hint.told = make("span", "told");
    hint.told.setAttribute("role", "status");
    answers.append(hint.told);
    node.append(text, answers);
    return node;
  }

  async answer(hint, verdict) {
    if (hint.sending) return;
    hint.sending = true;
    if (verdict === "dismissed") this.dismissed(hint.id);
    const path = `live/calls/${encodeURIComponent(this.callId)}/hints/${encodeURIComponent(hint.id)}/feedback`;
    try {
      await ask(path, { method: "POST", body: { verdict } });
    } catch (error) {
      hint.sending = false;
      if (error.status === 401) await otherPerson(error);
      // A hint of a call that is long over, or that was answered elsewhere, needs no answer any more.
      if (error.status !== 404 && error.status !== 409) {
        say(hint.told, "没有送到，请再点一次。");
        return;
      }
    }
    if (verdict !== "dismissed") {
      say(hint.told, "谢谢反馈");
      await new Promise((resolve) => setTimeout(resolve, THANKS));
    }
    this.retire(hint);
    this.show();
  }

  /** Move a hint to the older ones. */
  retire(hint) {
    if (hint.done || this.hints.get(hint.id) !== hint) return;
    hint.done = true;
    const focused = hint.node?.contains(document.activeElement);
    const next = hint.node?.nextElementSibling ?? hint.node?.previousElementSibling;
    hint.node?.remove();
    if (focused) (next?.querySelector("button") ?? $("h-hints")).focus();
    const line = make("li");
    line.append(make("span", "badge", HINTS[hint.kind] ?? HINTS.other), make("bdi", "", hint.text));
    $("older-list").prepend(line);
    this.old += 1;
  }
}

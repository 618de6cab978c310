/** One call beside the wall: its words and what was found in them, as they come. */
import { leadToReport } from "./access.js";
import { CallStream } from "./call_stream.js";
import { $, mark, say } from "./screen.js";
import { Talk } from "./talk.js";
import { clock, DIRECTIONS, explained, points } from "./words.js";

export class CallBeside {
  /** `closed()` when the reader has closed it; `scored(id, score, grade)` when the call's report is there. */
  constructor({ closed, scored }) {
    Object.assign(this, { closed, scored });
    this.panel = $("detail");
    this.talk = new Talk($("detail-talk"), { pane: $("detail-pane") });
    this.stream = null;
    this.card = null;
    $("detail-close").addEventListener("click", () => this.close());
    addEventListener("keydown", (event) => event.key === "Escape" && !this.panel.hidden && this.close());
  }

  open(card, from) {
    this.stream?.stop();
    Object.assign(this, { card, from, ended: false });
    this.talk.clear();
    say($("detail-call"), card.call_id);
    this.show(card);
    say($("detail-state"), "正在打开…");
    $("detail-verdict").hidden = true;
    this.panel.hidden = false;
    document.body.classList.add("beside");
    // Where it covers the list; beside it, the keyboard stays in the list.
    if (getComputedStyle(this.panel).position === "fixed") $("detail-close").focus();
    this.stream = new CallStream(card.call_id, {
      hear: (type, event) => this.hear(type, event),
      state: (name) => this.state(name),
      ended: (why) => this.ended || this.end(why === "over" ? "通话已结束。" : "通话已结束，过程不再保留。"),
    });
  }

  /** Its line on the wall changed. */
  show(card) {
    if (card.id !== this.card?.id) return;
    this.card = card;
    const facts = [
      card.agent_id && `坐席 ${card.agent_id}`, card.team, DIRECTIONS[card.direction],
      card.line_of_business && `业务线 ${card.line_of_business}`,
    ];
    say($("detail-facts"), facts.filter(Boolean).join(" · "));
  }

  hear(type, event) {
    if (type === "missed") say($("detail-state"), "通话很长，最早的内容没有保留。");
    else if (type === "report") this.report(event);
    else if (type === "report_delayed") this.end("录音已保存，报告稍后生成。");
    else if (type === "error") say($("detail-state"), explained(event.code));
    else if (type === "hint") return;
    this.talk.hear(type, event);
  }

  report({ call_id: callId, score, grade, at_ms: at }) {
    this.end(`通话已结束，时长 ${clock(at)}。`);
    $("detail-verdict").hidden = false;
    say($("detail-score"), score === null ? "未评分" : `${points(score)} 分 ${grade}`);
    leadToReport($("detail-report"), callId);
    this.scored(this.card.id, score, grade);
  }

  end(text) {
    this.ended = true;
    say($("detail-state"), text);
    this.talk.hear("report", {});
  }

  state(name) {
    mark($("detail-state"), "data-state", name);
    if (this.ended || name === "connecting") return;
    say($("detail-state"), name === "open" ? "实时" : "连接断开，正在重新连接…");
  }

  close() {
    if (this.panel.hidden) return;
    this.stream?.stop();
    this.stream = null;
    this.panel.hidden = true;
    document.body.classList.remove("beside");
    this.card = null;
    this.closed();
    if (this.from?.isConnected) this.from.focus();
  }
}

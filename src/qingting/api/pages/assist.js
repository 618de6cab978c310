/** The agent's assist: hints, script checklist and last words of one running call; narrow enough for a side bar. */
import { ask, leadToReport, otherPerson, prepareSignIn } from "./access.js";
import { CallStream } from "./call_stream.js";
import { Checklist } from "./checklist.js";
import { Hints } from "./hints.js";
import { $, make, mark, say } from "./screen.js";
import { Stream } from "./stream.js";
import { Talk } from "./talk.js";
import { TryOut } from "./try_out.js";
import { clock, explained, LEVELS, MOODS, points, TONES } from "./words.js";

const LAST_LINES = 6;
const MOST_ALERTS = 3;
const address = new URLSearchParams(location.search);
const STATES = { connecting: "正在连接…", open: "已连接", waiting: "连接断开，正在重连…", "signed-out": "未登录" };

const state = (name) => {
  mark($("connection"), "data-state", name);
  say($("connection"), STATES[name]);
  // The next who signs in may be another.
  if (name === "signed-out" && !$("call").hidden) begin($("call-id").textContent);
};

// ---- one call on the screen ----------------------------------------------------------------
const tryOut = address.get("microphone") === "1" ? new TryOut(address) : null;
const checklist = new Checklist();
const talk = new Talk($("talk"), { pane: $("talk"), most: LAST_LINES, notes: false });
let began = 0;
let ended = false;

/** Call time now, as far as it is known. */
const now = () => (began ? Date.now() - began : 0);
const hints = new Hints({ now, dismissed: (id) => tryOut?.dismiss(id) });

const begin = (callId) => {
  began = 0;
  ended = false;
  hints.clear(callId);
  checklist.clear();
  talk.clear();
  say($("call-id"), callId);
  for (const id of ["call-clock", "call-state", "mood-customer", "mood-agent"]) say($(id), "");
  $("alert-list").replaceChildren();
  for (const id of ["alerts", "verdict"]) $(id).hidden = true;
  $("waiting").hidden = true;
  for (const id of ["call", "hints-card", "words"]) $(id).hidden = false;
};

const HEARD = {
  hint: (event) => hints.hear(event),
  checklist: (event) => checklist.hear(event),
  emotion: ({ role, mood }) => {
    const node = $(role === "agent" ? "mood-agent" : "mood-customer");
    say(node, `${role === "agent" ? "坐席" : "客户"}：${MOODS[mood] ?? mood}`);
    mark(node, "data-mood", mood);
  },
  alert: ({ level, title, at_ms: at }) => {
    const line = make("li", `k-${TONES[level] ?? "light"}`);
    line.append(make("span", "badge", `${LEVELS[level] ?? ""}告警`), make("bdi", "", title), make("span", "time", clock(at)));
    $("alert-list").prepend(line);
    while ($("alert-list").childElementCount > MOST_ALERTS) $("alert-list").lastElementChild.remove();
    $("alerts").hidden = false;
  },
  report: ({ call_id: callId, score, grade }) => {
    end("通话已结束。");
    say($("score"), score === null ? "未评分" : `${points(score)} 分 ${grade}`);
    $("verdict").hidden = false;
    leadToReport($("report"), callId);
  },
  report_delayed: () => end("通话已结束。录音已保存，报告稍后生成。"),
  error: ({ code, fatal }) => (fatal ? end(explained(code)) : say($("call-state"), explained(code))),
};

const hear = (type, event) => {
  // Events of a call that is joined in its middle are old; the newest of them tells the time.
  if (event.at_ms) began = began ? Math.min(began, Date.now() - event.at_ms) : Date.now() - event.at_ms;
  HEARD[type]?.(event);
  talk.hear(type, event);
};

const end = (text) => {
  ended = true;
  say($("call-state"), text);
  talk.hear("report", {});
};

setInterval(() => {
  if (!ended && began) say($("call-clock"), clock(now()));
}, 1000);

const wait = (text) => {
  say($("waiting"), text);
  $("waiting").hidden = false;
};

// ---- which call ----------------------------------------------------------------------------
/** Shows a call by its id; where it does not run yet, waits until it begins. */
class OneCall {
  constructor(callId) {
    this.callId = callId;
    this.open();
  }

  open() {
    this.stream = new CallStream(this.callId, {
      state,
      hear: (type, event) => {
        if (!this.begun) begin(this.callId);
        this.begun = true;
        hear(type, event);
      },
      ended: (why) => this.end(why),
    });
  }

  end(why) {
    if (this.begun) {
      if (!ended) end(why === "over" ? "通话已结束。" : "通话已结束，过程不再保留。");
      return;
    }
    wait(`通话 ${this.callId} 现在没有进行，或不在您的可见范围内；开始后会自动显示。`);
    const wall = new Stream(`live/wall?${new URLSearchParams({ call_id: this.callId })}`, {
      state,
      hear: (type, card) => {
        if (type !== "call" || card.call_id !== this.callId || card.state !== "running") return;
        wall.stop();
        this.open();
      },
    });
  }
}

/** Shows an agent's newest running call, one after the other. */
class CallsOfAgent {
  constructor(agentId) {
    this.agentId = agentId;
    this.current = null;
    this.seen = new Map();
    wait("等待通话开始…");
    new Stream(`live/wall?${new URLSearchParams({ agent_id: agentId })}`, {
      state,
      hear: (type, card) => type === "call" && card.agent_id === this.agentId && this.meet(card),
    });
  }

  /** A call's line: those that began later come later. */
  meet(card) {
    if (card.state !== "running" || this.seen.has(card.id)) return;
    this.seen.set(card.id, card.call_id);
    this.current?.stop();
    begin(card.call_id);
    if (card.at_ms) began = Date.now() - card.at_ms;
    const stream = new CallStream(card.call_id, {
      hear,
      state: (name) => name === "signed-out" && state(name),
      ended: () => !ended && stream === this.current && end("通话已结束。"),
    });
    this.current = stream;
  }
}

const ownAgentId = async () => {
  for (;;) {
    try {
      return (await (await ask("auth/me")).json()).reach.agent_id;
    } catch (error) {
      if (error.status !== 401) throw error;
      state("signed-out");
      await otherPerson(error);
    }
  }
};

const start = async () => {
  prepareSignIn();
  if (tryOut) {
    tryOut.prepare({ begin, hear, end, state });
    return;
  }
  const callId = address.get("call_id"), agentId = address.get("agent_id");
  if (callId) new OneCall(callId);
  else if (agentId) new CallsOfAgent(agentId);
  else await startWithOwn();
};

/** Without anything in the address: the agent who is signed in. */
const startWithOwn = async () => {
  try {
    const own = await ownAgentId();
    if (own) new CallsOfAgent(own);
    else wait("地址里要写明坐席（?agent_id=工号）或通话（?call_id=编号）。");
  } catch (error) {
    wait(explained(error.code));
  }
};

start();

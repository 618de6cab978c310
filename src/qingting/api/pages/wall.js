/** The supervisors' wall: all running calls within reach, worst first. */
import { ask, prepareSignIn } from "./access.js";
import { $, mark, say } from "./screen.js";
import { Stream } from "./stream.js";
import { CallBeside } from "./wall_call.js";
import { offerTeams, Rows } from "./wall_rows.js";

const address = new URLSearchParams(location.search);

// ---- what stands out ----------------------------------------------------------------------
let sound = null;

/** Two soft tones, made here: no file, nothing loud. */
const chime = () => {
  if (!sound || !$("sound").checked) return;
  for (const [at, hertz] of [[0, 660], [0.18, 880]]) {
    const tone = sound.createOscillator(), gain = sound.createGain(), begin = sound.currentTime + at;
    tone.frequency.value = hertz;
    gain.gain.setValueAtTime(0, begin);
    gain.gain.linearRampToValueAtTime(0.08, begin + 0.03);
    gain.gain.exponentialRampToValueAtTime(0.001, begin + 0.35);
    tone.connect(gain).connect(sound.destination);
    tone.start(begin);
    tone.stop(begin + 0.4);
  }
};

const worsened = (card) => {
  const here = rows.wanted.team === "" || rows.wanted.team === card.team;
  if (!here) return;
  say($("told"), `坐席 ${card.agent_id || "未登记"} 的通话出现严重风险：${card.risk_title ?? ""}`);
  chime();
};

// ---- lines and the call beside them -------------------------------------------------------
const beside = new CallBeside({
  closed: () => rows.choose(""),
  scored: (id, score, grade) => rows.rows.has(id) && rows.hear({ id, score, grade }),
});
const rows = new Rows({
  worsened,
  opened: (card, from) => {
    rows.choose(card.id);
    beside.open(card, from);
  },
  changed: (sums) => {
    say($("count-running"), String(sums.running));
    say($("count-serious"), String(sums.serious));
    say($("count-alerts"), String(sums.alerts));
    offerTeams($("team"), sums.teams);
    $("empty").hidden = sums.shown > 0;
    say($("empty"), sums.all ? "没有符合筛选的通话。" : "现在没有进行中的通话。");
    document.title = `${sums.serious ? `(${sums.serious}) ` : ""}通话墙 · 倾听`;
  },
});

// ---- filters: kept in the address, so that a wall can be bookmarked ------------------------
const filtered = () => {
  const { team, risk, text } = rows.wanted;
  for (const [name, value] of Object.entries({ team, risk, find: text })) {
    if (value) address.set(name, value);
    else address.delete(name);
  }
  const query = address.toString();
  history.replaceState(null, "", location.pathname + (query ? `?${query}` : ""));
};

const pressed = (risk) => {
  for (const button of document.querySelectorAll("[data-risk]")) {
    mark(button, "aria-pressed", String(button.dataset.risk === risk));
  }
};

const prepareFilters = () => {
  const risk = /^[123]$/.test(address.get("risk") ?? "") ? address.get("risk") : "";
  const team = address.get("team") ?? "";
  if (team) offerTeams($("team"), [team]);
  $("team").value = team;
  $("find").value = address.get("find") ?? "";
  pressed(risk);
  rows.filter({ team, risk, text: $("find").value.trim() });
  $("team").addEventListener("change", () => changeFilter({ team: $("team").value }));
  $("find").addEventListener("input", () => changeFilter({ text: $("find").value.trim() }));
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("filters").addEventListener("click", (event) => {
    const wanted = event.target.closest("[data-risk]")?.dataset.risk;
    if (wanted === undefined) return;
    pressed(wanted);
    changeFilter({ risk: wanted });
  });
  $("sound").addEventListener("change", () => {
    // Browsers let a page sound only after its reader has done something.
    sound ??= new AudioContext();
    sound.resume();
    chime();
  });
};

const changeFilter = (wanted) => {
  rows.filter(wanted);
  filtered();
};

// ---- the stream ----------------------------------------------------------------------------
const STATES = { connecting: "正在连接…", open: "已连接", "signed-out": "未登录" };

const state = (name, seconds) => {
  if (name === "signed-out") {
    rows.clear();
    beside.close();
  }
  mark($("connection"), "data-state", name);
  say($("connection"), name === "waiting" ? `连接断开，${seconds} 秒后重试…` : STATES[name]);
};

let connections = 0;

/** After a break some calls are over, of which the stream tells nothing more. */
const opened = async (ahead) => {
  rows.ahead = ahead;
  connections += 1;
  rows.draw();
  if (connections === 1) return;
  rows.suspect();
  try {
    const { items } = await (await ask("live/calls")).json();
    rows.clearSuspects(new Set(items.map((one) => one.id)));
  } catch {
    // The next connection asks again.
  }
};

prepareSignIn();
prepareFilters();
new Stream("live/wall", {
  state,
  opened,
  hear: (type, card) => {
    if (type !== "call") return;
    rows.hear(card);
    beside.show(card);
  },
});

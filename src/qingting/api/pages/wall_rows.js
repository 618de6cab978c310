/** The lines of the wall: one per running call, worst first; only what changed is drawn. */
import { $, make, mark, place, say, together } from "./screen.js";
import { clock, LEVELS, MOODS, points, ROLES, STATES, TONES } from "./words.js";

/** An ended call's line stays so long. */
const STAYS = 12_000;
/** A new serious risk stands out so long. */
const FRESH = 8_000;
const NONE = 9;

const PARTS = [
  "badge", "risk-title", "agent", "team", "clock", "customer", "agent-mood", "last-role", "last-text", "faults",
  "alerts", "ended",
];

const over = (card) => card.state !== "running" && card.state !== "ending";

class Row {
  constructor(card, number) {
    this.number = number;
    this.card = card;
    this.rank = NONE;
    this.began = Infinity;
    this.gone = 0;
    this.fresh = 0;
    this.node = $("row").content.firstElementChild.cloneNode(true);
    this.button = this.node.firstElementChild;
    this.parts = Object.fromEntries(PARTS.map((name) => [name, this.node.querySelector(`.${name}`)]));
    this.button.dataset.id = card.id;
  }

  /** Draw a card; `now` is when it came, `ahead` by how much the service's clock is ahead. */
  show(card, now, ahead) {
    this.card = card;
    this.began = card.begun_ms ? card.begun_ms - ahead : Math.min(this.began, now - (card.at_ms ?? 0));
    const { parts } = this, tone = TONES[card.risk] ?? "none";
    mark(this.node, "class", `k-${tone}${this.fresh ? " fresh" : ""}${over(card) ? " over" : ""}`);
    say(parts.badge, LEVELS[card.risk] ?? "正常");
    say(parts["risk-title"], card.risk_title ?? "");
    say(parts.agent, card.agent_id || "未登记坐席");
    say(parts.team, card.team ?? "");
    this.mood(parts.customer, "客户", card.moods?.customer ?? card.moods?.unsure);
    this.mood(parts["agent-mood"], "坐席", card.moods?.agent);
    say(parts["last-role"], card.last_line ? `${ROLES[card.last_line.role] ?? "未定"}：` : "");
    say(parts["last-text"], card.last_line?.text ?? "");
    this.count(parts.faults, "问题", card.faults);
    this.count(parts.alerts, "告警", card.alerts);
    say(parts.ended, card.state === "running" ? "" : this.end(card));
    this.tick(now);
  }

  mood(node, who, mood) {
    say(node, mood ? `${who}${MOODS[mood] ?? mood}` : "");
    mark(node, "data-mood", mood ?? null);
  }

  count(node, what, number) {
    say(node, number ? String(number) : "");
    mark(node, "aria-label", number ? `${what}${number}个` : null);
  }

  end(card) {
    if (card.score !== undefined && card.score !== null) return `已结束 ${points(card.score)} 分`;
    return STATES[card.state] ?? card.state;
  }

  tick(now) {
    if (!over(this.card)) say(this.parts.clock, clock(now - this.began));
  }
}

/** All lines, in order; `opened(card)` when one is chosen, `worsened(card)` when a call becomes high-risk. */
export class Rows {
  constructor({ opened, worsened, changed }) {
    Object.assign(this, { opened, worsened, changed });
    this.list = $("calls");
    this.rows = new Map();
    this.order = [];
    this.waiting = new Map();
    this.suspects = new Set();
    this.next = 0;
    /** Milliseconds by which the service's clock is ahead of this one's. */
    this.ahead = 0;
    this.chosen = "";
    this.wanted = { team: "", risk: "", text: "" };
    this.draw = together(() => this.drawNow());
    this.list.addEventListener("click", (event) => {
      const id = event.target.closest("button")?.dataset.id;
      if (id) this.opened(this.rows.get(id).card, this.rows.get(id).button);
    });
    this.list.addEventListener("keydown", (event) => this.walk(event));
    setInterval(() => this.tick(), 1000);
  }

  /** Take in a call's newest line; it is drawn with the next picture. */
  hear(card) {
    this.suspects.delete(card.id);
    const known = this.waiting.get(card.id)?.card ?? this.rows.get(card.id)?.card;
    if (!known && over(card)) return;
    this.waiting.set(card.id, { card: { ...known, ...card }, now: Date.now() });
    if (known && card.risk === 1 && known.risk !== 1) this.worsened(card);
    this.draw();
  }

  /** After a break: all calls that are shown as running may be over, until something is heard of them. */
  suspect() {
    this.suspects = new Set(this.order.filter((row) => !over(row.card)).map((row) => row.card.id));
  }

  /** These run; suspects of which nothing was heard do not. */
  clearSuspects(running) {
    for (const id of this.suspects) {
      if (!running.has(id)) this.hear({ id, state: "gone" });
    }
    this.suspects.clear();
  }

  /** Show nothing any more: whoever looks now may not be who looked before. */
  clear() {
    this.waiting.clear();
    for (const row of [...this.order]) this.remove(row);
    this.draw();
  }

  filter(wanted) {
    Object.assign(this.wanted, wanted);
    this.draw();
  }

  choose(id) {
    mark(this.rows.get(this.chosen)?.button ?? this.list, "aria-expanded", this.rows.has(this.chosen) ? "false" : null);
    this.chosen = id;
    if (this.rows.has(id)) mark(this.rows.get(id).button, "aria-expanded", "true");
  }

  drawNow() {
    for (const [id, { card, now }] of this.waiting) this.update(id, card, now);
    this.waiting.clear();
    for (const row of this.order) mark(row.node, "hidden", this.hides(row.card) ? "" : null);
    this.changed(this.sums());
  }

  update(id, card, now) {
    let row = this.rows.get(id);
    const fresh = !row;
    if (fresh) {
      row = new Row(card, (this.next += 1));
      this.rows.set(id, row);
    }
    // A call that was serious when it was first seen is no news.
    if (card.risk === 1 && row.rank !== 1 && !fresh) row.fresh = now + FRESH;
    row.show(card, now, this.ahead);
    if (over(card)) row.gone ||= now + STAYS;
    const rank = card.risk ?? NONE;
    if (fresh || rank !== row.rank) this.put(row, rank);
  }

  /** Put a line where it belongs: by risk, then by who came first; all others stay where they are. */
  put(row, rank) {
    const at = this.order.indexOf(row);
    if (at >= 0) this.order.splice(at, 1);
    row.rank = rank;
    let low = 0, high = this.order.length;
    while (low < high) {
      const middle = (low + high) >> 1, other = this.order[middle];
      if (other.rank < rank || (other.rank === rank && other.number < row.number)) low = middle + 1;
      else high = middle;
    }
    this.order.splice(low, 0, row);
    place(this.list, row.node, this.order[low + 1]?.node ?? null);
  }

  tick() {
    const now = Date.now();
    let changed = false;
    for (const row of [...this.order]) {
      row.tick(now);
      if (row.fresh && row.fresh <= now) {
        row.fresh = 0;
        row.node.classList.remove("fresh");
      }
      if (row.gone && row.gone <= now && !row.node.contains(document.activeElement)) {
        this.remove(row);
        changed = true;
      }
    }
    if (changed) this.draw();
  }

  remove(row) {
    this.order.splice(this.order.indexOf(row), 1);
    this.rows.delete(row.card.id);
    row.node.remove();
  }

  hides(card) {
    const { team, risk, text } = this.wanted;
    if (team && card.team !== team) return true;
    if (risk && !(card.risk !== null && card.risk <= Number(risk))) return true;
    return Boolean(text) && !`${card.agent_id} ${card.call_id}`.toLowerCase().includes(text.toLowerCase());
  }

  sums() {
    let running = 0, serious = 0, alerts = 0, shown = 0;
    const teams = new Set();
    for (const { card, node } of this.order) {
      if (card.team) teams.add(card.team);
      shown += node.hidden ? 0 : 1;
      if (over(card) || (this.wanted.team && card.team !== this.wanted.team)) continue;
      running += 1;
      serious += card.risk === 1 ? 1 : 0;
      alerts += card.alerts ?? 0;
    }
    return { running, serious, alerts, shown, teams, all: this.order.length };
  }

  /** Arrow keys go from line to line. */
  walk(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const shown = step && this.order.filter((row) => !row.node.hidden);
    const at = shown ? shown.findIndex((row) => row.button === document.activeElement) : -1;
    const next = at < 0 ? null : shown[at + step];
    if (!next) return;
    event.preventDefault();
    next.button.focus();
  }
}

/** Offer the teams that were seen, in their order, without touching what is chosen. */
export const offerTeams = (select, teams) => {
  const known = new Set([...select.options].map((option) => option.value));
  const fresh = [...teams].filter((team) => !known.has(team));
  for (const team of fresh) {
    const option = make("option", "", team);
    option.value = team;
    const next = [...select.options].slice(1).find((one) => one.value.localeCompare(team, "zh-CN") > 0);
    select.insertBefore(option, next ?? null);
  }
};

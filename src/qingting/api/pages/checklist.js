/** The script checklist: first what is still to say. */
import { $, make, mark, place, say } from "./screen.js";
import { clock, ITEMS } from "./words.js";

const SIGNS = { open: "○", said: "✓", missed: "!", not_needed: "–" };
const ORDER = ["open", "missed", "said", "not_needed"];

export class Checklist {
  constructor() {
    this.clear();
  }

  clear() {
    this.nodes = new Map();
    $("items").replaceChildren();
    $("unneeded-list").replaceChildren();
    $("checklist").hidden = true;
  }

  /** Show the list as it stands now. */
  hear({ items }) {
    $("checklist").hidden = items.length === 0;
    const known = items.filter((item) => ORDER.includes(item.state));
    const sorted = ORDER.flatMap((state) => known.filter((item) => item.state === state));
    const needed = sorted.filter((item) => item.state !== "not_needed");
    const unneeded = sorted.filter((item) => item.state === "not_needed");
    this.fill($("items"), needed);
    this.fill($("unneeded-list"), unneeded);
    for (const [id, node] of this.nodes) {
      if (items.some((item) => item.id === id)) continue;
      node.remove();
      this.nodes.delete(id);
    }
    say($("progress"), needed.length ? `已说 ${needed.filter((item) => item.state === "said").length} / ${needed.length}` : "");
    $("unneeded").hidden = unneeded.length === 0;
    say($("unneeded-count"), String(unneeded.length));
  }

  fill(list, items) {
    let next = null;
    for (const item of [...items].reverse()) {
      const node = this.node(item);
      place(list, node, next);
      next = node;
    }
  }

  node(item) {
    let node = this.nodes.get(item.id);
    if (!node) {
      node = make("li", "item");
      node.sign = make("span", "sign");
      node.sign.setAttribute("aria-hidden", "true");
      node.name = make("bdi", "name");
      node.state = make("span", "item-state");
      node.when = make("span", "when");
      node.advice = make("p", "item-advice");
      const head = make("p", "item-head");
      head.append(node.sign, node.name, node.when, node.state);
      node.append(head, node.advice);
      this.nodes.set(item.id, node);
    }
    mark(node, "data-state", item.state);
    say(node.sign, SIGNS[item.state]);
    say(node.name, item.name);
    say(node.state, item.state === "said" && item.said_ms !== null ? clock(item.said_ms) : ITEMS[item.state]);
    say(node.when, item.state === "open" ? item.when : "");
    say(node.advice, item.state === "open" || item.state === "missed" ? item.advice : "");
    return node;
  }
}

"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const data = JSON.parse($("data").textContent);
  const audio = $("audio");
  const timeline = $("timeline");
  const lines = all(".talk > li").map((node) => ({ node, start: +node.dataset.start, end: +node.dataset.end }));
  const duration = Math.max(data.duration, 1);
  let position = 0;
  let stopAt = Infinity;
  let current = null;

  document.documentElement.classList.add("js");
  if (data.lanes.length) $("player").hidden = false;
  if ($("filters")) $("filters").hidden = false;

  const clock = (ms) => {
    const s = Math.floor(ms / 1000), two = (n) => String(n).padStart(2, "0");
    const hours = Math.floor(s / 3600);
    return (hours ? hours + ":" : "") + two(Math.floor((s % 3600) / 60)) + ":" + two(s % 60);
  };

  // ---- waveform -------------------------------------------------------------------------
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const draw = () => {
    const canvas = $("wave"), ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width) return;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const lane = height / Math.max(data.lanes.length, 1);
    data.lanes.forEach((row, index) => drawLane(pen, row, index * lane, lane, width));
  };
  const drawLane = (pen, row, top, height, width) => {
    const ink = colour(row.role), pale = colour("rule"), middle = top + height / 2, x = (ms) => (ms / duration) * width;
    pen.fillStyle = colour(row.role + "-bg");
    for (const [start, end] of row.spans) pen.fillRect(x(start), top + 2, Math.max(x(end) - x(start), 1), height - 4);
    const bars = Math.floor(width / 3);
    for (let i = 0; i < bars; i++) {
      const from = (i / bars) * duration, to = ((i + 1) / bars) * duration;
      const inside = row.spans.some(([start, end]) => start < to && end > from);
      const peak = row.peaks.length ? row.peaks[Math.floor((i / bars) * row.peaks.length)] / 100 : inside ? 0.32 : 0;
      const size = Math.max(peak * (height - 10), inside ? 2 : 1);
      pen.fillStyle = inside ? ink : pale;
      pen.fillRect(i * 3, middle - size / 2, 2, size);
    }
    pen.font = "12px system-ui, sans-serif";
    const wide = pen.measureText(row.label).width + 8;
    pen.globalAlpha = 0.85;
    pen.fillStyle = colour("card");
    pen.fillRect(0, top + 3, wide, 16);
    pen.globalAlpha = 1;
    pen.fillStyle = ink;
    pen.fillText(row.label, 4, top + 15);
  };
  const pins = data.pins.map((pin) => {
    const node = document.createElement("button");
    node.type = "button";
    node.className = "pin k-" + pin.kind;
    node.title = pin.title;
    node.setAttribute("aria-label", pin.title);
    node.addEventListener("click", (event) => {
      event.stopPropagation();
      reveal(pin.id);
      hear(pin.at, pin.end);
    });
    $("pins").append(node);
    return { ...pin, node };
  });
  const placePins = () => {
    const width = timeline.clientWidth, last = [];
    let rows = 1;
    for (const pin of pins) {
      const x = Math.min(Math.max((pin.at / duration) * width, 7), width - 7);
      let row = last.findIndex((edge) => x - edge > 13);
      if (row < 0) row = last.length < 3 ? last.length : 2;
      last[row] = x;
      rows = Math.max(rows, row + 1);
      pin.node.style.left = x + "px";
      pin.node.style.bottom = row * 12 + "px";
    }
    $("pins").style.height = 10 + rows * 12 + "px";
    $("cursor").style.top = 6 + rows * 12 + "px";
  };

  // ---- hearing --------------------------------------------------------------------------
  const show = (ms) => {
    position = Math.min(Math.max(ms, 0), duration);
    $("now").textContent = clock(position);
    $("cursor").style.left = (position / duration) * 100 + "%";
    timeline.setAttribute("aria-valuenow", Math.floor(position / 1000));
    timeline.setAttribute("aria-valuetext", clock(position));
    mark();
  };
  const mark = () => {
    // Of several lines at this moment the one that began last is being answered or spoken over.
    const now = lines.filter((line) => line.start <= position && position < line.end).pop() || null;
    if (now === current) return;
    if (current) current.node.classList.remove("current");
    current = now;
    if (!now) return;
    now.node.classList.add("current");
    if ($("follow").checked) keepInView(now.node, $("transcript"));
  };
  const keepInView = (node, pane) => {
    if (pane.scrollHeight <= pane.clientHeight + 4) return;
    const offset = node.offsetTop - pane.offsetTop - pane.clientHeight / 3;
    pane.scrollTo({ top: offset, behavior: "smooth" });
  };
  const seek = (ms) => {
    if (audio) audio.currentTime = ms / 1000;
    show(ms);
  };
  const hear = (start, end) => {
    stopAt = end === undefined ? Infinity : end + 700;
    seek(end === undefined ? start : Math.max(start - 300, 0));
    if (audio) audio.play().catch(() => {});
  };
  const toggle = () => {
    if (!audio) return;
    stopAt = Infinity;
    if (audio.paused) audio.play().catch(() => {});
    else audio.pause();
  };
  const frame = () => {
    const ms = audio.currentTime * 1000;
    show(ms);
    if (ms >= stopAt) {
      stopAt = Infinity;
      audio.pause();
    }
    if (!audio.paused) requestAnimationFrame(frame);
  };
  if (audio) {
    audio.addEventListener("play", () => {
      $("play").textContent = "❚❚";
      $("play").setAttribute("aria-label", "暂停");
      requestAnimationFrame(frame);
    });
    audio.addEventListener("pause", () => {
      $("play").textContent = "▶";
      $("play").setAttribute("aria-label", "播放");
    });
  } else {
    $("play").disabled = true;
    $("play").title = "报告未附录音";
    $("speed").hidden = true;
    $("hint").textContent = "报告未附录音，点击可定位文字";
  }
  $("play").addEventListener("click", toggle);
  $("speed").addEventListener("click", () => {
    const rates = [1, 1.25, 1.5, 2], next = rates[(rates.indexOf(audio.playbackRate) + 1) % rates.length];
    audio.playbackRate = next;
    $("speed").textContent = next + "×";
  });

  // ---- finding one's way ----------------------------------------------------------------
  const light = (node) => {
    node.classList.remove("lit");
    void node.offsetWidth;
    node.classList.add("lit");
  };
  const reveal = (id) => {
    const card = $(id);
    if (!card) return;
    if (card.hidden) filter("", "");
    const pane = $("findings");
    if (pane.scrollHeight > pane.clientHeight + 4) {
      pane.scrollTo({ top: card.offsetTop - pane.offsetTop - 60, behavior: "smooth" });
    } else card.scrollIntoView({ block: "center" });
    card.focus({ preventScroll: true });
    light(card);
  };
  const toLine = (id, ms) => {
    const line = id ? $(id) : (lines.find((l) => l.end > ms) || {}).node;
    if (!line) return;
    const pane = $("transcript");
    if (pane.scrollHeight > pane.clientHeight + 4) keepInView(line, pane);
    else if (!audio) line.scrollIntoView({ block: "center" });
    light(line.querySelector(".bubble") || line);
  };
  document.addEventListener("click", (event) => {
    const target = event.target, button = target.closest("[data-seek]"), link = target.closest("a[href^='#f']");
    if (link && $(link.hash.slice(1))) {
      event.preventDefault();
      reveal(link.hash.slice(1));
    } else if (button) {
      const end = button.dataset.end;
      hear(+button.dataset.seek, end === undefined ? undefined : +end);
      toLine(button.dataset.line, +button.dataset.seek);
    } else if (target.closest(".bubble") && !String(getSelection())) {
      const found = target.closest("mark");
      hear(+target.closest("li").dataset.start);
      if (found) reveal(found.dataset.finding);
    }
    // A mouse click must not leave the space key bound to that button.
    if (event.detail > 0 && target.closest("button")) target.closest("button").blur();
  });
  const atPointer = (event) => {
    const box = timeline.getBoundingClientRect();
    stopAt = Infinity;
    seek(((event.clientX - box.left) / box.width) * duration);
  };
  timeline.addEventListener("pointerdown", (event) => {
    if (event.target.closest(".pin")) return;
    atPointer(event);
    timeline.setPointerCapture(event.pointerId);
    timeline.onpointermove = atPointer;
  });
  for (const name of ["pointerup", "pointercancel"]) timeline.addEventListener(name, () => (timeline.onpointermove = null));
  const step = (direction) => {
    const spoken = lines.filter((line) => line.node.classList.contains("line"));
    const next = direction > 0
      ? spoken.find((line) => line.start > position + 50)
      : spoken.filter((line) => line.start < position - 900).pop();
    if (next) { stopAt = Infinity; seek(next.start); toLine(next.node.id, next.start); }
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("player").hidden) return;
    if (event.target.closest("select, textarea, input:not([type=checkbox])")) return;
    const onButton = event.target.closest("button, a, input");
    const keys = {
      " ": () => !onButton && toggle(),
      ArrowLeft: () => { stopAt = Infinity; seek(position - 5000); },
      ArrowRight: () => { stopAt = Infinity; seek(Math.min(position + 5000, duration)); },
      ArrowUp: () => step(-1),
      ArrowDown: () => step(1),
    };
    if (!keys[event.key] || (event.key === " " && onButton)) return;
    event.preventDefault();
    keys[event.key]();
  });

  // ---- filters --------------------------------------------------------------------------
  const filter = (kind, dimension) => {
    let shown = 0;
    for (const card of all(".finding")) {
      card.hidden = Boolean((kind && card.dataset.kind !== kind) || (dimension && card.dataset.dimension !== dimension));
      shown += card.hidden ? 0 : 1;
    }
    for (const button of all("#filters button")) button.setAttribute("aria-pressed", String(button.dataset.kind === kind));
    if ($("dimension")) $("dimension").value = dimension;
    $("shown").textContent = shown + " 处";
  };
  const chosen = () => (document.querySelector("#filters [aria-pressed=true]") || { dataset: { kind: "" } }).dataset.kind;
  for (const button of all("#filters button")) {
    button.addEventListener("click", () => filter(button.dataset.kind, $("dimension") ? $("dimension").value : ""));
  }
  if ($("dimension")) $("dimension").addEventListener("change", () => filter(chosen(), $("dimension").value));

  const layout = () => { if (!$("player").hidden) { placePins(); draw(); } };
  addEventListener("resize", layout);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", layout);
  layout();
  show(0);
})();

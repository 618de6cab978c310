/** A try-out with this machine's microphone: it brings a call of its own, and the page shows what the call tells. */
import { ask, otherPerson, Problem } from "./access.js";
import { CallSender } from "./call_sender.js";
import { Microphone, MicrophoneFault, microphones } from "./microphone.js";
import { $, say } from "./screen.js";
import { explained } from "./words.js";

const STATES = {
  connecting: "正在连接服务…", sending: "正在听，请说话。", waiting: "连接断开，正在重连；您说的话会补送。", ended: "",
};

export class TryOut {
  constructor(address) {
    this.address = address;
    this.sender = this.microphone = null;
  }

  /** Show the controls; `screen` is what a call needs of the page. */
  prepare(screen) {
    this.screen = screen;
    $("microphone").hidden = false;
    $("microphone").addEventListener("submit", (event) => {
      event.preventDefault();
      this.start();
    });
    $("stop").addEventListener("click", () => this.stop());
    navigator.mediaDevices?.addEventListener?.("devicechange", () => this.offer());
    addEventListener("pagehide", () => this.stop());
    this.offer();
  }

  async offer() {
    const list = $("device"), chosen = list.value;
    const found = await microphones();
    list.replaceChildren(new Option("默认麦克风", ""), ...found.map(({ id, name }) => new Option(name, id)));
    list.value = found.some(({ id }) => id === chosen) ? chosen : "";
  }

  async start() {
    this.busy(true);
    say($("microphone-problem"), "");
    try {
      await this.check();
      this.microphone = new Microphone({
        hear: (piece) => this.sender?.push(piece),
        level: (value) => ($("level").value = value),
        lost: () => this.fault("麦克风断开了，通话到此结束。"),
      });
      await this.microphone.open($("device").value);
      this.offer();
      this.send();
    } catch (error) {
      if (error instanceof MicrophoneFault) this.fault(error.message);
      else if (error instanceof Problem) this.fault(explained(error.code));
      else {
        this.fault(explained("unexpected"));
        throw error;
      }
    }
  }

  /** Whether the reader may bring calls: better said before anything is recorded. */
  async check() {
    for (;;) {
      try {
        const { permissions } = await (await ask("auth/me")).json();
        if (permissions.includes("calls:submit")) return;
        throw new MicrophoneFault("当前账号不能送音。请用集成程序的账号登录，或用带 calls:submit 权限的密钥打开本页。");
      } catch (error) {
        if (error.status !== 401) throw error;
        await otherPerson(error);
      }
    }
  }

  send() {
    let begun = false;
    const known = ["agent_id", "team", "line_of_business", "call_id"].filter((name) => this.address.get(name));
    this.sender = new CallSender({
      call: Object.fromEntries(known.map((name) => [name, this.address.get(name)])),
      roles: [$("role").value],
      hear: (type, event) => {
        if (type === "started" && !begun) this.screen.begin(event.call_id);
        begun = true;
        this.screen.hear(type, event);
      },
      state: (name) => this.show(name),
      refused: (code) => this.fault(refusal(code, begun)),
      lost: (seconds) => say($("microphone-problem"), `断线太久，有 ${Math.round(seconds)} 秒声音没有送到。`),
    });
  }

  show(name) {
    this.screen.state({ sending: "open", ended: "open" }[name] ?? name);
    if (name === "ended") this.rest();
    else say($("microphone-state"), this.sender?.stopping ? "正在等最后的文字和报告…" : STATES[name]);
  }

  dismiss(id) {
    this.sender?.dismiss(id);
  }

  /** The reader has said all. */
  stop() {
    this.microphone?.close();
    this.microphone = null;
    $("level").value = 0;
    $("stop").disabled = true;
    if (this.sender && !this.sender.over) {
      this.sender.stop();
      say($("microphone-state"), "正在等最后的文字和报告…");
    }
  }

  fault(text) {
    say($("microphone-problem"), text);
    if (this.sender && !this.sender.over) this.stop();
    else this.rest();
  }

  /** Ready for the next. */
  rest() {
    this.microphone?.close();
    this.microphone = this.sender = null;
    say($("microphone-state"), "");
    this.busy(false);
  }

  busy(runs) {
    $("start").disabled = $("device").disabled = $("role").disabled = runs;
    $("stop").disabled = !runs;
    $("level").value = 0;
  }
}

const refusal = (code, begun) => {
  if (begun && code === "not_found") return "断线太久或服务重启过，通话已在断开处结束；已送到的声音会生成报告。";
  if (begun && code === "away") return "一直连不上服务，已停止。已送到的声音会生成报告。";
  return explained(code);
};

/** The microphone of this machine as 16 kHz, one channel, 16 bit, in pieces of 100 ms. */
import { Resampler } from "./resampler.js";

export const HERTZ = 16_000;
const PIECE = HERTZ / 10;
/** The service measures loudness and cleans sound itself: it must get what was said as it was. */
const RAW = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

const FAULTS = {
  NotAllowedError: "浏览器没有允许使用麦克风。请在地址栏旁的网站权限里允许；嵌入的页面还要有 allow=\"microphone\"。",
  NotFoundError: "没有找到麦克风，请插好后再试。",
  NotReadableError: "麦克风打不开，可能正被别的程序占用。",
  OverconstrainedError: "选中的麦克风已经不在了，请另选一个。",
};

/** The microphone cannot be used; its message is for people. */
export class MicrophoneFault extends Error {}

/** Microphones as {id, name}; names are known only after the reader has allowed one. */
export const microphones = async () => {
  const all = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  return all
    .filter((one) => one.kind === "audioinput" && one.deviceId && one.deviceId !== "default")
    .map((one, index) => ({ id: one.deviceId, name: one.label || `麦克风 ${index + 1}` }));
};

export class Microphone {
  /** `hear(Int16Array)` gets pieces, `level(0…1)` their loudness, `lost()` when it was pulled out. */
  constructor({ hear, level, lost }) {
    Object.assign(this, { hear, level, lost });
    this.piece = new Int16Array(PIECE);
    this.filled = 0;
  }

  /** Open it; empty is the default one. Throws MicrophoneFault. */
  async open(deviceId) {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new MicrophoneFault("浏览器只在 HTTPS 或本机地址上开放麦克风，请换用 https:// 地址。");
    }
    const audio = deviceId ? { ...RAW, deviceId: { exact: deviceId } } : RAW;
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ audio });
    } catch (error) {
      throw new MicrophoneFault(FAULTS[error.name] ?? `麦克风打不开（${error.name}）。`);
    }
    this.stream.getAudioTracks()[0].addEventListener("ended", () => this.lost());
    this.context = new AudioContext();
    const resampler = new Resampler(this.context.sampleRate, HERTZ);
    await this.context.audioWorklet.addModule(new URL("microphone_worklet.js", import.meta.url));
    const node = new AudioWorkletNode(this.context, "listening", { numberOfOutputs: 0 });
    node.port.onmessage = ({ data }) => this.take(resampler.feed(data));
    this.context.createMediaStreamSource(this.stream).connect(node);
    await this.context.resume();
  }

  take(samples) {
    for (const sample of samples) {
      this.piece[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
      if (this.filled < PIECE) continue;
      this.level(loudness(this.piece));
      this.hear(this.piece);
      this.piece = new Int16Array(PIECE);
      this.filled = 0;
    }
  }

  /** Let it go; what was heard last comes still. */
  close() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.context?.close();
    if (this.filled) this.hear(this.piece.slice(0, this.filled));
    this.filled = 0;
  }
}

/** 0 for -60 dBFS and less, 1 for full scale. */
const loudness = (piece) => {
  let sum = 0;
  for (const sample of piece) sum += sample * sample;
  const decibels = 10 * Math.log10(sum / piece.length / 32768 ** 2 + 1e-12);
  return Math.min(1, Math.max(0, (decibels + 60) / 60));
};

/** Runs in the audio thread: hands the microphone's sound over as it comes, channels mixed. */

const SAMPLES = 1024;

class Listening extends AudioWorkletProcessor {
  constructor() {
    super();
    this.begin();
  }

  begin() {
    this.block = new Float32Array(SAMPLES);
    this.filled = 0;
  }

  process([channels]) {
    if (!channels.length) return true;
    for (let i = 0; i < channels[0].length; i++) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      this.block[this.filled++] = sum / channels.length;
      if (this.filled === SAMPLES) {
        this.port.postMessage(this.block, [this.block.buffer]);
        this.begin();
      }
    }
    return true;
  }
}

registerProcessor("listening", Listening);

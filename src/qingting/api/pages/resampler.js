/**
 * Changes the rate of sound that comes in pieces: a band-limited (windowed sinc) filter per phase, exact for any two
 * whole rates. What lies above the new rate's half is taken away, so that it cannot come back as noise.
 */

const ZEROS = 16;
/** Of the lower rate's half, what passes. */
const PASS = 0.92;

const divisor = (a, b) => (b ? divisor(b, a % b) : a);

const blackman = (x) => 0.42 + 0.5 * Math.cos(Math.PI * x) + 0.08 * Math.cos(2 * Math.PI * x);

const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

export class Resampler {
  /** Rates in hertz. */
  constructor(from, to) {
    const common = divisor(from, to);
    this.up = to / common;
    this.down = from / common;
    const narrow = Math.min(1, to / from);
    this.half = Math.ceil(ZEROS / narrow);
    this.filters = Array.from({ length: this.up }, (_, phase) => this.filter(phase / this.up, narrow * PASS));
    // Silence before the first sample: the filter looks to both sides.
    this.kept = new Float32Array(this.half);
    this.at = this.half * this.up;
  }

  filter(shift, cutoff) {
    const taps = new Float32Array(2 * this.half);
    let sum = 0;
    for (let i = 0; i < taps.length; i++) {
      const x = i - this.half + 1 - shift;
      taps[i] = sinc(cutoff * x) * (Math.abs(x) < this.half ? blackman(x / this.half) : 0);
      sum += taps[i];
    }
    return taps.map((tap) => tap / sum);
  }

  /** Take the next piece, a Float32Array; returns what of the result is certain now. */
  feed(piece) {
    if (this.up === this.down) return piece;
    const sound = new Float32Array(this.kept.length + piece.length);
    sound.set(this.kept);
    sound.set(piece, this.kept.length);
    const found = [];
    for (;;) {
      const first = Math.floor(this.at / this.up) - this.half + 1;
      if (first + 2 * this.half > sound.length) break;
      const taps = this.filters[this.at % this.up];
      let sum = 0;
      for (let i = 0; i < taps.length; i++) sum += taps[i] * sound[first + i];
      found.push(sum);
      this.at += this.down;
    }
    const gone = Math.min(sound.length, Math.max(0, Math.floor(this.at / this.up) - this.half + 1));
    this.kept = sound.slice(gone);
    this.at -= gone * this.up;
    return Float32Array.from(found);
  }
}

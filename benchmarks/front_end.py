"""How fast recordings are prepared for recognition: decoding, voice activity, acoustic facts, speakers, all together.

Every figure is channel-seconds of audio per second of one core (CPU time of one thread, the best of several runs,
compiled code loaded before): a two-channel call of one minute counts as 120. Goal end to end: 800, aim 2000.
Beside voice activity, in the same run: the same kind of network in ONNX Runtime, frame by frame, as usually used
(the file that the embedded recogniser brings; 16 kHz).

usage: OMP_NUM_THREADS=1 python benchmarks/front_end.py [--minutes 10] [--runs 3] [--json] [--audio FILE ...]

Calls: the bundled ones in demo/calls, repeated to the given length, or the files given.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import av
import numpy as np
import soxr

from qingting.audio.acoustics import voice_facts
from qingting.audio.channels import arrange_channels
from qingting.audio.decode import decode
from qingting.audio.denoise import reduce_noise
from qingting.audio.encode import encode_wav
from qingting.audio.front_end import drop_crosstalk, prepare
from qingting.audio.options import AudioLimits, AudioOptions, NoiseReduction
from qingting.audio.source import open_source
from qingting.audio.speakers import separate
from qingting.audio.voice_activity import detect_speech
from qingting.model.audio import SpeechSpan

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
CALLS = ROOT / "demo" / "calls"
START = "from qingting.audio._silero import SileroNetwork; import numpy as np, time; t = time.perf_counter(); \
n = SileroNetwork(8000); n.probabilities(np.zeros(1000, np.float32), np.array([256])); print(time.perf_counter() - t)"
FORMATS = (
    # name, container, codec, rate, channels
    ("wav pcm 8k", "wav", "pcm_s16le", 8000, 2),
    ("wav a-law 8k", "wav", "pcm_alaw", 8000, 2),
    ("wav pcm 16k", "wav", "pcm_s16le", 16000, 2),
    ("wav adpcm 8k", "wav", "adpcm_ima_wav", 8000, 2),
    ("mp3 8k", "mp3", "libmp3lame", 8000, 2),
    ("mp3 16k", "mp3", "libmp3lame", 16000, 2),
    ("amr-nb", "amr", "libopencore_amrnb", 8000, 1),
    ("m4a aac 16k", "mp4", "aac", 16000, 2),
    ("ogg opus 16k", "ogg", "libopus", 16000, 2),
    ("flac 16k", "flac", "flac", 16000, 2),
)
Rows = dict[str, float]


def best(action: Callable[[], object], channel_seconds: float, runs: int) -> float:
    """Channel-seconds per CPU second, of the quickest run; one more run comes first and is not counted."""
    action()
    taken = []
    for _ in range(runs):
        began = time.process_time()
        action()
        taken.append(time.process_time() - began)
    return round(channel_seconds / min(taken))


def two_channel_call(paths: list[Path], minutes: float) -> NDArray[np.int16]:
    """Two-channel calls in a row at 8 kHz, repeated to the length; int16 [2, samples]."""
    pieces = []
    for path in paths:
        decoded = decode(open_source(path, AudioLimits()), AudioOptions())
        if decoded.pcm.shape[0] == 2:
            step = decoded.rate_hertz // 8000
            rows = [soxr.resample(row, decoded.rate_hertz, 8000) if step > 1 else row for row in decoded.pcm]
            pieces.append(np.stack(rows))
    if not pieces:
        raise SystemExit("no two-channel recording among the given files")
    once = np.concatenate(pieces, axis=1)
    length = int(minutes * 60 * 8000)
    return np.tile(once, -(-length // once.shape[1]))[:, :length].astype(np.int16)


def encoded(pcm: NDArray[np.int16], container: str, codec: str, rate: int, channels: int) -> bytes:
    """Encode the call (8 kHz) in one of the formats; the rate is doubled for 16 kHz."""
    rows = pcm if channels == 2 else (pcm.sum(axis=0, keepdims=True, dtype=np.int32) // 2).astype(np.int16)
    if rate != 8000:
        rows = np.stack([soxr.resample(row, 8000, rate) for row in rows]).astype(np.int16)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=rate)
        stream.codec_context.layout = "stereo" if channels == 2 else "mono"
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(rows.T).reshape(1, -1), format="s16", layout=stream.codec_context.layout.name
        )
        frame.sample_rate, frame.pts = rate, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)
    return buffer.getvalue()


def decoding(pcm: NDArray[np.int16], runs: int) -> Rows:
    """Decoding alone, per format."""
    seconds = pcm.shape[1] / 8000
    rows = {}
    for name, container, codec, rate, channels in FORMATS:
        data = encoded(pcm, container, codec, rate, channels)

        def action(data: bytes = data) -> object:
            return decode(open_source(data, AudioLimits()), AudioOptions())

        rows[name] = best(action, seconds * channels, runs)
    return rows


def spans_of(pcm: NDArray[np.int16], rate: int, parties: tuple[str, ...]) -> list[SpeechSpan]:
    """Speech of every channel, in order of time."""
    found = [
        SpeechSpan(party=party, channel=channel, start_ms=start, end_ms=end)
        for channel, party in enumerate(parties)
        for start, end in detect_speech(pcm[channel], rate)
    ]
    return sorted(found, key=lambda span: span.start_ms)


def stages(pcm: NDArray[np.int16], rate: int, runs: int) -> Rows:
    """Each step of the front end alone, on decoded samples."""
    parties = ("left", "right") if pcm.shape[0] == 2 else ("mono",)
    seconds = pcm.size / rate
    spans = spans_of(pcm, rate, parties)
    rows = {
        "channels": best(lambda: arrange_channels(pcm, rate), seconds, runs),
        "voice activity": best(lambda: spans_of(pcm, rate, parties), seconds, runs),
        "acoustic facts": best(lambda: voice_facts(pcm, rate, spans), seconds, runs),
        "noise reduction (off by default)": best(lambda: reduce_noise(pcm, rate, NoiseReduction.LIGHT), seconds, 1),
    }
    if len(parties) == 2:
        rows["crosstalk"] = best(lambda: drop_crosstalk(pcm, rate, spans), seconds, runs)
    else:
        rows["speakers"] = best(lambda: separate(pcm[0], rate, spans), seconds, runs)
    return rows


def end_to_end(pcm: NDArray[np.int16], runs: int) -> Rows:
    """From the file's bytes to spans and facts, per kind of call."""
    seconds = pcm.shape[1] / 8000
    mixed = (pcm.sum(axis=0, keepdims=True, dtype=np.int32) // 2).astype(np.int16)
    wide = np.stack([soxr.resample(row, 8000, 16000) for row in pcm]).astype(np.int16)
    kept = AudioOptions(separate_speakers=False)
    cases = {
        "two channels, wav 8k": (encode_wav(pcm, 8000), AudioOptions(), 2),
        "two channels, wav a-law 8k": (encoded(pcm, "wav", "pcm_alaw", 8000, 2), AudioOptions(), 2),
        "two channels, mp3 8k": (encoded(pcm, "mp3", "libmp3lame", 8000, 2), AudioOptions(), 2),
        "two channels, opus 16k": (encoded(pcm, "ogg", "libopus", 16000, 2), AudioOptions(), 2),
        "two channels, wav 16k": (encode_wav(wide, 16000), AudioOptions(), 2),
        "mixed, wav 8k, speakers separated": (encode_wav(mixed, 8000), AudioOptions(), 1),
        "mixed, wav 8k, one party": (encode_wav(mixed, 8000), kept, 1),
        "mixed, amr-nb, speakers separated": (
            encoded(pcm, "amr", "libopencore_amrnb", 8000, 1),
            AudioOptions(),
            1,
        ),
    }
    return {
        name: best(lambda data=data, options=options: prepare(data, options), seconds * channels, runs)
        for name, (data, options, channels) in cases.items()
    }


def frame_loop(samples: NDArray[np.int16], runs: int) -> float:
    """The usual way: ONNX Runtime, one call per frame of 32 ms, at 16 kHz (upsampling not counted)."""
    import faster_whisper
    import onnxruntime

    choice = onnxruntime.SessionOptions()
    choice.intra_op_num_threads = choice.inter_op_num_threads = 1
    path = Path(faster_whisper.__file__).parent / "assets" / "silero_vad_v6.onnx"
    session = onnxruntime.InferenceSession(str(path), choice, providers=["CPUExecutionProvider"])
    wave = np.concatenate([np.zeros(64, np.float32), soxr.resample(samples.astype(np.float32) / 32768, 8000, 16000)])

    def action() -> None:
        hidden, cell = np.zeros((1, 1, 128), np.float32), np.zeros((1, 1, 128), np.float32)
        for start in range(0, wave.size - 576, 512):
            _, hidden, cell = session.run(None, {"input": wave[None, start : start + 576], "h": hidden, "c": cell})

    return best(action, samples.size / 8000, runs)


def start_seconds() -> float:
    """Wall seconds until a fresh process has loaded the network's compiled code and weights and used them once."""
    answers = [
        subprocess.run([sys.executable, "-c", START], check=True, capture_output=True, text=True).stdout
        for _ in range(3)
    ]
    return round(min(map(float, answers)), 3)


def show(title: str, rows: Rows) -> None:
    """Print one table."""
    print(f"\n{title}")
    for name, figure in rows.items():
        print(f"  {name:36} x{figure:>8.0f}   {1000 / figure * 60:8.1f} CPU-ms per minute")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--audio", type=Path, nargs="+", help="two-channel recordings to use")
    arguments = parser.parse_args()
    paths = arguments.audio or sorted(CALLS.glob("*.wav"))
    pcm = two_channel_call(paths, arguments.minutes)
    mixed = (pcm.sum(axis=0, keepdims=True, dtype=np.int32) // 2).astype(np.int16)
    wide = np.stack([soxr.resample(row, 8000, 16000) for row in pcm]).astype(np.int16)
    spoken = sum(span.end_ms - span.start_ms for span in spans_of(pcm, 8000, ("left", "right"))) / 1000
    result: dict[str, Any] = {
        "machine": f"{platform.machine()}, {_processor()}, Python {platform.python_version()}",
        "unit": "channel-seconds per CPU second of one core",
        "minutes": arguments.minutes,
        "share_of_speech_per_channel": round(spoken / (pcm.size / 8000), 2),
        "first_use_in_a_process_seconds": start_seconds(),
        "end_to_end": end_to_end(pcm, arguments.runs),
        "steps_two_channels_8k": stages(pcm, 8000, arguments.runs),
        "steps_two_channels_16k": stages(wide, 16000, arguments.runs),
        "steps_mixed_8k": stages(mixed, 8000, arguments.runs),
        "decode": decoding(pcm, arguments.runs),
        "peer": {"silero in onnx runtime, frame loop": frame_loop(pcm[0, : 60 * 8000], 1)},
    }
    result["peer"]["own voice activity, same channel"] = best(
        lambda: detect_speech(pcm[0, : 60 * 8000], 8000), 60.0, arguments.runs
    )
    if arguments.json:
        print(json.dumps(result, ensure_ascii=False, indent=1))
        return
    for key, value in result.items():
        if isinstance(value, dict):
            show(key.replace("_", " "), value)
        else:
            print(f"{key.replace('_', ' ')}: {value}")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")


if __name__ == "__main__":
    main()

"""An inspector that does what its recordings tell it: fail, wait, take its process down; for tests of the service.

A "recording" is a JSON text: `{"decode": "AudioLimitError", "times": 2, "seconds": 0.1}`. For each of the steps
`decode`, `transcribe` and `judge` it may name an error of qingting.errors, or `die`, `wait`, `unforeseen`; `times`
is how often (always, where it is missing), `seconds` how long each step takes.
"""

from __future__ import annotations

import json
import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from qingting import errors
from qingting.analysis.runner import Inspection
from qingting.audio.options import AudioOptions
from qingting.inspector import Heard, Plan, certain_roles, judge
from qingting.model.audio import PreparedAudio, RecordingFormat
from qingting.model.call import CallInfo
from qingting.model.report import Report
from qingting.report.card import card_for
from qingting.testing.samples import sample_call

SECRET = "王小明的电话是13812345678"  # noqa: S105  what no log may show
"""Text of the error that nobody foresaw."""


class ToldInspector:
    """Decodes, transcribes and judges as told, and writes each step into a file: what, which recording, process."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace
        self._plan = Plan(pack="test@1", analysis=Inspection(()), card=card_for("general"))
        self._transcript = sample_call("absolute_promise").transcript()

    def decode(self, path: Path, options: AudioOptions | None = None) -> PreparedAudio:
        """Read the orders."""
        order = json.loads(path.read_text(encoding="utf-8"))
        self._obey("decode", path.stem, order)
        recording = RecordingFormat(
            container="wav",
            codec="pcm_s16le",
            sample_rate_hertz=8000,
            channels=1,
            duration_ms=1000,
            size_bytes=path.stat().st_size,
            sha256="0" * 64,
        )
        noise = options.noise_reduction.value if options else ""
        return PreparedAudio(
            format=recording,
            rate_hertz=8000,
            pcm=np.zeros((1, 8000), np.int16),
            parties=("mono",),
            spans=(),
            voice=(),
            notes=(json.dumps({**order, "name": path.stem, "noise": noise}),),
        )

    def transcribe(self, audio: PreparedAudio, call: CallInfo) -> Heard:
        """Hear always the same words."""
        order = json.loads(audio.notes[0])
        self._obey("transcribe", order["name"], order)
        return Heard(
            call=call, recording=audio.format, roles=certain_roles(self._transcript), transcript=self._transcript
        )

    def judge(self, heard: Heard) -> Report:
        """Find nothing; orders stand in the call's field `order`."""
        self._obey("judge", heard.call.call_id, json.loads(heard.call.fields.get("order", "{}")))
        return judge(
            call=heard.call,
            recording=heard.recording,
            roles=heard.roles,
            transcript=heard.transcript,
            plan=self._plan,
            now=datetime.now(UTC),
        )

    def _obey(self, step: str, name: str, order: dict[str, Any]) -> None:
        before = len(self.done(step, name))
        with self._trace.open("a", encoding="utf-8") as file:
            file.write(f"{step} {name} {os.getpid()}\n")
        time.sleep(float(order.get("seconds", 0)))
        told = order.get(step, "")
        if not told or before >= int(order.get("times", before + 1)):
            return
        if told == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if told == "wait":
            time.sleep(3600)
        if told == "unforeseen":
            raise ValueError(SECRET)
        raise getattr(errors, told)("It was told so.")

    def done(self, step: str, name: str = "") -> list[str]:
        """Return the lines of a step, of one recording or all."""
        if not self._trace.exists():
            return []
        lines = self._trace.read_text(encoding="utf-8").splitlines()
        return [line for line in lines if line.startswith(f"{step} {name}")]

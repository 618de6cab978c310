"""The sample calls that come with Qingting: scripts with their recordings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from qingting.errors import ScriptError
from qingting.model.transcript import Transcript
from qingting.testing.call_script import CallScript
from qingting.testing.scripts import load_script


@dataclass(frozen=True, kw_only=True)
class SampleCall:
    """A script and the recording made from it."""

    script: CallScript
    audio_path: Path

    @property
    def id(self) -> str:
        """The call's id, which is also the file's stem."""
        return self.script.id

    def transcript(self) -> Transcript:
        """Return the words as a perfect engine would give them."""
        return self.script.transcript()


def sample_folder() -> Path:
    """Folder of the sample calls: inside the installed package, or `demo/calls` of a source checkout.

    Raises ScriptError when neither is there.
    """
    here = Path(__file__).resolve()
    for folder in (here.parent / "calls", here.parents[3] / "demo" / "calls"):
        if any(folder.glob("*.yaml")):
            return folder
    raise ScriptError("the sample calls are missing", remedy="Install Qingting again, or use a full source checkout.")


@cache
def sample_calls() -> tuple[SampleCall, ...]:
    """Return all sample calls in order of id.

    Raises ScriptError when a script is malformed or a call has no recording.
    """
    folder = sample_folder()
    return tuple(_sample(folder, path) for path in sorted(folder.glob("*.yaml")))


def sample_call(call_id: str) -> SampleCall:
    """Return the sample call of that id. Raises KeyError when there is none."""
    return {sample.id: sample for sample in sample_calls()}[call_id]


def _sample(folder: Path, path: Path) -> SampleCall:
    script = load_script(path)
    if script.audio is None:
        raise ScriptError(f"{path.name}: audio: is required for a sample call")
    audio_path = folder / script.audio.file
    if not audio_path.exists():
        raise ScriptError(f"{path.name}: audio.file: the recording is missing")
    return SampleCall(script=script, audio_path=audio_path)

"""The sample calls as a telephone system hears them: 8 kHz."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qingting.audio.decode import decode
from qingting.audio.encode import encode_wav
from qingting.audio.front_end import prepare
from qingting.audio.options import AudioLimits, AudioOptions
from qingting.audio.source import open_source
from qingting.testing.live_doors import at_rate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from qingting.model.audio import PreparedAudio
    from qingting.model.call import Role
    from qingting.testing.call_script import CallScript
    from qingting.testing.samples import SampleCall

TELEPHONE_HERTZ = 8000


def telephone_sound(sample: SampleCall) -> NDArray[np.int16]:
    """A sample call's samples at 8 kHz, [channels, samples]; the same every time."""
    decoded = decode(open_source(sample.audio_path, AudioLimits()), AudioOptions())
    return at_rate(decoded.pcm, decoded.rate_hertz, TELEPHONE_HERTZ)


def prepared_telephone_call(sample: SampleCall) -> PreparedAudio:
    """The same, prepared as a recording."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "call.wav"
        path.write_bytes(encode_wav(telephone_sound(sample), TELEPHONE_HERTZ))
        return prepare(path)


def one_side(sample: SampleCall, role: Role) -> tuple[CallScript, PreparedAudio]:
    """What is said and heard on a single channel that carries one party of a two-channel sample call, at 8 kHz."""
    audio, party = prepared_telephone_call(sample), sample.script.party(role)
    row = audio.parties.index(party)
    heard = [(span, voice) for span, voice in zip(audio.spans, audio.voice, strict=True) if span.party == party]
    alone = replace(
        audio,
        format=replace(audio.format, channels=1),
        pcm=audio.pcm[row : row + 1],
        parties=("mono",),
        spans=tuple(replace(span, party="mono", channel=0) for span, _ in heard),
        voice=tuple(voice for _, voice in heard),
    )
    return replace(sample.script, turns=tuple(one for one in sample.script.turns if one.role is role)), alone

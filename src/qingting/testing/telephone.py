"""The sample calls as a telephone system hears them: 8 kHz."""

from __future__ import annotations

import tempfile
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

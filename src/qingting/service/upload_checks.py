"""What can be told of an upload before anybody decodes it: its kind, by its first bytes and its suffix."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from qingting.audio.source import HEAD_BYTES, sniff
from qingting.chat import CHAT_SUFFIXES, load_chat
from qingting.errors import EmptyAudioError, NotAudioError, ScriptError
from qingting.model.call import CallInfo

_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
_UNMARKED = frozenset({".g722", ".722", ".gsm", ".ts", ".mp3", ".aac"})
"""Suffixes of recordings that may begin without a mark; whether they are any, the decoder tells."""
_FOREIGN = (
    b"PK", b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"\x7fELF", b"MZ", b"\x1f\x8b", b"BZh", b"7z\xbc\xaf",
    b"Rar!", b"\xfd7zXZ", b"\xd0\xcf\x11\xe0", b"<", b"{", b"[", b"#!/",
)  # fmt: skip
"""First bytes of what is certainly no recording: archives, documents, pictures, programs, text."""


def safe_suffix(file_name: str) -> str:
    """Return the suffix of a file name (`.wav`), or nothing when it is unusual; nothing else of a name is ever used."""
    # Windows' separators, NULs and line ends have no business in a suffix either.
    suffix = PurePosixPath(file_name[-64:].replace("\\", "/")).suffix.lower()
    return suffix if _SUFFIX.fullmatch(suffix) else ""


def is_conversation(suffix: str) -> bool:
    """Whether a file is read as a text conversation."""
    return suffix in CHAT_SUFFIXES


def check_head(head: bytes, suffix: str, *, raw: str = "") -> None:
    """Refuse what cannot be a recording; `head` are the first HEAD_BYTES, `raw` the format of a headerless one.

    Raises EmptyAudioError for no bytes, NotAudioError.
    """
    if not head:
        raise EmptyAudioError("The upload has no bytes.")
    if raw or sniff(head[:HEAD_BYTES]):
        return
    foreign = head.startswith(_FOREIGN) or _is_text(head)
    if foreign or suffix not in _UNMARKED:
        raise NotAudioError("The upload's first bytes are those of no recording.")


def check_conversation(path: Path, call: CallInfo) -> None:
    """Read a conversation once, so that a broken one is refused at the door.

    Raises EmptyAudioError for no bytes, ScriptError naming the place in the file, but not the file: names of
    files may hold telephone numbers.
    """
    if not path.stat().st_size:
        raise EmptyAudioError("The upload has no bytes.")
    try:
        load_chat(path, call)
    except ScriptError as error:
        raise ScriptError(error.cause.replace(path.name, "the conversation"), remedy=error.remedy) from None


def _is_text(head: bytes) -> bool:
    return all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head)

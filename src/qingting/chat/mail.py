"""What of an e-mail its sender wrote: without the quoted mail below, which the other side wrote."""

from __future__ import annotations

import re

_QUOTE_BEGINS = re.compile(
    r"-{2,}\s*(?:原始邮件|原邮件|转发邮件|回复邮件|Original Message|Forwarded message|Forwarded Message)\s*-{0,}"
    r"|_{10,}"
    r"|(?:在\s*)?.{0,60}(?:写道|写到)\s*[:：]"
    r"|On\s.{4,80}\swrote:"
    r"|(?:发件人|From)\s*[:：].{0,200}",
)
_QUOTED_LINE = re.compile(r"\s*[>＞]")
_SIGNATURE = re.compile(r"--\s?")
_REPLY = re.compile(r"(?:(?:re|fw|fwd|回复|答复|转发)\s*[:：]\s*)+", re.IGNORECASE)


def own_words(body: str) -> str:
    """Return the part of a mail that its sender wrote: no quoted lines, no mail below, no signature block."""
    kept: list[str] = []
    for line in body.splitlines():
        bare = line.strip()
        if _QUOTE_BEGINS.fullmatch(bare) or (_SIGNATURE.fullmatch(bare) and any(kept)):
            break
        if not _QUOTED_LINE.match(line):
            kept.append(line.rstrip())
    return "\n".join(kept).strip()


def bare_subject(subject: str) -> str:
    """Return a subject without 回复: and Re: before it."""
    return _REPLY.sub("", subject.strip(), count=1).strip()

"""Whether an agent's words do what they name: 不录音 is no notice, 不敢打包票 no promise."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qingting.analysis.text import Hit, NormalText

_DENIED = re.compile("(?:不|没|没有|无|不会|不用|不需要|无需|不必|不能|并不|并没有|不存在|不要|别)$")
_NO_DENIAL = re.compile("(?:好不|行不|是不|对不|要不|可不|成不|能不|有没|还有没有|有没有)$")
_DISCLAIMED = re.compile(
    "(?:不敢|不能|不会|不可能|不好|没法|没办法|无法|没人能|没人敢|谁也不能|谁都不能|谁也不敢|谁都不敢|从不|绝不|绝不会|不允许|不可以|不得|没有|没)"
    "(?:随便|轻易|乱|再|真的|提前|现在)?(?:有)?(?:任何|什么)?(?:人|同事|工作人员)?"
    "(?:跟|给|向|对|和|为|替|帮|派人|来|去|会|到)?(?:您|你|客户)?(?:说|讲|做|作|打|许)?$"
)
_WARNING = re.compile("不要|千万|别|不用|不能|不会|勿|不需要|不得|无需|没有|不必")


def done(text: NormalText, hits: Iterable[Hit]) -> tuple[Hit, ...]:
    """Return the hits whose words are not denied right before them in the clause."""
    return tuple(hit for hit in hits if not _is_denied(_before(text, hit)))


def not_disclaimed(text: NormalText, hits: Iterable[Hit]) -> tuple[Hit, ...]:
    """Leave out what the agent says not to do (不敢跟您打包票) and warnings (验证码别报给任何人)."""
    return tuple(hit for hit in hits if not _DISCLAIMED.search(_before(text, hit)) and not _warns(text, hit))


def _is_denied(before: str) -> bool:
    return bool(_DENIED.search(before)) and not _NO_DENIAL.search(before)


def _warns(text: NormalText, hit: Hit) -> bool:
    """Whether a phrase with a gap holds a warning that its own words do not have."""
    said = text.text[hit.normal_start : hit.normal_end]
    return "…" in hit.phrase and any(word not in hit.phrase for word in _WARNING.findall(said))


def _before(text: NormalText, hit: Hit) -> str:
    start, _ = text.clause_at(hit.start_char)
    return text.text[bisect_left(text.offsets, start) : hit.normal_start][-16:]

"""All kinds of conditions by their key in rule files: a new kind is one class and one entry here."""

from __future__ import annotations

from collections.abc import Mapping

from qingting.analysis.rules.kinds.base import Eye, Found, Kind, Term, TermHit
from qingting.analysis.rules.kinds.calls import DurationKind, FieldKind, TalkRatioKind, TurnsKind
from qingting.analysis.rules.kinds.dimensions import (
    DialectKind,
    FindingKind,
    IntentKind,
    KnowledgeKind,
    LanguageKind,
    ResolutionKind,
)
from qingting.analysis.rules.kinds.emotions import EmotionKind
from qingting.analysis.rules.kinds.entities import EntityKind
from qingting.analysis.rules.kinds.hang_up import HangUpKind
from qingting.analysis.rules.kinds.meaning import SimilarKind
from qingting.analysis.rules.kinds.texts import RegexKind, RepeatKind, ScriptKind
from qingting.analysis.rules.kinds.times import OverlapKind, SilenceKind
from qingting.analysis.rules.kinds.voices import LoudnessKind, PitchKind, RateKind
from qingting.analysis.rules.kinds.words import NearKind, WordsKind

__all__ = ["KINDS", "Eye", "Found", "Kind", "Term", "TermHit"]

KINDS: Mapping[str, type[Kind]] = {
    kind.name: kind
    for kind in (
        WordsKind, RegexKind, NearKind, ScriptKind, RepeatKind, EntityKind, SilenceKind, OverlapKind,
        RateKind, LoudnessKind, PitchKind, TurnsKind, TalkRatioKind, DurationKind, FieldKind,
        SimilarKind, EmotionKind, LanguageKind, DialectKind, IntentKind, ResolutionKind, KnowledgeKind, FindingKind,
        HangUpKind,
    )
}  # fmt: skip

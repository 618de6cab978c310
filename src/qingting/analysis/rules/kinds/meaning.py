"""Conditions on meaning: words near to sample sentences, whatever words they use.

Cosines of sentence vectors lie close together (unlike sentences of a call still reach 0.9), so a
threshold alone says little: what is near to the samples must also be farther from sentences that
mean something else, `unlike`, to which everyday phrases of calls are added. Without sentence
vectors the condition is unknown, never absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from qingting.analysis.findings import words_evidence
from qingting.analysis.meaning import content_characters
from qingting.analysis.rules.kinds.base import Eye, Found, Kind
from qingting.analysis.rules.kinds.texts import spoken
from qingting.analysis.signals import MEANING
from qingting.analysis.wording import at, quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from qingting.analysis.context import CallSoFar, UtteranceFacts
    from qingting.analysis.rules.model import Condition

THRESHOLD = 0.92
"""Cosine of multilingual-e5-small: nearer than most sentences of a call come to each other by accident."""
EVERYDAY = (
    "您好，请问有什么可以帮您", "好的，谢谢", "请稍等，我帮您查一下", "我想问一下", "我知道了",
    "不好意思，请您再说一遍", "还有其他可以帮您的吗", "您的手机号码是多少", "感谢您的来电，再见", "是的，没错",
)  # fmt: skip
"""What everyone says on every call: nothing else is meant by it."""
CONFIDENCE = 0.55
"""Under the usual doubt threshold: the bundled vectors often take neighbouring matters for one (see docs)."""
_REASON = "按与样例句意思相近判断（相似度{similarity:.2f}）"


@dataclass(frozen=True, kw_only=True)
class SimilarOptions:
    """Sample sentences, and how near words must come to them."""

    sentences: tuple[str, ...]
    """Sentences that mean what is looked for; several wordings help."""
    unlike: tuple[str, ...] = ()
    """Sentences on the same matter that mean something else: they must be farther than the samples."""
    threshold: float = THRESHOLD
    """Least cosine with the nearest sample, above 0 to 1."""
    confidence: float = CONFIDENCE
    """How sure a hit is, above 0 to 1; raise it for vectors that you have measured."""
    min_content: int = 3
    """Sentences with fewer characters of content are not compared: short turns are near everything."""

    def __post_init__(self) -> None:
        """Refuse what can never hold."""
        if not self.sentences or not all(one.strip() for one in (*self.sentences, *self.unlike)):
            raise ValueError("`sentences` needs at least one sentence, and none may be blank")
        if not (0.0 < self.threshold <= 1.0 and 0.0 < self.confidence <= 1.0) or self.min_content < 1:
            raise ValueError("`threshold` and `confidence` must be above 0 and at most 1, `min_content` at least 1")


class SimilarKind(Kind):
    """Something of the same meaning is said."""

    name: ClassVar[str] = "similar"
    chinese: ClassVar[str] = "语义相近"
    Options: ClassVar[type] = SimilarOptions
    shorthand: ClassVar[str] = "sentences"
    captures: ClassVar[bool] = True
    may_miss: ClassVar[bool] = True

    def __init__(self, condition: Condition) -> None:
        super().__init__(condition)
        options = condition.options
        assert isinstance(options, SimilarOptions)  # noqa: S101  built by the loader from Options
        self.options = options
        self.known = (*options.sentences, *options.unlike, *EVERYDAY)

    def rests_on(self) -> tuple[str, ...]:
        """The sentence vectors."""
        return (MEANING,)

    def open(self, so_far: CallSoFar, wake: Callable[[int], None]) -> Eye:
        """Compare every utterance."""
        return _SimilarEye(self, so_far)

    def label(self) -> str:
        """Write the first sample."""
        return f"说与{quoted(self.options.sentences[0])}意思相近的话"


class _SimilarEye(Eye):
    def __init__(self, kind: SimilarKind, so_far: CallSoFar) -> None:
        self._kind = kind
        self._so_far = so_far
        self._samples: NDArray[np.float32] | None = None

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Found]:
        spoken_vectors = self._so_far.meaning(facts)
        if spoken_vectors is None or not spoken_vectors.spans:
            return ()
        if self._samples is None:
            self._samples = self._so_far.embed(self._kind.known)
        if self._samples is None:
            return ()
        cosines = spoken_vectors.vectors @ self._samples.T
        return self._best(facts, spoken_vectors.spans, cosines)

    def _best(
        self, facts: UtteranceFacts, spans: tuple[tuple[int, int], ...], cosines: NDArray[np.float32]
    ) -> Iterable[Found]:
        """Return the nearest stretch of the utterance, when it is near enough and nearer than what is unlike."""
        options, count = self._kind.options, len(self._kind.options.sentences)
        like, unlike = cosines[:, :count], cosines[:, count:].max(axis=1)
        for place in np.argsort(-like.max(axis=1), kind="stable"):
            similarity, margin = float(like[place].max()), float(like[place].max() - unlike[place])
            span = spans[place]
            if similarity < options.threshold:
                return ()
            if margin <= 0 or content_characters(facts.quote(*span)) < options.min_content:
                continue
            sample = options.sentences[int(like[place].argmax())]
            evidence = words_evidence(facts, *span, operator=SimilarKind.name, note=f"与{quoted(sample)}意思相近")
            says = (
                f"{facts.role.chinese}在{at(evidence.start_ms)}说{quoted(evidence.quote)}，与{quoted(sample)}意思相近"
            )
            reason = _REASON.format(similarity=similarity)
            return (
                spoken(
                    facts, (evidence,), says, value=f"{similarity:.2f}", confidence=options.confidence, reason=reason
                ),
            )
        return ()

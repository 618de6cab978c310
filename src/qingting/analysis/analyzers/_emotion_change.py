"""Where a customer's mood turns: the point of escalation, and the point of easing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qingting.analysis.analyzers._solutions import OfferKind, offer_of
from qingting.analysis.dialogue import is_sound
from qingting.model.finding import Level

if TYPE_CHECKING:
    from qingting.analysis.analyzers._emotion_mood import Mood
    from qingting.analysis.analyzers._solutions import Offer
    from qingting.analysis.context import UtteranceFacts

TENSE = 0.45
"""From here on an utterance counts as tense."""
CALM = 0.22
_WARM_UP = 0.25
"""The utterance before the change point must already have been this tense: one outburst is no escalation."""
_RISE = 0.25
_SERIOUS = 0.75
_FURTHER_RISE = 0.06
_RECENT = 2
_EASED_BY = 0.3
_SOME_HEAT = 0.28
"""Who says to have calmed down was upset; some sign of it must have been seen."""
_CALM_CHARACTERS = 4
_OUTBURST = 0.6
_OUTBURST_SIGNS = 2
"""A sudden outburst is an escalation when so many different kinds of words show it."""
_LOOK_BACK = 2
"""The tense utterance before the change may lie so many utterances back: numbers are read out in between."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """A customer's anger has grown."""

    level: Level
    before: float
    """Tension where the episode began."""
    path: tuple[Mood, ...]
    """Tense utterances that lead to it, the newest last."""

    @property
    def now(self) -> float:
        """Tension at the change point."""
        return self.path[-1].tension


class EscalationEye:
    """Raises at most two changes per episode: growing, and still growing."""

    def __init__(self, rise: float = _RISE) -> None:
        self._rise = rise
        self._moods: list[Mood] = []
        self._stage = 0
        self._raised_at = 0.0
        self._began = 0.0

    def hear(self, mood: Mood, *, repeated: bool) -> Change | None:
        """Take a customer's mood; return the change it makes."""
        if is_sound(mood.facts):
            return None
        self._moods.append(mood)
        self._calm_down()
        if self._stage == 0:
            return self._first(mood)
        if self._stage == 1 and mood.tension >= _SERIOUS:
            grows = mood.tension >= self._raised_at + _FURTHER_RISE
            if grows or repeated:
                self._stage = 2
                return self._change(Level.SERIOUS, self._began)
        return None

    def _first(self, mood: Mood) -> Change | None:
        earlier = self._moods[-1 - _LOOK_BACK : -1]
        if not earlier or mood.tension < TENSE:
            return None
        lead = max(earlier, key=lambda one: one.tension)
        before = self._before()
        kinds = {cue.kind for cue in mood.words.negative if cue.hit is not None}
        outburst = mood.tension >= _OUTBURST and len(kinds) >= _OUTBURST_SIGNS and len(self._moods) > _RECENT
        if lead.tension < _WARM_UP and not outburst:
            return None
        level = (mood.tension + lead.tension) / 2
        sudden = mood.tension >= _SERIOUS and mood.tension - lead.tension >= self._rise
        if level - before < self._rise and not sudden and not outburst:
            return None
        self._stage, self._raised_at, self._began = 1, mood.tension, min(before, lead.tension)
        return self._change(Level.MEDIUM, self._began)

    def _before(self) -> float:
        """Mean tension before the recent utterances; who complains at once began where he began."""
        earlier = [one.tension for one in self._moods[:-_RECENT]] or [self._moods[0].tension]
        return sum(earlier) / len(earlier)

    def _change(self, level: Level, before: float) -> Change:
        tense = [one for one in self._moods[-6:] if one.tension >= _WARM_UP]
        return Change(level=level, before=before, path=tuple(tense[-3:]))

    def _calm_down(self) -> None:
        """A stretch of calm ends the episode: what follows can escalate anew."""
        if len(self._moods) >= _RECENT + 1 and all(one.tension < CALM for one in self._moods[-_RECENT:]):
            self._moods = self._moods[-_RECENT:]
            self._stage = 0


@dataclass(frozen=True, kw_only=True)
class Eased:
    """A customer has calmed down after the agent's answer."""

    peak: Mood
    answer: Offer
    calm: Mood


class EasingEye:
    """Follows a tense customer through the agent's answer to calm words."""

    def __init__(self) -> None:
        self._peak: Mood | None = None
        self._heat: Mood | None = None
        self._answer: Offer | None = None
        self._latest: Offer | None = None
        self._calm = 0
        self._closing = False

    def hear_agent(self, facts: UtteranceFacts, offer: Offer | None) -> None:
        """Take what the agent offers."""
        self._closing = bool(facts.hits("further_help") or facts.hits("farewell"))
        helps = offer is not None and (offer.kind.concrete or offer.kind is OfferKind.FACTS)
        self._latest = offer if helps else self._latest
        if self._peak is not None and helps:
            # A further offer to a customer who is already calming down takes nothing back.
            self._answer = self._answer or offer

    def hear_customer(self, mood: Mood, *, objects: bool) -> Eased | None:
        """Take a customer's mood; `objects` when the words refuse or give up."""
        if mood.tension >= TENSE:
            self._peak = mood if self._peak is None or mood.tension >= self._peak.tension else self._peak
            self._answer, self._calm = None, 0
            return None
        told = self._told(mood, objects=objects)
        if told is not None or self._peak is None or self._answer is None or is_sound(mood.facts) or self._closing:
            return told
        if mood.tension >= CALM or objects:
            self._calm = 0
            return None
        if len(mood.facts.text.text) < _CALM_CHARACTERS or self._peak.tension - mood.tension < _EASED_BY:
            return None
        self._calm += 2 if mood.words.positive else 1
        if self._calm < 2:
            return None
        return self._eased(self._peak, self._answer, mood)

    def _told(self, mood: Mood, *, objects: bool) -> Eased | None:
        """Return the easing that a customer names: 我刚才说话冲了点, 你这么说我心里就舒坦了."""
        heat, answer = self._peak or self._heat, self._answer or self._latest
        self._heat = mood if self._heat is None or mood.tension > self._heat.tension else self._heat
        relieved = any(cue.kind == "relief_told" for cue in mood.words.positive)
        if not relieved or objects or mood.tension >= CALM or answer is None or heat is None:
            return None
        return self._eased(heat, answer, mood) if heat.tension > _SOME_HEAT else None

    def _eased(self, peak: Mood, answer: Offer, calm: Mood) -> Eased:
        self._peak = self._heat = self._answer = self._latest = None
        self._calm = 0
        return Eased(peak=peak, answer=answer, calm=calm)


def workable(facts: UtteranceFacts) -> Offer | None:
    """Return what an agent's utterance offers when a refusing customer can do something with it."""
    offer = offer_of(facts)
    return offer if offer is not None and offer.kind.concrete else None

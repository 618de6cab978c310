"""Reads one condition: its kind with options, speaker, position, anchor and counts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from qingting.analysis.options import OptionError, build_options
from qingting.analysis.rules import plain
from qingting.analysis.rules.kinds import KINDS
from qingting.analysis.rules.model import Anchor, Condition, Homophones, Position, Side, Speaker
from qingting.documents import Place
from qingting.errors import PackError


@dataclass(frozen=True, kw_only=True)
class Common:
    """What every condition may say beside its kind."""

    role: Speaker = Speaker.ANY
    """Whose speech it looks at."""
    name: str = ""
    """Chinese words for it in explanations."""
    position: Position | None = None
    """Which part of the call counts."""
    times: int = 1
    """So many hits are needed."""
    window_seconds: float | None = None
    """They must lie within so many seconds of each other."""

    def __post_init__(self) -> None:
        """Refuse counts that can never hold."""
        if self.times < 1:
            raise ValueError("`times` must be at least 1")
        if self.window_seconds is not None and self.window_seconds <= 0:
            raise ValueError("`window_seconds` must be above 0")


_SIDES = tuple(side.value for side in Side)
_COMMON = tuple(one.name for one in dataclasses.fields(Common))


class ConditionReader:
    """Reads the conditions of one rule with the file's word groups and homophone settings."""

    def __init__(
        self,
        homophones: Homophones | None,
        phrases: Mapping[str, tuple[str, ...]],
        synonyms: Mapping[str, tuple[str, ...]],
    ) -> None:
        self._homophones = homophones
        self._phrases = phrases
        self._synonyms = synonyms

    def read(self, name: str, data: Mapping[str, object], place: Place) -> tuple[Condition, bool]:
        """Return the condition, and whether its absence is meant (`words: {none: …}`)."""
        kind = self._kind(data, place)
        common = build_options(Common, {key: data[key] for key in _COMMON if key in data}, place)
        condition = Condition(
            id=name,
            kind=kind,
            options=self._options(kind, data[kind], (*place, kind)),
            speaker=common.role,
            name=common.name,
            position=common.position,
            anchor=self._anchor(data, place),
            times=common.times,
            window_seconds=common.window_seconds,
            place=place,
        )
        try:
            problem = KINDS[kind](condition).problem()
        except PackError as error:
            raise OptionError((*place, kind), error.cause, error.remedy) from error
        if problem:
            raise OptionError(place, problem, "Correct the condition.")
        return condition, bool(getattr(condition.options, "none", ()))

    def _kind(self, data: Mapping[str, object], place: Place) -> str:
        named = [key for key in data if key in KINDS]
        if len(named) == 1:
            plain.known_keys(data, (named[0], *_COMMON, *_SIDES), place)
            return named[0]
        if named:
            problem = f"a condition has one kind, not {len(named)}: {', '.join(named)}"
            raise OptionError(place, problem, "Split it into several conditions.")
        strange = [key for key in data if key not in (*_COMMON, *_SIDES)]
        where = (*place, strange[0]) if strange else place
        fix = plain.suggest(strange[0], KINDS) if strange else f"Use one of: {', '.join(KINDS)}."
        raise OptionError(where, "no kind of condition has this name" if strange else "the condition has no kind", fix)

    def _options(self, kind: str, value: object, place: Place) -> object:
        known = KINDS[kind]
        fields = {one.name: one for one in dataclasses.fields(known.Options)}
        if isinstance(value, Mapping):
            values = dict(value)
        elif known.shorthand and value is not None:
            values = {known.shorthand: _listed(value, many="tuple" in str(fields[known.shorthand].type))}
        else:
            raise OptionError(place, "its options are missing", f"Write some of: {', '.join(fields)}.")
        for name, field in fields.items():
            if "tuple" in str(field.type) and isinstance(values.get(name), str):
                values[name] = [values[name]]
        if kind == "call":
            values = plain.texts_of_tests(values)
        if kind == "words":
            self._complete_words(values, place)
        homophones = values.pop("homophones", None)
        options = build_options(known.Options, values, place)
        if "homophones" not in fields:
            if homophones is not None:
                raise OptionError((*place, "homophones"), "this kind has no homophones", "Remove it.")
            return options
        from qingting.analysis.rules.reading import homophones_of

        chosen = homophones_of(homophones, self._homophones, (*place, "homophones"))
        return dataclasses.replace(options, homophones=chosen)

    def _complete_words(self, values: dict[str, object], place: Place) -> None:
        """Put the file's word groups and synonyms into a words condition."""
        groups = values.pop("groups", ())
        words: list[object] = []
        for number, name in enumerate(groups if isinstance(groups, list) else [groups] if groups else []):
            if name not in self._phrases:
                problem = f"no word group is named {name!r}"
                raise OptionError((*place, "groups", number), problem, plain.suggest(str(name), self._phrases))
            words += self._phrases[name]
        own = values.get("any", [])
        if words and isinstance(own, list):
            values["any"] = [*own, *words]
        every = [one for name in ("any", "all", "some", "none") for one in _as_items(values.get(name))]
        shared = {word: list(more) for word, more in self._synonyms.items() if word in every}
        mine = values.get("synonyms", {})
        if shared and isinstance(mine, Mapping):
            values["synonyms"] = {**shared, **mine}

    def _anchor(self, data: Mapping[str, object], place: Place) -> Anchor | None:
        sides = [side for side in _SIDES if side in data]
        if not sides:
            return None
        if len(sides) > 1:
            problem = f"a condition has one anchor, not {len(sides)}: {', '.join(sides)}"
            raise OptionError((*place, sides[1]), problem, "Keep one, or split the condition.")
        value, own = data[sides[0]], (*place, sides[0])
        values: dict[str, object] = {"to": value} if isinstance(value, str) else dict(plain.as_mapping(value, own))
        if "side" in values:
            raise OptionError((*own, "side"), "the side is the key itself", "Remove it.")
        values["hit"] = plain.number_as_text(values.get("hit", "any"))
        anchor = build_options(Anchor, {**values, "side": sides[0]}, own)
        assert isinstance(anchor, Anchor)  # noqa: S101  what build_options was asked for
        return anchor


def _listed(value: object, *, many: bool) -> object:
    return value if isinstance(value, list) or not many else [value]


def _as_items(value: object) -> list[object]:
    return value if isinstance(value, list) else []

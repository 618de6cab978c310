"""Reads rule files: every mistake is named with file, line, field and fix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qingting.analysis.options import OptionError, build_options, names_a_file
from qingting.analysis.rules.model import Rule, RuleFile
from qingting.analysis.rules.reading import FileDefaults, check_id, homophones_of, phrase_groups, read_rule
from qingting.documents import Document, Place, parse_document, read_document
from qingting.errors import PackError

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER = Path(__file__).parents[1] / "packs" / "rules"
SUFFIX = ".rules.yaml"


@dataclass(frozen=True, kw_only=True)
class FileHead:
    """What a rule file says of itself."""

    id: str
    name: str
    """Chinese."""
    version: str
    """Version of its rules that name none themselves."""
    description: str = ""


def bundled_rule_files() -> tuple[str, ...]:
    """Names of the rule files that come with Qingting."""
    return tuple(sorted(path.name.removesuffix(SUFFIX) for path in FOLDER.glob(f"*{SUFFIX}")))


def load_rule_file(file: str | Path) -> RuleFile:
    """Load a bundled rule file by name, or one's own by path.

    Raises PackError that names file, line, field and fix.
    """
    return _read(read_document(_find(file)))


def parse_rules(text: str, *, source: str) -> RuleFile:
    """Read the text of a rule file; raises PackError like load_rule_file."""
    return _read(parse_document(text, source=source))


def load_all(
    files: Iterable[str | Path],
    inline: Sequence[Mapping[str, object]],
    *,
    switched_off: Iterable[str] = (),
    place: Place = (),
) -> tuple[Rule, ...]:
    """Rules of files and of a pack itself, one list with unlike ids.

    Raises PackError for a file, OptionError (with its place under `place`) for inline rules, an id
    that stands twice, or one that is switched off and does not exist.
    """
    rules: dict[str, Rule] = {}
    for number, file in enumerate(files):
        for rule in load_rule_file(file).rules:
            _add(rules, rule, (*place, "files", number))
    for number, one in enumerate(inline):
        own = (*place, "rules", number)
        _add(rules, read_rule(one, own, FileDefaults(version="1"), source="", line=0), own)
    off = set(switched_off)
    for rule_id in sorted(off - rules.keys()):
        raise OptionError((*place, "switched_off"), f"no rule has the id {rule_id!r}", "Name an existing rule's id.")
    return tuple(rule for rule in rules.values() if rule.id not in off)


def _add(rules: dict[str, Rule], rule: Rule, place: Place) -> None:
    if rule.id in rules:
        raise OptionError(place, f"two rules have the id {rule.id!r}", "Give every rule an id of its own.")
    rules[rule.id] = rule


def _find(file: str | Path) -> Path:
    if isinstance(file, Path):
        return file
    if file in bundled_rule_files():
        return FOLDER / f"{file}{SUFFIX}"
    if not names_a_file(file):
        known = ", ".join(bundled_rule_files())
        raise PackError(f"No rule file is named {file!r}.", remedy=f"Use one of {known}, or the path of a file.")
    return Path(file)


def _read(document: Document) -> RuleFile:
    try:
        return _read_file(document)
    except OptionError as error:
        raise document.error(error.place, error.problem, error.fix) from error


_LISTS = ("homophones", "phrases", "synonyms", "rules")


def _read_file(document: Document) -> RuleFile:
    data = document.data
    head = build_options(FileHead, {key: value for key, value in data.items() if key not in _LISTS})
    check_id(head.id, ("id",))
    defaults = FileDefaults(
        version=head.version,
        homophones=homophones_of(data.get("homophones"), None, ("homophones",)),
        phrases=phrase_groups(data.get("phrases", {}), ("phrases",)),
        synonyms=phrase_groups(data.get("synonyms", {}), ("synonyms",)),
    )
    listed = data.get("rules")
    if not isinstance(listed, list) or not listed:
        raise OptionError(("rules",), "must be a list with at least one rule", "Write `rules:` and `- id: …` below it.")
    rules: dict[str, Rule] = {}
    for number, one in enumerate(listed):
        place = ("rules", number)
        _add(rules, read_rule(one, place, defaults, source=document.source, line=document.line(place)), (*place, "id"))
    rules_of_file = tuple(rules.values())
    return RuleFile(source=document.source, id=head.id, name=head.name, version=head.version, rules=rules_of_file)

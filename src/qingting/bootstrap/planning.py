"""How calls of each line of business are analysed and scored, and versions of that to compare."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from qingting.analysis.discovery import discover
from qingting.analysis.packs import build_analyzers, load_pack, pack_names
from qingting.analysis.rules.in_pack import CUSTOM_RULES, pack_with_rule_file
from qingting.analysis.rules.loading import load_rule_file
from qingting.analysis.runner import Inspection as Analysis
from qingting.analysis.tools import Tools
from qingting.backtest.versions import Version
from qingting.bootstrap.reports import case_library, contact_history, sentence_vectors
from qingting.inspector import Plan
from qingting.report.card import builtin_cards, load_card
from qingting.speech.corrector import Corrector
from qingting.speech.hot_words import FOLDER as HOT_WORD_FOLDER
from qingting.speech.hot_words import HotWordList, join_lists, load_hot_words

if TYPE_CHECKING:
    from qingting.analysis.contact_history import ContactHistory
    from qingting.analysis.packs import Pack
    from qingting.backtest.versions import VersionName
    from qingting.report.card import Card
    from qingting.settings import Settings


def plans(settings: Settings, *, history: ContactHistory | None = None) -> Callable[[str], Plan]:
    """How each line of business is analysed and scored; every plan is built once, at first use.

    `history` knows earlier contacts; without it those of the settings' history folder are looked up.

    The function raises PackError for an unknown line of business or a broken pack or card,
    DiscoveryError for a broken analyzer, MissingExtraError for sentence vectors that a rule needs and
    the settings ask for.
    """
    analysis, library = _analyses(settings, history), case_library(settings)

    @functools.cache
    def plan_for(line_of_business: str) -> Plan:
        pack = _pack(settings, line_of_business)
        vocabulary = _vocabulary(settings, pack)
        corrects = settings.correct_terms and pack.correct_terms and vocabulary is not None
        return Plan(
            pack=pack.label,
            analysis=analysis(pack),
            card=_card(settings, line_of_business),
            case_library=library,
            vocabulary=vocabulary,
            most_hot_words=settings.hot_words_per_call,
            corrector=Corrector(vocabulary) if corrects and vocabulary is not None else None,
        )

    return plan_for


def lines_of_business(settings: Settings) -> tuple[str, ...]:
    """Ids of all packs, own ones included."""
    own = pack_names(settings.pack_folder) if settings.pack_folder else ()
    return tuple(sorted({*pack_names(), *own}))


def open_versions(settings: Settings, old: VersionName, new: VersionName) -> tuple[Version, Version]:
    """Make the two versions of a backtest ready to judge calls: two packs, or two rule files.

    Raises PackError for a broken pack, rule file or card.
    """
    analysis = _analyses(settings)
    if old.is_pack:
        return _pack_version(settings, old, analysis), _pack_version(settings, new, analysis)
    ids = {load_rule_file(one.name).id for one in (old, new)}
    return _rule_file_version(settings, old, ids, analysis), _rule_file_version(settings, new, ids, analysis)


def _pack_version(settings: Settings, named: VersionName, analysis: Callable[[Pack], Analysis]) -> Version:
    is_path = named.name.endswith((".yaml", ".yml"))
    pack = load_pack(Path(named.name)) if is_path else _pack(settings, named.name)
    card = _card(settings, pack.id) if named.card is None else load_card(named.card)
    plan = Plan(pack=pack.label, analysis=analysis(pack), card=card)
    return Version(label=pack.label, plan_for=lambda _: plan, line=pack.id)


def _rule_file_version(
    settings: Settings, named: VersionName, ids: Collection[str], analysis: Callable[[Pack], Analysis]
) -> Version:
    """`ids` are those of both files: each stands in the place of either."""
    file = load_rule_file(named.name)
    card = None if named.card is None else load_card(named.card)

    @functools.cache
    def plan_for(line_of_business: str) -> Plan:
        pack = pack_with_rule_file(_pack(settings, line_of_business), named.name, instead_of=ids)
        return Plan(
            pack=pack.label,
            analysis=analysis(pack),
            card=card or _card(settings, line_of_business),
        )

    rules = frozenset(f"{CUSTOM_RULES}.{rule.id}" for rule in file.rules)
    return Version(label=f"{file.id}@{file.version}", plan_for=plan_for, rules=rules)


def _pack(settings: Settings, name: str) -> Pack:
    return load_pack(name, folder=settings.pack_folder) if settings.pack_folder else load_pack(name)


def _analyses(settings: Settings, history: ContactHistory | None = None) -> Callable[[Pack], Analysis]:
    """How a pack's analyzers are made; what they share is opened once, vectors only when one wants them."""
    classes, tools = discover(), Tools(history=history or contact_history(settings))
    vectors = functools.cache(lambda: sentence_vectors(settings))

    def analysis(pack: Pack) -> Analysis:
        analyzers = build_analyzers(pack, classes, tools)
        return Analysis(analyzers, vectors=vectors() if any(one.wants_meaning for one in analyzers) else None)

    return analysis


def _vocabulary(settings: Settings, pack: Pack) -> HotWordList | None:
    """Return the lists of hot words that the pack names, as one."""
    folder = settings.hot_word_folder or HOT_WORD_FOLDER
    lists = [load_hot_words(name, folder=folder) for name in pack.hot_words]
    return join_lists(lists) if lists else None


def _card(settings: Settings, line_of_business: str) -> Card:
    if settings.card_folder:
        own = settings.card_folder / f"{line_of_business}.yaml"
        if own.is_file():
            return load_card(own)
    cards = builtin_cards()
    return cards.get(line_of_business, cards["general"])

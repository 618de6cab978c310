"""The composition root: the only place that picks implementations from settings."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qingting.analysis.contact_history import KnownContacts, contacts_of
from qingting.analysis.discovery import discover
from qingting.analysis.likeness import MeaningLikeness
from qingting.analysis.meaning import MeaningMode, MeaningOptions, open_vectors
from qingting.analysis.packs import build_analyzers, load_pack, pack_names
from qingting.analysis.rules.in_pack import CUSTOM_RULES, pack_with_rule_file
from qingting.analysis.rules.loading import load_rule_file
from qingting.analysis.runner import Inspection as Analysis
from qingting.analysis.tools import Tools
from qingting.audio.options import AudioLimits, AudioOptions, NoiseReduction, RawFormat
from qingting.audio.worker import WorkerPool
from qingting.backtest.versions import Version
from qingting.errors import ReportError, SettingsError
from qingting.inspector import Inspector, Plan
from qingting.report.card import builtin_cards, load_card
from qingting.report.case_file import read_cases
from qingting.report.formats.json import load as read_report
from qingting.report.similar_cases import ListedCases
from qingting.speech import catalog
from qingting.speech.aligner import Aligner, Qwen3AlignerSettings, Qwen3ForcedAligner, aligner_availability
from qingting.speech.corrector import Corrector
from qingting.speech.hot_words import FOLDER as HOT_WORD_FOLDER
from qingting.speech.hot_words import HotWordList, join_lists, load_hot_words
from qingting.speech.recognizer import Recognizer
from qingting.speech.wrappers import CheckedEngine, LimitedEngine, RetryingEngine

if TYPE_CHECKING:
    from qingting.analysis.contact_history import ContactHistory
    from qingting.analysis.meaning import SentenceVectors
    from qingting.analysis.packs import Pack
    from qingting.backtest.versions import VersionName
    from qingting.model.audio import PreparedAudio
    from qingting.report.card import Card
    from qingting.report.similar_cases import CaseLibrary
    from qingting.settings import Settings
    from qingting.speech.engine import SpeechEngine

log = logging.getLogger(__name__)

PREPARE = "qingting.audio.front_end:prepare"
"""Runs in worker processes: recordings from outside may crash a decoder."""


@contextmanager
def open_inspector(
    settings: Settings,
    *,
    engine: SpeechEngine | None = None,
    raw: RawFormat | None = None,
    noise_reduction: str | None = None,
    text_only: bool = False,
) -> Iterator[Inspector]:
    """Give an Inspector with its worker processes and engine; both are closed afterwards.

    With `text_only` no engine is opened: chats and e-mails need none. `engine` replaces the one
    that the settings choose (tests, own engines). Raises UnknownEngineError,
    EngineUnavailableError or MissingExtraError when none can run.
    """
    owned = engine is None
    chosen = engine if engine is not None or text_only else open_engine(settings)
    options = audio_options(settings, raw=raw, noise_reduction=noise_reduction)
    timeout = settings.audio.decode_timeout_seconds
    aligner: Aligner | None = None
    try:
        aligner = None if chosen is None else open_aligner(settings, chosen)
        with WorkerPool(PREPARE, workers=settings.workers, timeout_seconds=timeout) as pool:

            def prepare(path: Path, audio: AudioOptions) -> PreparedAudio:
                prepared: PreparedAudio = pool.run(path, audio)
                return prepared

            yield Inspector(
                prepare=prepare,
                recognizer=None if chosen is None else Recognizer(chosen, aligner=aligner),
                plan_for=plans(settings),
                audio_options=options,
                role_threshold=settings.role_threshold,
            )
    finally:
        if aligner is not None:
            aligner.close()
        if owned and chosen is not None:
            chosen.close()


def open_engine(settings: Settings) -> SpeechEngine:
    """Open the engine that the settings choose, held to its contract and asked again after passing errors.

    Raises UnknownEngineError, or the reason why it cannot run here.
    """
    engine = catalog.create(
        settings.engine, sections=engine_sections(settings), cache=settings.cache_folder, workers=settings.workers
    )
    return LimitedEngine(RetryingEngine(CheckedEngine(engine)), concurrent=settings.workers)


def engine_sections(settings: Settings) -> dict[str, dict[str, Any]]:
    """The settings' sections of single engines, by engine name; secrets are opened."""
    server = settings.qwen3_server
    fields = {name: getattr(server, name) for name in type(server).model_fields}
    return {
        "qwen3-server": {**fields, "api_key": server.api_key.get_secret_value()},
        "qwen3-local": settings.qwen3_local.model_dump(),
    }


def open_aligner(settings: Settings, engine: SpeechEngine) -> Aligner | None:
    """Open the aligner where the engine gives no word times and the settings allow it, else None.

    With `aligner.use = "on"` raises the reason why it cannot run; with `auto` it is left out then.
    """
    section = settings.aligner
    if section.use == "off" or engine.capabilities.word_times:
        return None
    chosen = Qwen3AlignerSettings(**section.model_dump(exclude={"use"}))
    if section.use == "auto" and not aligner_availability(chosen).available:
        return None
    return Qwen3ForcedAligner(chosen)


def audio_options(
    settings: Settings, *, raw: RawFormat | None = None, noise_reduction: str | None = None
) -> AudioOptions:
    """The audio stage's options from the settings."""
    audio = settings.audio
    return AudioOptions(
        limits=AudioLimits(
            max_bytes=audio.max_bytes,
            max_seconds=audio.max_seconds,
            max_channels=audio.max_channels,
            decode_timeout_seconds=audio.decode_timeout_seconds,
        ),
        raw=raw,
        noise_reduction=NoiseReduction(noise_reduction or audio.noise_reduction),
        separate_speakers=audio.separate_speakers,
    )


def plans(settings: Settings) -> Callable[[str], Plan]:
    """How each line of business is analysed and scored; every plan is built once, at first use.

    The function raises PackError for an unknown line of business or a broken pack or card,
    DiscoveryError for a broken analyzer, MissingExtraError for sentence vectors that a rule needs and
    the settings ask for.
    """
    analysis, library = _analyses(settings), case_library(settings)

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


def contact_history(settings: Settings) -> ContactHistory | None:
    """Return the memory of earlier contacts: the reports in the history folder; None without such a folder.

    Files that are no reports are left out. Raises SettingsError when the folder does not exist.
    """
    folder = settings.history_folder
    if folder is None:
        return None
    if not folder.is_dir():
        raise SettingsError("history_folder names no folder", remedy="Correct the setting, or make the folder.")
    contacts, left_out = [], 0
    for path in sorted(folder.rglob("*.json")):
        try:
            contacts += contacts_of(read_report(path.read_bytes()))
        except (OSError, ReportError):
            left_out += 1
    if left_out:
        log.warning("%d files of the history folder are no readable reports", left_out)
    return KnownContacts(contacts)


def case_library(settings: Settings) -> CaseLibrary | None:
    """The reviewed findings that the settings name, compared by meaning where vectors are installed; None without.

    Raises InputError naming file and line of a broken case.
    """
    if settings.case_library is None:
        return None
    vectors = sentence_vectors(settings)
    likeness = None if vectors is None else MeaningLikeness(vectors)
    return ListedCases(read_cases(settings.case_library), likeness=likeness)


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


def _analyses(settings: Settings) -> Callable[[Pack], Analysis]:
    """How a pack's analyzers are made; what they share is opened once, vectors only when one wants them."""
    classes, tools = discover(), Tools(history=contact_history(settings))
    vectors = functools.cache(lambda: sentence_vectors(settings))

    def analysis(pack: Pack) -> Analysis:
        analyzers = build_analyzers(pack, classes, tools)
        return Analysis(analyzers, vectors=vectors() if any(one.wants_meaning for one in analyzers) else None)

    return analysis


def sentence_vectors(settings: Settings) -> SentenceVectors | None:
    """Open the sentence vectors that the settings choose; None when they are off or, with `auto`, not installed.

    Raises MissingExtraError when `embedded` is asked for and not installed.
    """
    meaning = settings.meaning
    return open_vectors(
        MeaningOptions(
            mode=MeaningMode(meaning.mode),
            url=meaning.url,
            model=meaning.model,
            timeout_seconds=meaning.timeout_seconds,
        )
    )


def lines_of_business(settings: Settings) -> tuple[str, ...]:
    """Ids of all packs, own ones included."""
    own = pack_names(settings.pack_folder) if settings.pack_folder else ()
    return tuple(sorted({*pack_names(), *own}))


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

"""What stored reports tell: earlier contacts, reviewed cases, reviewed speech."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from qingting.analysis.contact_history import KnownContacts, contacts_of
from qingting.analysis.likeness import MeaningLikeness
from qingting.analysis.meaning import MeaningMode, MeaningOptions, open_vectors
from qingting.errors import ReportError, SettingsError
from qingting.report.case_file import read_cases
from qingting.report.formats.json import load as read_report
from qingting.report.similar_cases import ListedCases
from qingting.speech.finetuning.preparing import Reviewed

if TYPE_CHECKING:
    from qingting.analysis.contact_history import ContactHistory
    from qingting.analysis.meaning import SentenceVectors
    from qingting.model.report import Report
    from qingting.report.similar_cases import CaseLibrary
    from qingting.settings import Settings
    from qingting.speech.finetuning.sources import Correction

log = logging.getLogger(__name__)


def contact_history(settings: Settings) -> ContactHistory | None:
    """Return the memory of earlier contacts: the reports in the history folder; None without such a folder.

    Files that are no reports are left out. Raises SettingsError when the folder does not exist.
    """
    folder = settings.history_folder
    if folder is None:
        return None
    if not folder.is_dir():
        raise SettingsError("history_folder names no folder", remedy="Correct the setting, or make the folder.")
    reports, left_out = _reports_in(folder)
    if left_out:
        log.warning("%d files of the history folder are no readable reports", left_out)
    return KnownContacts(contact for report in reports for contact in contacts_of(report))


def case_library(settings: Settings) -> CaseLibrary | None:
    """The reviewed findings that the settings name, compared by meaning where vectors are installed; None without.

    Raises InputError naming file and line of a broken case.
    """
    if settings.case_library is None:
        return None
    vectors = sentence_vectors(settings)
    likeness = None if vectors is None else MeaningLikeness(vectors)
    return ListedCases(read_cases(settings.case_library), likeness=likeness)


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


def reviewed_speech(corrections: Iterable[Correction], reports: Path, recordings: Path) -> tuple[list[Reviewed], int]:
    """Join corrected utterances to their reports and recordings; the number of corrections that have none.

    A recording is found by the digest in its report, whatever its name. Utterances that the
    audio stage assigned to a speaker of a mixed recording are taken from its one channel.
    """
    by_call = {one.call.call_id: one for one in _reports_in(reports)[0]}
    by_digest = {_digest(path): path for path in sorted(recordings.rglob("*")) if path.is_file()}
    found: list[Reviewed] = []
    lost = 0
    for one in corrections:
        report = by_call.get(one.call_id)
        utterances = report.transcript.utterances if report is not None else ()
        recording = by_digest.get(report.recording.sha256) if report is not None and report.recording else None
        if recording is None or not 0 <= one.utterance < len(utterances):
            lost += 1
            continue
        utterance = utterances[one.utterance]
        found.append(
            Reviewed(
                recording=recording,
                text=one.text,
                language=one.language or utterance.language or "zh",
                start_ms=utterance.start_ms,
                end_ms=utterance.end_ms,
                channel=1 if utterance.party == "right" else 0,
                group=one.call_id,
            )
        )
    return found, lost


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reports_in(folder: Path) -> tuple[list[Report], int]:
    """Reports of a folder, and the number of files that are none."""
    found, left_out = [], 0
    for path in sorted(folder.rglob("*.json")):
        try:
            found.append(read_report(path.read_bytes()))
        except (OSError, ReportError):
            left_out += 1
    return found, left_out

"""What became of lists that were taken in."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from qingting.service.call_records import ImportResult
from qingting.service.desktop import DesktopResult


class RowProblemView(BaseModel):
    """Why a row was not taken; never what stands in it."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    row: int = Field(examples=[17])
    """Row of the table, or line of the file, from 1."""
    column: str = Field(examples=["started_at"])
    """Name of the column as the documentation has it; empty when the whole row is wrong."""
    problem: str = Field(examples=["is no date with time, such as 2026-11-30 09:15:02"])
    """What is wrong."""


class ImportView(BaseModel):
    """What became of the rows of a list of calls or scores."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    added: int = Field(examples=[118])
    """Calls that were not known before."""
    changed: int = Field(examples=[4])
    """Calls that were known and got other data."""
    unchanged: int = Field(examples=[0])
    """Rows that said nothing new."""
    refused: int = Field(examples=[1])
    """Rows that were not taken; the others were."""
    problems: list[RowProblemView]
    """Why rows were refused, in their order; the first thousand."""
    problem_count: int = Field(examples=[1])
    """All problems, also those not listed."""

    @classmethod
    def of(cls, result: ImportResult) -> ImportView:
        """Write a result for callers."""
        return cls.model_validate(_plain(result))


class DesktopImportView(ImportView):
    """What became of the actions of a file; calls are counted, but for `refused` and `events`, which are actions."""

    refused: int = Field(examples=[1])
    """Actions that were not taken; the others were."""
    events: int = Field(examples=[40])
    """Actions that belong to a call."""
    analysed_again: int = Field(examples=[2])
    """Calls that had been inspected before and are analysed again: jobs of low priority."""

    @classmethod
    def of_desktop(cls, result: DesktopResult) -> DesktopImportView:
        """Write a result for callers."""
        more = {"events": result.events, "analysed_again": result.analysed_again}
        return cls.model_validate(_plain(result) | more)


def _plain(result: ImportResult) -> dict[str, object]:
    return {
        "added": result.added,
        "changed": result.changed,
        "unchanged": result.unchanged,
        "refused": result.refused,
        "problems": [vars(problem) for problem in result.problems],
        "problem_count": result.problem_count,
    }

"""What is exported, and how it is written."""

from __future__ import annotations

from qingting.api.schemas.calls import CallConditions
from qingting.api.schemas.measures import MeasureQuery
from qingting.service.exports import Form
from qingting.service.figures import Dimension


class CallExport(CallConditions):
    """Which calls, and in which form."""

    format: Form = Form.CSV
    """`jsonl` holds whole reports, personal data masked; `csv` and `xlsx` one row per call."""


class FindingExport(CallConditions):
    """The findings of which calls, and in which form."""

    format: Form = Form.CSV
    words: bool = False
    """With quotes, explanations and advice, personal data masked; takes far longer."""


class MeasureExport(MeasureQuery):
    """Which figures, and in which form."""

    format: Form = Form.CSV
    by: Dimension | None = None
    """One row per agent, team …; one per day when it is left out."""

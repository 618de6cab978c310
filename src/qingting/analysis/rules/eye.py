"""Given rules as an analyzer of their own: for examples and explanations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from qingting.analysis.analyzer import Analyzer, Watch
from qingting.analysis.rules.compiling import CompiledRules
from qingting.analysis.rules.findings import RuleFindings
from qingting.analysis.rules.matching import RuleWatch
from qingting.analysis.rules.model import Rule
from qingting.analysis.signals import MEANING

if TYPE_CHECKING:
    from qingting.analysis.context import CallSoFar
    from qingting.model.call import CallInfo


class RuleEye(Analyzer):
    """Follows given rules, whether they are enabled or not; keeps the last call's watch for explanations."""

    id: ClassVar[str] = "custom_rules"
    name: ClassVar[str] = "自定义规则"
    description: ClassVar[str] = "单独运行给定的规则。"
    version: ClassVar[str] = "1"

    def __init__(self, rules: Sequence[Rule]) -> None:
        super().__init__()
        self.compiled = CompiledRules(rules, also_disabled=True)
        self.listens = self.compiled.signals
        self.wants_meaning = MEANING in self.compiled.rests_on
        self.last: RuleWatch | None = None

    def watch(self, call: CallInfo, so_far: CallSoFar) -> Watch:
        """Open and keep the watch."""
        self.last = RuleWatch(self.compiled, call, so_far, RuleFindings(self.id, call))
        return self.last

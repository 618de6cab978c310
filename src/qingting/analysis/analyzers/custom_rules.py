"""自定义规则: rules that people write in files, by themselves or with a pack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from qingting.analysis.analyzer import Analyzer, Watch
from qingting.analysis.options import FILES
from qingting.analysis.rules.compiling import CompiledRules
from qingting.analysis.rules.findings import RuleFindings
from qingting.analysis.rules.loading import load_all
from qingting.analysis.rules.matching import RuleWatch
from qingting.analysis.signals import MEANING

if TYPE_CHECKING:
    from qingting.analysis.context import CallSoFar
    from qingting.model.call import CallInfo


@dataclass(frozen=True, kw_only=True)
class CustomRulesOptions:
    """Which rules run."""

    files: tuple[str, ...] = field(default=(), metadata={FILES: True})
    """Rule files: names of bundled ones (`general`), or paths of own ones, from the pack file's folder."""
    rules: tuple[Mapping[str, object], ...] = ()
    """Rules written into the pack itself, in the form they have in a rule file."""
    switched_off: tuple[str, ...] = ()
    """Ids of rules that shall not run."""


class CustomRules(Analyzer):
    """Follows the rules of files and packs through every call."""

    id: ClassVar[str] = "custom_rules"
    name: ClassVar[str] = "自定义规则"
    description: ClassVar[str] = "用规则语言编写的检查点：关键词、顺序、时间窗口、静默、语速等条件的任意组合。"
    version: ClassVar[str] = "1"
    Options: ClassVar[type] = CustomRulesOptions
    options: CustomRulesOptions

    def __init__(self, options: object | None = None) -> None:
        super().__init__(options)
        place = ("analyzers", self.id)
        rules = load_all(self.options.files, self.options.rules, switched_off=self.options.switched_off, place=place)
        self.compiled = CompiledRules(rules)
        self.listens = self.compiled.signals
        self.wants_meaning = MEANING in self.compiled.rests_on

    def watch(self, call: CallInfo, so_far: CallSoFar) -> Watch:
        """Open the watch for one call."""
        return RuleWatch(self.compiled, call, so_far, RuleFindings(self.id, call))

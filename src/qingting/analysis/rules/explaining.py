"""Why a rule hit or missed on a call: which condition held where, and which did not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qingting.analysis.rules.beside import analyzers_for
from qingting.analysis.rules.eye import RuleEye
from qingting.analysis.rules.fields import applies
from qingting.analysis.rules.findings import condition_words
from qingting.analysis.rules.matching import RuleState, verdict_of
from qingting.analysis.rules.model import AtLeast, Leaf, Not, Rule, Tree
from qingting.analysis.rules.scopes import Judge, Stamped, Truth
from qingting.analysis.runner import Inspection
from qingting.analysis.wording import at

if TYPE_CHECKING:
    from qingting.analysis.meaning import SentenceVectors
    from qingting.model.call import CallInfo
    from qingting.model.finding import Finding
    from qingting.model.transcript import Transcript

_WORDS = {Truth.HOLDS: "成立", Truth.FAILS: "不成立", Truth.OPEN: "未定", Truth.VOID: "无法判断", Truth.UNKNOWN: "未知"}
_MOST_HITS = 10


@dataclass(frozen=True, kw_only=True)
class TreeLine:
    """One line of a rule's boolean tree, judged."""

    depth: int
    text: str
    """Chinese: the condition or the connective."""
    truth: Truth


@dataclass(frozen=True, kw_only=True)
class Case:
    """One judgement: of the call, or of one hit of `for_each`."""

    about: str
    """Chinese: what was judged."""
    truth: Truth
    """Whether the rule holds, exceptions considered."""
    forgiven: bool
    """Whether an exception forgave it."""
    when: tuple[TreeLine, ...]
    unless: tuple[TreeLine, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ConditionTrace:
    """What one condition found in the call."""

    id: str
    text: str
    """Chinese: what it looks for."""
    hits: tuple[str, ...]
    """Chinese: every place it was found, those out of its scope marked."""
    total: int


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A rule on a call, taken apart."""

    rule: Rule
    applies: bool
    """Whether the rule is meant for this call."""
    findings: tuple[Finding, ...]
    conditions: tuple[ConditionTrace, ...]
    cases: tuple[Case, ...]
    failed: str = ""
    """Class of the exception when the rule failed on the call."""
    unknown: tuple[str, ...] = ()
    """Chinese: what the rule rests on and could not be inspected."""


def explain(
    rule: Rule, call: CallInfo, transcript: Transcript, *, vectors: SentenceVectors | None = None
) -> Explanation:
    """Run one rule on a finished call, with the dimensions it rests on, and tell which condition held where."""
    eye = RuleEye([rule])
    result = Inspection([*analyzers_for(eye.compiled), eye], vectors=vectors).analyze(transcript, call)
    meant = applies(rule.applies_to, call)
    failed = next((one.error_type for one in result.failures if one.analyzer == eye.id), "")
    findings = tuple(one for one in result.findings if one.dimension == eye.id)
    if eye.last is None or not meant or failed:
        return Explanation(rule=rule, applies=meant, findings=findings, conditions=(), cases=(), failed=failed)
    state = eye.last.state_of(0)
    each: list[Stamped | None] = [*state.judge.qualified(rule.for_each, None)] if rule.for_each else [None]
    return Explanation(
        rule=rule,
        applies=True,
        findings=findings,
        unknown=tuple(one.reason for one in eye.last.gaps()),
        conditions=tuple(_trace(state.judge, name) for name in rule.conditions),
        cases=tuple(_case(state, one) for one in each),
    )


def _trace(judge: Judge, name: str) -> ConditionTrace:
    kind = judge.compiled.kinds[name]
    inside = {one.number for one in judge.qualified(name, None)}
    hits = judge.hits.get(name, [])
    lines = tuple(one.found.says + ("" if one.number in inside else "（不在范围内）") for one in hits[:_MOST_HITS])
    return ConditionTrace(id=name, text=condition_words(kind.condition, kind), hits=lines, total=len(hits))


def _case(state: RuleState, each: Stamped | None) -> Case:
    rule, judge = state.compiled.rule, state.judge
    verdict = verdict_of(state, each)
    held = judge.tree(rule.when, each).truth is Truth.HOLDS
    excuses: tuple[TreeLine, ...] = ()
    if rule.unless is not None:
        judge.excusing = True
        excuses = tuple(_lines(judge, rule.unless, each, 0))
        judge.excusing = False
    return Case(
        about="整通通话" if each is None else f"{at(each.found.start_ms)}：{each.found.says}",
        truth=verdict.truth,
        forgiven=held and verdict.truth is Truth.FAILS,
        when=tuple(_lines(judge, rule.when, each, 0)),
        unless=excuses,
    )


def _lines(judge: Judge, tree: Tree, each: Stamped | None, depth: int) -> list[TreeLine]:
    truth = judge.tree(tree, each).truth
    if isinstance(tree, Leaf):
        kind = judge.compiled.kinds[tree.condition]
        return [TreeLine(depth=depth, text=f"{tree.condition}：{condition_words(kind.condition, kind)}", truth=truth)]
    if isinstance(tree, Not):
        return [TreeLine(depth=depth, text="非", truth=truth), *_lines(judge, tree.part, each, depth + 1)]
    assert isinstance(tree, AtLeast)  # noqa: S101  the only other kind of tree
    parts = [line for part in tree.parts for line in _lines(judge, part, each, depth + 1)]
    return [TreeLine(depth=depth, text=_connective(tree), truth=truth), *parts]


def _connective(tree: AtLeast) -> str:
    if tree.needed == len(tree.parts):
        return "全部成立"
    return "任一成立" if tree.needed == 1 else f"至少{tree.needed}项成立"


def explanation_text(explanation: Explanation) -> str:
    """Write an explanation for a terminal, in Chinese."""
    rule = explanation.rule
    lines = [f"规则 {rule.id}（{rule.name}，版本 {rule.version}）"]
    if explanation.failed:
        return "\n".join([*lines, f"执行出错：{explanation.failed}"])
    if not explanation.applies:
        return "\n".join([*lines, "不适用于本通话（applies_to 不符）。"])
    count = len(explanation.findings)
    lines.append(f"命中{count}次" if count else "未命中")
    lines += [f"  {one.explanation}" for one in explanation.findings]
    lines += [f"  {one}" for one in explanation.unknown]
    lines.append("条件：")
    for condition in explanation.conditions:
        lines.append(
            f"  {condition.id}：{condition.text} — {f'找到{condition.total}处' if condition.total else '没有找到'}"
        )
        lines += [f"    {hit}" for hit in condition.hits]
    lines.append("判断：")
    if not explanation.cases:
        lines.append(f"  条件 {rule.for_each} 没有出现，规则没有可判断的对象。")
    for case in explanation.cases:
        lines.append(f"  {case.about} → {'被例外豁免' if case.forgiven else _WORDS[case.truth]}")
        lines += [f"    {'  ' * line.depth}[{_WORDS[line.truth]}] {line.text}" for line in case.when]
        lines += [f"    例外 {'  ' * line.depth}[{_WORDS[line.truth]}] {line.text}" for line in case.unless]
    return "\n".join(lines)

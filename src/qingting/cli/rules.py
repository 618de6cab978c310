"""`qingting rules`: check rule files, run their examples, explain a rule on a call."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qingting.cli.backtest import backtest
from qingting.errors import InputError, PackError

if TYPE_CHECKING:
    from qingting.analysis.meaning import SentenceVectors
    from qingting.analysis.rules.model import Rule
    from qingting.model.call import CallInfo
    from qingting.model.transcript import Transcript

_FILES = click.argument("files", nargs=-1, required=True)


@click.group()
def rules() -> None:
    """Check, test and explain rule files. FILE is a path, or the name of a bundled file (general)."""


rules.add_command(backtest)


@rules.command()
@_FILES
def check(files: tuple[str, ...]) -> None:
    """Check that rule files are sound and say when each rule can be decided. Exit code 1 when one is not."""
    from qingting.analysis.rules.compiling import CompiledRules, when_decided
    from qingting.analysis.rules.loading import load_rule_file
    from qingting.analysis.rules.testing import without_examples

    broken = 0
    for file in files:
        try:
            loaded = load_rule_file(file)
        except PackError as error:
            broken += 1
            click.echo(f"{error.cause}\n  {error.remedy}")
            continue
        CompiledRules(loaded.rules)
        click.echo(f"{loaded.source}: {len(loaded.rules)} rules hold")
        for rule in loaded.rules:
            click.echo(f"  {rule.id}  {rule.name}  {rule.level.chinese}  {when_decided(rule)}{_needs(rule)}")
        for rule, lacking in without_examples(loaded.rules):
            click.echo(f"  note: {rule.id} (line {rule.line}) has no {lacking} example")
    sys.exit(1 if broken else 0)


def _needs(rule: Rule) -> str:
    """Name what a rule rests on beside the words: other dimensions, sentence vectors."""
    from qingting.analysis.rules.compiling import CompiledRules

    needed = sorted(CompiledRules((rule,), also_disabled=True).rests_on)
    return f"  needs {', '.join(needed)}" if needed else ""


@rules.command("test")
@_FILES
def test_rules(files: tuple[str, ...]) -> None:
    """Run the examples of every rule. Exit code 1 when one does not give what it should."""
    from qingting.analysis.rules.loading import load_rule_file
    from qingting.analysis.rules.testing import run_examples

    failed = total = 0
    for file in files:
        loaded = load_rule_file(file)
        for result in run_examples(loaded.rules, vectors=_vectors(loaded.rules)):
            total += 1
            if result.passed:
                continue
            failed += 1
            wanted = "none" if not result.example.positive else str(result.example.findings or "at least 1")
            click.echo(
                f"{loaded.source}, line {result.rule.line}: {result.label}: {_count(result.findings)}, not {wanted}"
            )
    click.echo(f"{total - failed} of {total} examples hold")
    sys.exit(1 if failed else 0)


def _count(findings: int) -> str:
    from qingting.analysis.rules.testing import FAILED, UNJUDGED

    words = {FAILED: "the rule failed", UNJUDGED: "what the rule needs is missing (sentence vectors, call data)"}
    return words.get(findings, f"{findings} findings")


def _vectors(known: tuple[Rule, ...]) -> SentenceVectors | None:
    """Sentence vectors as the settings choose them, when a rule compares by meaning."""
    from qingting.analysis.rules.compiling import CompiledRules
    from qingting.analysis.signals import MEANING
    from qingting.bootstrap import sentence_vectors
    from qingting.settings import load_settings

    wanted = MEANING in CompiledRules(known, also_disabled=True).rests_on
    return sentence_vectors(load_settings()) if wanted else None


@rules.command()
@click.argument("file")
@click.option("--rule", "rule_id", required=True, metavar="ID", help="Rule to explain.")
@click.option("--report", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Stored JSON report.")
@click.option("--chat", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Dialogue: 客户：… lines.")
def explain(file: str, rule_id: str, report: Path | None, chat: Path | None) -> None:
    """Tell which condition of a rule held where in a call, and which did not."""
    from qingting.analysis.rules.explaining import explain as explain_rule
    from qingting.analysis.rules.explaining import explanation_text
    from qingting.analysis.rules.loading import load_rule_file

    if (report is None) == (chat is None):
        raise click.UsageError("give exactly one of --report and --chat")
    rule = _rule(load_rule_file(file).rules, rule_id)
    call, transcript = _from_report(report) if report is not None else _from_chat(chat or Path())
    click.echo(explanation_text(explain_rule(rule, call, transcript, vectors=_vectors((rule,)))))


def _rule(known: tuple[Rule, ...], rule_id: str) -> Rule:
    for rule in known:
        if rule.id == rule_id:
            return rule
    raise InputError(f"The file has no rule {rule_id!r}.", remedy=f"Use one of: {', '.join(one.id for one in known)}.")


def _from_report(path: Path) -> tuple[CallInfo, Transcript]:
    from qingting.report.formats.json import load_file

    report = load_file(path)
    return report.call, report.transcript


def _from_chat(path: Path) -> tuple[CallInfo, Transcript]:
    from qingting.analysis.rules.examples import dialogue_call

    try:
        return dialogue_call(path.read_text(encoding="utf-8").splitlines(), source=path.name)
    except UnicodeDecodeError:
        raise InputError(f"{path.name} is not UTF-8 text.", remedy="Save it as UTF-8.") from None

"""The kit checks the contract; the cases check the rule."""

from __future__ import annotations

import pytest
from qingting_example_analyzer import NameCourtesy

from qingting.analysis.discovery import discover
from qingting.analysis.runner import analyze
from qingting.model.call import CallInfo, Role
from qingting.model.transcript import EngineIdentity, Transcript, Utterance
from qingting.testing.analyzer_check import check_analyzer


def call(*lines: tuple[Role, str]) -> Transcript:
    """One line every five seconds."""
    utterances = tuple(
        Utterance(
            index=index,
            party=role.value,
            role=role,
            role_confidence=1.0,
            start_ms=5000 * index,
            end_ms=5000 * index + 3000,
            text=text,
        )
        for index, (role, text) in enumerate(lines)
    )
    engine = EngineIdentity(name="test", model="test", revision="")
    return Transcript(utterances=utterances, engine=engine, duration_ms=5000 * len(lines))


def test_it_is_found_by_installation_alone() -> None:
    assert "name_courtesy" in [kind.id for kind in discover()]


def test_it_keeps_the_contract_on_all_sample_calls() -> None:
    check_analyzer(NameCourtesy())


@pytest.mark.parametrize(
    ("answer", "findings"),
    [("好的，我来帮您查。", 1), ("好的，王先生，我来帮您查。", 0)],
)
def test_the_agent_should_use_the_name(answer: str, findings: int) -> None:
    transcript = call((Role.AGENT, "您好，请问您贵姓？"), (Role.CUSTOMER, "我姓王。"), (Role.AGENT, answer))
    result = analyze(transcript, CallInfo(call_id="test"), [NameCourtesy()])
    assert len(result.findings) == findings

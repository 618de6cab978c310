"""Every analyzer on every sample call: replayed live equals finished, and findings only ever grow."""

from __future__ import annotations

import random
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qingting.analysis.discovery import discover
from qingting.analysis.packs import build_analyzers, load_pack, pack_names
from qingting.analysis.runner import EventKey, Inspection, event_key_of_start, event_key_of_utterance
from qingting.model.call import CallInfo, Role
from qingting.model.finding import Finding
from qingting.model.transcript import EngineIdentity, Flag, Transcript, Utterance
from qingting.testing.analyzer_check import check_analyzer
from qingting.testing.edge_calls import edge_calls
from qingting.testing.samples import sample_folder
from qingting.testing.scripts import load_script

SCRIPTS = sorted(sample_folder().glob("*.yaml"))
PACKS = pack_names()
IDS = [kind.id for kind in discover()]


@cache
def prepared(pack: str) -> Inspection:
    return Inspection(build_analyzers(load_pack(pack), discover()))


def live(inspection: Inspection, transcript: Transcript, call: CallInfo, seed: int) -> list[Finding]:
    """Feed a transcript as a running call with random ticks; check that findings only grow."""
    running = inspection.open(call)
    dice = random.Random(seed)
    raised: list[Finding] = []
    now_ms = 0
    for key, utterance in in_order(transcript):
        for tick_ms in sorted(dice.randint(now_ms, key[0]) for _ in range(dice.randint(0, 3))):
            raised += running.advance(tick_ms)
        now_ms = key[0]
        if key[1] == 1:
            raised += running.speech_started(utterance.party, utterance.role, utterance.start_ms)
        else:
            raised += running.hear(utterance)
        assert list(running.findings) == raised
    raised += running.finish(transcript.duration_ms)
    assert running.failures == ()
    return raised


def in_order(transcript: Transcript) -> list[tuple[EventKey, Utterance]]:
    """Starts (rank 1) and ends of a call in the runner's order of events."""
    events = [(event_key_of_start(one.party, one.start_ms), one) for one in transcript.utterances]
    events += [(event_key_of_utterance(one), one) for one in transcript.utterances]
    return sorted(events, key=lambda event: (event[0], event[1].index))


@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.parametrize("path", SCRIPTS, ids=[path.stem for path in SCRIPTS])
def test_a_replayed_live_call_gives_the_findings_of_the_finished_call(path, pack: str) -> None:
    script = load_script(path)
    transcript, call = script.transcript(), script.call_info()
    afterwards = prepared(pack).analyze(transcript, call)
    assert afterwards.failures == ()
    for seed in range(3):
        assert live(prepared(pack), transcript, call, seed) == list(afterwards.findings)


@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.parametrize("edge", edge_calls(), ids=lambda edge: edge.name)
def test_calls_at_the_edges(edge, pack: str) -> None:
    result = prepared(pack).analyze(edge.transcript, edge.call)
    assert result.failures == ()
    assert live(prepared(pack), edge.transcript, edge.call, 1) == list(result.findings)


@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.parametrize("analyzer", IDS)
def test_each_analyzer_keeps_its_contract(analyzer: str, pack: str) -> None:
    of_pack = [one for one in build_analyzers(load_pack(pack), discover()) if one.id == analyzer]
    # One that the pack turns off must still keep its contract for packs that turn it on.
    check_analyzer(of_pack[0] if of_pack else {kind.id: kind for kind in discover()}[analyzer]())


TEXTS = (
    "您好，很高兴为您服务，请问有什么可以帮您？",
    "本次通话将被录音。", "我要退款，太慢了！", "没人管吗？", "嗯", "好的", "",
    "请您稍等一下，我帮您查一下。", "您的订单显示已经发货了。", "已经为您申请退款。", "3到5个工作日原路退回。", "喂？",
    "我没有不满意", "这个不归我管。", "我保证100%没问题", "订单号五零二八六六", "谢谢，你的服务很好", "再见", "……",
    "您的账户余额是3000元。", "这款理财保本保收益。", "请问您的身份证后四位？", "我要携号转网",
    "已为您开通，次月一号生效。",
)  # fmt: skip
ROLES = {"left": Role.AGENT, "right": Role.CUSTOMER, "mono": Role.UNSURE}


@st.composite
def calls(draw: st.DrawFn) -> Transcript:
    """Conversations with silences, overlaps, empty texts, one or more parties."""
    parties = draw(st.sampled_from([("left", "right"), ("left",), ("right",), ("mono",), ("left", "right", "mono")]))
    free_ms = dict.fromkeys(parties, 0)
    utterances = []
    for _ in range(draw(st.integers(0, 25))):
        party = draw(st.sampled_from(parties))
        start_ms = free_ms[party] + draw(st.sampled_from([0, 10, 300, 900, 5010, 6010, 31_000]))
        end_ms = start_ms + draw(st.sampled_from([0, 10, 400, 2000, 9000, 28_000]))
        free_ms[party] = end_ms
        utterances.append(
            Utterance(
                index=0, party=party, role=ROLES[party], role_confidence=draw(st.sampled_from([1.0, 0.5])),
                start_ms=start_ms, end_ms=end_ms, text=draw(st.sampled_from(TEXTS)),
                confidence=draw(st.sampled_from([None, 0.3, 1.0])),
                flags=draw(st.sampled_from([(), (Flag.TOO_FAST,), (Flag.SIMPLIFIED,)])),
            )
        )  # fmt: skip
    ordered = sorted(utterances, key=lambda one: (one.start_ms, one.end_ms, one.party))
    numbered = tuple(Utterance(**{**vars(one), "index": index}) for index, one in enumerate(ordered))
    end_ms = max([one.end_ms for one in numbered], default=0) + draw(st.sampled_from([0, 500, 40_000]))
    return Transcript(utterances=numbered, engine=EngineIdentity(name="t", model="t", revision=""), duration_ms=end_ms)


@pytest.mark.parametrize("pack", PACKS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(transcript=calls(), seed=st.integers(0, 5))
def test_made_up_calls_live_and_afterwards(pack: str, transcript: Transcript, seed: int) -> None:
    call = CallInfo(call_id="made-up", line_of_business=pack)
    result = prepared(pack).analyze(transcript, call)
    assert result.failures == ()
    assert live(prepared(pack), transcript, call, seed) == list(result.findings)
    assert all(one.confidence.value == 1.0 or one.confidence.reasons for one in result.findings)


@pytest.mark.parametrize("pack", PACKS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(transcript=calls(), data=st.data())
def test_what_was_found_before_a_moment_does_not_depend_on_what_follows(
    pack: str, transcript: Transcript, data: st.DataObject
) -> None:
    cut_ms = data.draw(st.integers(0, transcript.duration_ms))
    known = prepared(pack).open(CallInfo(call_id="cut"))
    for key, utterance in in_order(transcript):
        if key[0] >= cut_ms:
            break
        if key[1] == 1:
            known.speech_started(utterance.party, utterance.role, utterance.start_ms)
        else:
            known.hear(utterance)
    full = prepared(pack).analyze(transcript, CallInfo(call_id="cut")).findings
    assert full[: len(known.findings)] == known.findings

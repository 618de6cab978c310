"""Whatever is changed in a stored report is noticed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qingting.model.call import Role
from qingting.model.finding import Standing
from qingting.report.evidence import report_sha256, seal, transcript_sha256
from qingting.report.formats import json as json_format
from qingting.report.verify import verify, verify_json


def test_untouched_reports_hold(report):
    assert verify(report) == []
    assert verify_json(json_format.dump(report)) == []
    assert verify(report, report.recording.sha256) == []


def test_another_recording_is_noticed(reports):
    (problem,) = verify(reports["refund"], "0" * 64)
    assert problem.check == "recording"


def leaves(node, path=()):
    """Paths of all values in plain JSON."""
    if isinstance(node, dict):
        for key, inner in node.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(node, list):
        for index, inner in enumerate(node):
            yield from leaves(inner, (*path, index))
    else:
        yield path


def other(value):
    """A value of the same kind that differs."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    return "x"


def put(node, path, change):
    """Change one value in place; the answer is what stood there."""
    for part in path[:-1]:
        node = node[part]
    before = node[path[-1]]
    node[path[-1]] = change(before)
    return before


@pytest.mark.parametrize("name", ["refund", "truncated", "unsure_roles"])
def test_every_single_change_is_noticed(reports, name):
    plain = json.loads(json_format.dump(reports[name]))
    paths = list(leaves(plain))
    # Character times are alike; every 40th of them stands for the rest.
    paths = [path for i, path in enumerate(paths) if "characters" not in path or i % 40 == 0]
    assert len(paths) > 300
    for path in paths:
        before = put(plain, path, other)
        assert verify_json(json.dumps(plain)), path
        put(plain, path, lambda _, before=before: before)
    assert verify_json(json.dumps(plain)) == []


def test_every_removal_is_noticed(reports):
    plain = json.loads(json_format.dump(reports["refund"]))
    for key in ("findings", "gaps", "advice"):
        for index in range(len(plain[key])):
            fewer = {**plain, key: plain[key][:index] + plain[key][index + 1 :]}
            assert verify_json(json.dumps(fewer)), (key, index)


# ---- with fresh digests only contradictions show ---------------------------------------------


def with_finding(report, index, **changes):
    findings = list(report.findings)
    findings[index] = replace(findings[index], **changes)
    return replace(report, findings=tuple(findings))


def with_evidence(report, index, at, **changes):
    evidence = list(report.findings[index].evidence)
    evidence[at] = replace(evidence[at], **changes)
    return with_finding(report, index, evidence=tuple(evidence))


def with_line(report, index, **changes):
    lines = list(report.score.lines)
    lines[index] = replace(lines[index], **changes)
    return replace(report, score=replace(report.score, lines=tuple(lines)))


def with_said(report, index, /, **changes):
    said = list(report.transcript.utterances)
    said[index] = replace(said[index], **changes)
    return replace(report, transcript=replace(report.transcript, utterances=tuple(said)))


def with_score(report, **changes):
    return replace(report, score=replace(report.score, **changes))


FORGED = {
    "quote": (lambda r: with_evidence(r, 2, 0, quote="太快了"), "evidence"),
    "offset": (lambda r: with_evidence(r, 2, 0, start_char=1), "evidence"),
    "offset past the end": (lambda r: with_evidence(r, 2, 0, end_char=500), "evidence"),
    "negative offset": (lambda r: with_evidence(r, 2, 0, start_char=-2), "evidence"),
    "utterance": (lambda r: with_evidence(r, 2, 0, utterance=99), "evidence"),
    "utterance below zero": (lambda r: with_evidence(r, 2, 0, utterance=-1), "evidence"),
    "another utterance": (lambda r: with_evidence(r, 2, 0, utterance=4), "evidence"),
    "no utterance": (lambda r: with_evidence(r, 2, 0, utterance=None), "evidence"),
    "speaker": (lambda r: with_evidence(r, 2, 0, role=Role.AGENT), "evidence"),
    "time outside the sentence": (lambda r: with_evidence(r, 2, 0, start_ms=100), "evidence"),
    "time outside the call": (lambda r: with_evidence(r, 0, 0, end_ms=10**9), "evidence"),
    "time reversed": (lambda r: with_evidence(r, 0, 0, end_ms=-1), "evidence"),
    "no evidence": (lambda r: with_finding(r, 0, evidence=()), "evidence"),
    "words of the transcript": (
        lambda r: with_said(r, 3, text="你们这个物流也太快了吧，打了三次电话都有人管。"),
        "evidence",
    ),
    "times of the transcript": (lambda r: with_said(r, 3, start_ms=29_000), "transcript"),
    "index of an utterance": (lambda r: with_said(r, 3, index=7), "transcript"),
    "speaker of an utterance": (lambda r: with_said(r, 5, role=Role.AGENT), "transcript"),
    "same id twice": (lambda r: with_finding(r, 1, id=r.findings[4].id), "finding"),
    "id of another rule": (lambda r: with_finding(r, 0, id="x.y#1"), "finding"),
    "confidence": (lambda r: with_finding(r, 0, confidence=replace(r.findings[0].confidence, value=7.0)), "finding"),
    "dimension": (lambda r: with_finding(r, 0, dimension="astrology"), "finding"),
    "points": (lambda r: with_finding(r, 0, points=-1.0), "score"),
    "points of a doubtful one": (lambda r: with_finding(r, 4, points=-3.0), "score"),
    "doubt removed": (lambda r: with_finding(r, 4, standing=Standing.COUNTED), "score"),
    "doubt invented": (lambda r: with_finding(r, 0, standing=Standing.REVIEW, points=0.0), "score"),
    "unscored": (lambda r: with_finding(r, 4, standing=Standing.UNSCORED), "score"),
    "finding dropped": (lambda r: replace(r, findings=r.findings[1:]), "score"),
    "total": (lambda r: with_score(r, total=90.0), "score"),
    "total beyond the ceiling": (lambda r: with_score(r, total=101.0), "score"),
    "base": (lambda r: with_score(r, base=99.0), "score"),
    "validity": (lambda r: with_score(r, valid=False), "score"),
    "no grade": (lambda r: with_score(r, grade=""), "score"),
    "line's points": (lambda r: with_line(r, 1, points=0.0), "score"),
    "line and total": (lambda r: with_score(with_line(r, 1, points=0.0), total=72.0), "score"),
    "line without its finding": (lambda r: with_line(r, 1, findings=()), "score"),
    "line with a stranger": (lambda r: with_line(r, 0, findings=("x#1",)), "score"),
    "finding in two lines": (lambda r: with_line(r, 0, findings=r.score.lines[11].findings), "score"),
    "line not applicable": (lambda r: with_line(r, 1, applicable=False), "score"),
    "line's review": (lambda r: with_line(r, 9, review=()), "score"),
    "fatal without cause": (lambda r: with_line(r, 0, fatal=True), "score"),
    "advice without finding": (lambda r: replace(r, advice=(replace(r.advice[0], findings=("x#1",)),)), "advice"),
    "advice at another time": (lambda r: replace(r, advice=(replace(r.advice[0], start_ms=3),)), "advice"),
    "talk time": (lambda r: replace(r, statistics=replace(r.statistics, silence_ms=1)), "statistics"),
    "gap twice": (lambda r: replace(r, gaps=r.gaps * 2), "gap"),
    "truncation hidden": (lambda r: replace(r, recording=replace(r.recording, truncated=True)), "gap"),
}


@pytest.mark.parametrize("forgery", list(FORGED))
def test_forgery_with_fresh_digests_is_noticed(reports, forgery):
    forge, check = FORGED[forgery]
    forged = seal(forge(reports["refund"]))
    assert check in {problem.check for problem in verify(forged)}


def test_hidden_failure_is_noticed(reports):
    report = reports["failed_analyzer"]
    forged = seal(replace(report, gaps=tuple(gap for gap in report.gaps if "responsiveness" not in gap.what)))
    assert "gap" in {problem.check for problem in verify(forged)}


def test_points_on_an_unscored_call_are_noticed(reports):
    forged = seal(with_line(reports["one_sided"], 0, applicable=True))
    assert "score" in {problem.check for problem in verify(forged)}


def test_problems_hold_no_words_of_the_call(reports):
    forged = with_evidence(with_said(reports["refund"], 3, text="秘密九九"), 2, 0, quote="隐私八八")
    text = " ".join(f"{p.check} {p.where} {p.message}" for p in verify(forged))
    assert text
    assert not any(word in text for word in ("秘密", "隐私", "太慢", "5521"))


def test_unreadable_report_is_one_problem():
    (problem,) = verify_json('{"call": 1}')
    assert problem.check == "schema"


def test_digests_are_stable_and_seal_is_idempotent(reports):
    report = reports["refund"]
    assert seal(report) == report
    assert report.provenance.transcript_sha256 == transcript_sha256(report.transcript)
    assert report.provenance.report_sha256 == report_sha256(report)
    again = json_format.load(json_format.dump(report))
    assert transcript_sha256(again.transcript) == report.provenance.transcript_sha256


def test_transcript_digest_of_a_known_transcript(build):
    """The canonical form is a promise: a change of it would orphan every stored report."""
    from qingting.model.transcript import Transcript, Utterance

    said = Utterance(
        index=0, party="left", role=Role.AGENT, role_confidence=1.0, start_ms=0, end_ms=900, text="您好", language="zh"
    )
    text = (
        '{"duration_ms":1000,"engine":{"model":"whisper-base","name":"embedded","revision":"3f9a1c07d2e84b55"},'
        '"utterances":[{"end_ms":900,"index":0,"language":"zh","party":"left","role":"agent","role_confidence":1.0,'
        '"start_ms":0,"text":"您好"}]}'
    )
    import hashlib

    transcript = Transcript(utterances=(said,), engine=build.ENGINE, duration_ms=1000)
    assert transcript_sha256(transcript) == hashlib.sha256(text.encode()).hexdigest()


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_shifted_evidence_never_passes(reports, data):
    report = reports["refund"]
    spots = [(i, j) for i, f in enumerate(report.findings) for j, e in enumerate(f.evidence) if e.quote]
    index, at = data.draw(st.sampled_from(spots))
    evidence = report.findings[index].evidence[at]
    shift = data.draw(st.integers(-30, 30).filter(bool))
    field = data.draw(st.sampled_from(["start_char", "end_char", "both"]))
    changes = {name: getattr(evidence, name) + shift for name in ("start_char", "end_char") if field in (name, "both")}
    assert verify(seal(with_evidence(report, index, at, **changes)))


def test_utterances_out_of_order_are_noticed(reports):
    report = reports["refund"]
    said = list(report.transcript.utterances)
    said[3], said[4] = replace(said[4], index=3), replace(said[3], index=4)
    forged = seal(replace(report, transcript=replace(report.transcript, utterances=tuple(said))))
    assert ("transcript", "transcript.utterances") in {(p.check, p.where) for p in verify(forged)}


def test_character_times_out_of_order_are_noticed(reports):
    report = reports["refund"]
    units = list(report.transcript.utterances[3].characters)
    units[4], units[5] = units[5], units[4]
    forged = seal(with_said(report, 3, characters=tuple(units)))
    assert [p.where for p in verify(forged)] == ["transcript.utterances[3].characters"]


def test_credit_taken_twice_is_noticed(reports):
    report = reports["refund"]
    waiting = report.score.lines[9].review
    forged = seal(with_line(report, 0, findings=waiting, review=waiting))
    assert [p.where for p in verify(forged)] == ["findings[4]"]

"""The report is complete, and honest about what is missing."""

from __future__ import annotations

import pytest

from qingting.model.call import Role
from qingting.model.report import Gap
from qingting.model.transcript import Flag
from qingting.report.assemble import complete_gaps


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("refund", {"recognition.doubtful"}),
        ("faultless", set()),
        ("empty", {"speech"}),
        ("one_sided", {"one_sided"}),
        ("truncated", {"audio.truncated"}),
        ("failed_analyzer", {"analyzer:compliance", "analyzer:responsiveness", "recognition.doubtful"}),
        ("unsure_roles", {"roles"}),
    ],
)
def test_gaps_of_the_samples(reports, name, expected):
    gaps = reports[name].gaps
    assert {gap.what for gap in gaps} == expected
    assert all(gap.reason.endswith("。") for gap in gaps)


def gaps_of(build, transcript, given=()):
    return {
        gap.what: gap.reason
        for gap in complete_gaps(given, recording=None, roles=build.ROLES, transcript=transcript, failures=())
    }


def test_refused_sentences_are_counted_with_time(build):
    rows = [(Role.AGENT, 0, "您好"), (Role.CUSTOMER, 3000, "好")]
    rows += [
        (Role.CUSTOMER, 70_000 + 5000 * i, "", {"end_ms": 72_000 + 5000 * i, "flags": (Flag.REFUSED,)})
        for i in range(4)
    ]
    gaps = gaps_of(build, build.transcript_of(rows))
    assert gaps == {"recognition": "4句（第1分10秒、第1分15秒、第1分20秒等，共8秒）识别失败、没有文字，未质检。"}


def test_harmless_flags_are_no_gap(build):
    rows = [(Role.AGENT, 0, "您好", {"flags": (Flag.SIMPLIFIED, Flag.TIMES_SPREAD)}), (Role.CUSTOMER, 3000, "好")]
    assert gaps_of(build, build.transcript_of(rows)) == {}


def test_given_gap_keeps_its_words(build):
    gaps = gaps_of(build, build.transcript_of([]), [Gap(what="speech", reason="线路无声。")])
    assert gaps == {"speech": "线路无声。"}


def test_several_given_gaps_of_one_name_are_all_kept(build):
    notes = [Gap(what="audio.note", reason="跳过了按键音。"), Gap(what="audio.note", reason="削波较多。")]
    gaps = complete_gaps(
        [*notes, notes[0]],
        recording=None,
        roles=build.ROLES,
        transcript=build.transcript_of(build.REFUND[:3]),
        failures=(),
    )
    assert gaps == tuple(notes)


def test_text_conversation_has_a_report(build):
    report = build.report_of(build.transcript_of(build.REFUND[:6]), recording=None)
    assert report.recording is None
    assert report.score.valid


def test_provenance_is_complete(reports):
    made = reports["refund"].provenance
    assert made.pack == "ecommerce@1"
    assert made.analyzers == {"keywords": "1", "responsiveness": "1", "compliance": "1", "custom_rules": "1"}
    assert made.analyzer_names["responsiveness"] == "响应"
    assert len(made.transcript_sha256) == len(made.report_sha256) == 64
    assert made.qingting_version


def test_findings_keep_their_order(reports, build):
    transcript = reports["refund"].transcript
    assert [f.id for f in reports["refund"].findings] == [f.id for f in build.refund_findings(transcript)]

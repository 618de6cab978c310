"""The page: complete without scripts or network, and no text of a call can become markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qingting.model.call import Role
from qingting.model.transcript import Correction, Flag
from qingting.report.formats.html import render_html

VOID = {"meta", "link", "br", "hr", "img", "input", "path", "circle", "rect"}


class Page(HTMLParser):
    """Elements with attributes and text; complains about crossed or unclosed tags."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self._open = [], []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        assert len(attributes) == len({name for name, _ in attributes}), f"attribute twice on {tag}"
        element = {"tag": tag, "text": "", **dict(attributes)}
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self._open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self._open:
            element["text"] += data

    def all(self, tag=None, cls=None, **attributes):
        return [
            e
            for e in self.elements
            if (tag is None or e["tag"] == tag)
            and (cls is None or cls in (e.get("class") or "").split())
            and all(e.get(name) == value for name, value in attributes.items())
        ]

    def one(self, *args, **kwargs):
        (element,) = self.all(*args, **kwargs)
        return element


@pytest.fixture(scope="session")
def pages(reports):
    return {name: Page(render_html(report)) for name, report in reports.items()}


@pytest.fixture
def refund(pages):
    return pages["refund"]


def test_every_sample_is_a_whole_page(pages):
    for page in pages.values():
        assert page.one("html")["lang"] == "zh-CN"
        assert page.one("title")["text"]
        assert len(page.all("h1")) == 1
        ids = [e["id"] for e in page.elements if "id" in e]
        assert len(ids) == len(set(ids))


def test_nothing_is_fetched(reports):
    text = render_html(reports["refund"], audio_mp3=b"ID3")
    page = Page(text)
    for element in page.elements:
        for name in ("src", "href", "action", "poster", "data"):
            value = element.get(name)
            assert value is None or value.startswith(("#", "data:audio/mpeg;base64,")), element
    assert "http:" not in text.replace("http-equiv", "")
    assert "https:" not in text
    assert "@import" not in text
    assert "url(" not in text


def test_policy_allows_this_script_only(reports):
    page = Page(render_html(reports["refund"]))
    policy = page.one("meta", **{"http-equiv": "Content-Security-Policy"})["content"]
    (script,) = [e for e in page.all("script") if e.get("type") != "application/json"]
    digest = base64.b64encode(hashlib.sha256(script["text"].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert not any(name.startswith("on") for e in page.elements for name in e if name not in ("text", "tag"))


def test_score_grade_and_reason(refund, pages):
    assert refund.one(id="total")["text"] == "70"
    assert refund.one(id="grade")["text"] == "合格"
    assert "扣31分" in refund.one(id="score-note")["text"]
    assert pages["empty"].one(id="total")["text"] == "—"
    assert pages["empty"].one(id="grade")["text"] == "未评分"


def test_transcript_lines_carry_speaker_times_and_words(refund, reports):
    said = reports["refund"].transcript.utterances
    lines = refund.all("li", "line")
    assert [line["id"] for line in lines] == [f"u{u.index}" for u in said]
    for line, utterance in zip(lines, said, strict=True):
        assert utterance.text in line["text"]
        assert utterance.role.value in line["class"].split()
        assert (int(line["data-start"]), int(line["data-end"])) == (utterance.start_ms, utterance.end_ms)


def test_quotes_are_marked_word_for_word(refund, reports):
    marks = "".join(mark["text"] for mark in refund.all("mark"))
    for finding in reports["refund"].findings:
        for evidence in finding.evidence:
            assert evidence.quote in marks


def test_overlapping_quotes_keep_the_text_whole(build):
    call = build.transcript_of(build.REFUND)
    finding = build.found("a.x", "甲", [build.quote(call, 3, "物流也太慢了"), build.quote(call, 3, "太慢了吧，打了")])
    page = Page(render_html(build.report_of(call, [finding])))
    bubble = page.all("p", "bubble")[3]
    assert bubble["text"].strip() == call.utterances[3].text
    assert [mark["text"] for mark in page.all("mark")] == ["物流也", "太慢了", "吧，打了"]


def test_findings_with_evidence_buttons(refund, reports):
    cards = refund.all("article", "finding")
    assert len(cards) == len(reports["refund"].findings)
    assert [c["data-kind"] for c in cards][:2] == ["serious", "serious"]
    assert len([c for c in cards if c["data-standing"] == "review"]) == 1
    wanted = sorted(e.start_ms for f in reports["refund"].findings for e in f.evidence)
    buttons = [b for b in refund.all("button") if "data-end" in b]
    assert sorted(int(b["data-seek"]) for b in buttons) == wanted
    assert "第1分15秒语句识别把握仅52%。" in refund.one("article", "k-review")["text"]


def test_links_lead_somewhere(pages):
    for page in pages.values():
        ids = {e["id"] for e in page.elements if "id" in e}
        for link in page.all("a"):
            assert link["href"].removeprefix("#") in ids


def test_scorecard_has_every_item_with_its_reason(refund, reports):
    rows = {row["data-item"]: row["text"] for row in refund.all("tr") if "data-item" in row}
    for line in reports["refund"].score.lines:
        assert line.reason in rows[line.item]


@pytest.mark.parametrize("name", ["empty", "one_sided", "truncated", "failed_analyzer", "unsure_roles"])
def test_what_was_not_analysed_is_said(pages, reports, name):
    block = pages[name].one(id="gaps")["text"]
    assert all(gap.reason in block for gap in reports[name].gaps)
    assert "没有发现问题" not in pages[name].one(id="findings")["text"]


def test_clean_call_says_so_only_when_all_was_analysed(pages, build):
    assert pages["faultless"].all(id="gaps") == []
    clean = build.report_of(build.transcript_of(build.REFUND[:3]))
    assert "没有发现问题" in Page(render_html(clean)).one(id="findings")["text"]


def test_silences_stand_between_the_lines(refund):
    silences = refund.all("li", "silence")
    assert len(silences) == 2
    assert "静默 24.5秒" in silences[1]["text"]
    assert "等待过久" in silences[1]["text"]


def test_doubtful_line_and_dialect_are_tagged(refund):
    (doubtful,) = refund.all("li", "doubtful")
    assert "文字过少，识别存疑" in doubtful["text"]
    assert "识别把握52%" in doubtful["text"]
    assert "粤语" in refund.one(id="u14")["text"]


def test_provenance(refund, reports):
    text = refund.one("footer", "made")["text"]
    report = reports["refund"]
    for value in (report.provenance.transcript_sha256, "whisper-base", "3f9a1c07d2e84b55", "ecommerce@1"):
        assert value in text


def test_controls_have_names(pages):
    for page in pages.values():
        for button in page.all("button"):
            assert button.get("aria-label") or button["text"].strip()
        for select in page.all("select"):
            assert select["aria-label"]
        for section in page.all("section"):
            assert section.get("aria-label") or page.one(id=section["aria-labelledby"])


def test_audio_is_embedded_only_when_given(reports):
    audio = Page(render_html(reports["refund"], audio_mp3=b"\xff\xfb\x90")).one("audio")
    assert audio["src"] == "data:audio/mpeg;base64," + base64.b64encode(b"\xff\xfb\x90").decode()
    assert Page(render_html(reports["refund"])).all("audio") == []


def data_of(page):
    return json.loads(page.one("script", type="application/json")["text"])


def test_page_data_holds_lanes_and_pins(reports):
    left = [0.0, 0.5, 2.0, -1.0] + [0.1] * 5996
    data = data_of(Page(render_html(reports["refund"], peaks=[left, [0.2] * 10])))
    agent, customer = data["lanes"]
    assert (agent["role"], agent["label"], customer["role"]) == ("agent", "坐席", "customer")
    assert len(agent["peaks"]) == 1500
    assert agent["peaks"][0] == 100
    assert max(agent["peaks"]) <= 100
    assert min(agent["peaks"]) >= 0
    assert customer["peaks"] == [20] * 10
    assert len(agent["spans"]) == 9
    assert [pin["at"] for pin in data["pins"]] == sorted(f.evidence[0].start_ms for f in reports["refund"].findings)


def test_one_row_of_peaks_serves_both_parties(reports):
    data = data_of(Page(render_html(reports["unsure_roles"], peaks=[[0.5] * 8])))
    assert [lane["label"] for lane in data["lanes"]] == ["说话人一", "说话人二"]
    assert all(lane["peaks"] == [50] * 8 for lane in data["lanes"])


NASTY = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"' onmouseover='alert(1)' x=\"",
    "<!--<script>",
    "]]>{{ 7*7 }}{% raw %}",
    "\u202e反转\u202c שלום",
    "&lt;b&gt; &amp;",
    "a\u2028b\u2029c",
    "\x00\x08\x1b[31m",
]


def poisoned(build, text):
    """A report in which every text that comes from outside is the given one."""
    call = build.transcript_of(
        [
            (Role.AGENT, 0, "甲" + text, {"end_ms": 1500}),
            (Role.CUSTOMER, 9000, text + "乙", {"language": text, "end_ms": 9900}),
        ]
    )
    said = tuple(replace(u, characters=()) for u in call.utterances)
    call = replace(call, utterances=said)
    from qingting.model.finding import Evidence

    evidence = Evidence(
        operator=text, start_ms=9000, end_ms=9100, utterance=1, start_char=0, end_char=len(text), quote=text,
        role=Role.CUSTOMER, note=text,
    )  # fmt: skip
    finding = build.found(
        "keywords.unanswered_complaint", text, [evidence], explanation=text, advice=text, doubts=(text,), sure=0.3,
        facts={text: text},
    )  # fmt: skip
    info = build.call_of(text, agent_id=text, team=text, direction=text, started_at=text, line_of_business=text)
    roles = replace(build.ROLES, reasons=(text,))
    return build.report_of(
        call, [finding], call=info, roles=roles, pack=text, created_at=text, analyzer_names={"keywords": text}
    )


def check_poisoned(build, text, shape):
    page = Page(render_html(poisoned(build, text)))
    assert [e["tag"] for e in page.elements] == shape
    from qingting.report.formats.html_view import clean

    visible = clean(text).replace("\r", "\n")
    assert visible in page.one("article", "finding")["text"].replace("\r", "\n")
    assert data_of(page)["pins"][0]["title"].endswith(text)


@pytest.fixture(scope="session")
def shape(build):
    """Elements of the page with a harmless text."""
    return [e["tag"] for e in Page(render_html(poisoned(build, "某"))).elements]


@pytest.mark.parametrize("text", NASTY)
def test_no_text_becomes_markup(build, shape, text):
    check_poisoned(build, text, shape)


@settings(max_examples=30, deadline=None)
@given(text=st.text("<>/\"'&;=`{%}-!()abc甲\u202e\u2028\\", min_size=1, max_size=20).filter(str.strip))
def test_no_random_text_becomes_markup(build, shape, text):
    check_poisoned(build, text, shape)


def test_script_and_styles_use_ids_that_exist(reports):
    text = render_html(reports["refund"], audio_mp3=b"x")
    page = Page(text)
    ids = {e["id"] for e in page.elements if "id" in e}
    script = next(e for e in page.all("script") if e.get("type") != "application/json")["text"]
    used = set(re.findall(r'\$\("([a-z]+)"\)', script))
    assert used
    assert used <= ids


def colours(css, dark):
    """The page's colours by name; dark ones stand over light ones."""
    blocks = re.findall(r":root \{(.*?)\n *\}", css, re.DOTALL)
    found = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", blocks[0]))
    return found | dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", blocks[1])) if dark else found


def contrast(one, two):
    """WCAG 2.2 contrast ratio of two colours."""

    def light(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((light(one), light(two)))
    return (high + 0.05) / (low + 0.05)


PAIRS = [("ink", back) for back in ("bg", "card", "sunken", "agent-bg", "customer-bg", "unsure-bg", "medium-bg")]
PAIRS += [("soft", back) for back in ("bg", "card", "sunken", "agent-bg", "customer-bg")]
PAIRS += [(kind, kind + "-bg") for kind in ("serious", "medium", "light", "credit", "review", "note", "agent")]
PAIRS += [(kind, "card") for kind in ("serious", "medium", "light", "credit", "review", "agent", "customer", "focus")]
PAIRS += [(kind, "sunken") for kind in ("agent", "customer")]


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_has_enough_contrast(dark):
    from importlib import resources

    css = resources.files("qingting.report").joinpath("formats", "report.css").read_text(encoding="utf-8")
    found = colours(css, dark)
    assert found["card"] == ("#191f28" if dark else "#ffffff")
    poor = {pair: round(contrast(found[pair[0]], found[pair[1]]), 2) for pair in PAIRS}
    assert {pair: ratio for pair, ratio in poor.items() if ratio < 4.5} == {}


def test_corrected_words_show_what_was_heard(build):
    corrected = Correction(start_char=2, end_char=4, heard="头诉", written="投诉", why="同音")
    transcript = build.transcript_of([(Role.CUSTOMER, 1000, "我要投诉你们。")])
    first = replace(transcript.utterances[0], corrections=(corrected,), flags=(Flag.CORRECTED,))
    transcript = replace(transcript, utterances=(first,))
    evidence = build.quote(transcript, 0, "要投诉")
    finding = build.found("keywords.negative", "客户要投诉", [evidence])
    page = Page(render_html(build.report_of(transcript, [finding])))
    spans = [e for e in page.elements if e.get("class") == "corrected"]
    assert [span["title"] for span in spans] == ["识别原文：头诉"]
    marks = [e for e in page.elements if e["tag"] == "mark"]
    assert [(mark["text"], mark["title"]) for mark in marks] == [
        ("要", "客户要投诉"),
        ("投诉", "客户要投诉；识别原文：头诉"),
    ]
    assert any("业务词已纠正" in e["text"] for e in page.elements if e.get("class") == "tag")

"""Pushes: what they say, how addresses are hidden, and that they are really sent."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest

from qingting.delivery import push
from qingting.errors import DeliveryError, InvalidRequestError
from qingting.model.alert import Alert
from qingting.model.finding import Level
from qingting.testing import receiver as receivers
from qingting.testing.receiver import Receiver

ALERT = Alert(
    id="a",
    at_ms=0,
    level=Level.SERIOUS,
    policy_id="p",
    policy_name="严重",
    call_id="abc",
    finding_id="compliance.absolute_promise#1",
    rule_id="compliance.absolute_promise",
    title="绝对化承诺",
    team="售后二组",
    agent_id="2017",
    start_ms=192_400,
)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receivers.receiver() as found:
        yield found


def test_the_words_of_a_push() -> None:
    assert push.words(ALERT) == ("【严重】绝对化承诺", "售后二组 · 坐席2017 · 通话 abc · 03:12")


def test_an_escalation_says_so() -> None:
    title, text = push.words(ALERT, escalated=True)
    assert title == "【升级·严重】绝对化承诺"
    assert text.splitlines()[1] == "尚无人确认，请尽快处理。"


def test_unknown_agent_and_team_are_left_out() -> None:
    assert push.words(replace(ALERT, team="", agent_id=""))[1] == "通话 abc · 03:12"


def test_only_a_quote_brings_words_of_the_call() -> None:
    assert push.words(ALERT, quote="保证 全额\n退款")[1].endswith("\n原话：“保证 全额 退款”")
    assert len(push.words(ALERT, quote="长" * 500)[1]) < 150


def test_call_data_make_no_lines_and_no_floods() -> None:
    _, text = push.words(replace(ALERT, team="二组\r\n【严重】假冒", agent_id="7" * 5000))
    assert text.startswith("二组 【严重】假冒 · 坐席777")
    assert len(text.splitlines()) == 1
    assert len(text) < 120


@pytest.mark.parametrize("way", ["dingtalk", "mailto", "https"])
def test_a_masked_address_shows_its_way_only(way: str) -> None:
    masked = push.masked(f"{way}://secret@token/13812345678")
    assert masked.startswith(f"{way}://***")
    assert len(masked) == len(f"{way}://***") + 4


def test_masks_come_back_as_what_they_hide() -> None:
    known = ("dingtalk://one", "dingtalk://two", "bark://three")
    shown = tuple(push.masked(url) for url in known)
    assert len(set(shown)) == 3
    assert push.unmasked((shown[1], "ntfy://new", shown[0]), known) == (
        "dingtalk://two",
        "ntfy://new",
        "dingtalk://one",
    )
    with pytest.raises(InvalidRequestError):
        push.unmasked((push.masked("dingtalk://four"),), known)


@pytest.mark.parametrize(
    "url",
    [
        "dingtalk://SECabcdefghij@abcdefghijklmnop",
        "wecombot://693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa",
        "feishu://abcdefghijklmnopqrstuv",
        "mailto://user:password@example.com",
        "bark://example.com/devicekey",
        "ntfys://example.com/topic",
        "json://127.0.0.1:8080",
    ],
)
def test_addresses_that_are_taken(url: str) -> None:
    push.check_address(url)


@pytest.mark.parametrize(
    "url", ["", "dingtalk", "nosuchway://a", "https://example.com/x", "syslog://", "dbus://", "SYSLOG://localhost"]
)
def test_addresses_that_are_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        push.check_address(url)
    assert not url or url not in str(caught.value)


def test_a_push_is_really_sent(receiver: Receiver) -> None:
    title, text = push.words(ALERT)
    push.send(f"json://127.0.0.1:{receiver.port}/alert", title=title, text=text, timeout_seconds=5)
    (got,) = receiver.received
    sent = json.loads(got.body)
    assert (sent["title"], sent["message"]) == (title, text)


@pytest.mark.parametrize("answer", [500, 403, receivers.hang])
def test_a_push_that_is_not_taken(receiver: Receiver, answer: receivers.Answer) -> None:
    receiver.will_answer(answer)
    with pytest.raises(DeliveryError):
        push.send(f"json://127.0.0.1:{receiver.port}/", title="a", text="b", timeout_seconds=0.5)


def test_a_push_to_nowhere() -> None:
    with pytest.raises(DeliveryError) as caught:
        push.send("syslog://localhost", title="a", text="b", timeout_seconds=1)
    assert caught.value.kind == "address"


def test_nothing_of_an_address_is_logged(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    receiver.will_answer(500, 204)
    with caplog.at_level(logging.DEBUG):
        for _ in range(2):
            try:
                push.send(
                    f"json://user:hunter2@127.0.0.1:{receiver.port}/tok", title="a", text="内容", timeout_seconds=5
                )
            except DeliveryError:
                continue
        with pytest.raises(InvalidRequestError):
            push.check_address("dingtalk://?hunter2")
    assert len(receiver.received) == 2
    assert not [one for one in ("hunter2", "/tok", "内容", str(receiver.port)) if one in caplog.text]

"""What of an e-mail is its sender's own."""

from __future__ import annotations

import pytest

from qingting.chat.mail import bare_subject, own_words


@pytest.mark.parametrize(
    "below",
    [
        "> 我要投诉你们\n> 太慢了",
        "------------------ 原始邮件 ------------------\n发件人: 王\n我要投诉",
        "在 2024年5月1日，客服 <a@b.example> 写道：\n我要投诉",
        "On Wed, May 1, 2024 at 10:00 AM Li wrote:\n我要投诉",
        "-----Original Message-----\nFrom: x\n我要投诉",
        "发件人: 王先生\n发送时间: 今天\n我要投诉",
        "-- \n王先生\n电话",
    ],
)
def test_the_mail_below_is_not_the_senders(below: str) -> None:
    assert own_words(f"您好，\n退款已经办理。\n\n{below}") == "您好，\n退款已经办理。"


@pytest.mark.parametrize(
    "body", ["我们的发件人信息有误，请核对。", "他写道的内容我没看懂", "价格 -- 请再说一次", "一行\n\n二行"]
)
def test_own_words_stay(body: str) -> None:
    assert own_words(body) == body


def test_a_mail_that_only_quotes_is_empty() -> None:
    assert own_words("> 我要投诉") == ""


@pytest.mark.parametrize(("subject", "bare"), [("Re: 回复：退款", "退款"), ("退款", "退款"), ("FW:Re: x", "x")])
def test_subjects(subject: str, bare: str) -> None:
    assert bare_subject(subject) == bare

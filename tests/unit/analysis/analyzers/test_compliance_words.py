"""The words that agents really use: what fulfils an item, what breaks one, and what only looks like it."""

import pytest

from qingting.analysis.analyzers._compliance_usage import done, not_disclaimed
from qingting.analysis.lexicon import lexicon
from qingting.analysis.text import NormalText, PhraseBook
from qingting.analysis.usage import meant


def _hits(name: str, text: NormalText) -> tuple[object, ...]:
    found = PhraseBook({"a": {"x": lexicon(name)}}).find(text).get(("a", "x"), ())
    return done(text, found) if name in _SAID else not_disclaimed(text, meant(text, found))


_SAID = ("opening", "service_notice", "further_help", "closing", "risk_notice", "identity_check", "finance_identity")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("opening", "早上好，安心保险，请问怎么称呼您？"),
        ("opening", "您好，我是门店的小林，有啥能帮您的？"),
        ("opening", "你好，青云物业，什么事您说。"),
        ("service_notice", "咱们这通电话是录着音的啊"),
        ("service_notice", "这边全程都会给您录下来"),
        ("service_notice", "线路会录音，您知道一下"),
        ("further_help", "您看还有啥要我办的不"),
        ("further_help", "那别的还有没有要问的呀"),
        ("further_help", "还想了解点别的吗"),
        ("further_help", "除了这个，您还有什么要我看的"),
        ("further_help", "您那边没别的事了吧"),
        ("closing", "那您早点休息"),
        ("closing", "祝您旅途平安"),
        ("closing", "欢迎下次光临"),
        ("closing", "那拜了"),
        ("closing", "好嘞，拜了您"),
        ("closing", "白白"),
        ("closing", "好的，白白啊"),
        ("closing", "嗯，白白，您慢点"),
        ("forbidden_words", "你自己没看清怪谁"),
        ("forbidden_words", "爱买不买"),
        ("forbidden_words", "你冲我嚷嚷也没用"),
        ("forbidden_words", "要跟你讲到什么时候"),
        ("absolute_promise", "我拍胸脯跟您讲"),
        ("absolute_promise", "明天一定给您送上门"),
        ("absolute_promise", "铁定不会耽误"),
        ("collection_threat", "通讯录里的人我挨个打"),
        ("collection_threat", "我给你老板打电话"),
        ("secret_request", "短信那个验证码您给我念一下"),
        ("risk_notice", "它也可能会亏"),
        ("finance_identity", "身份证末四位说一下"),
    ],
)
def test_everyday_words_count(name: str, text: str) -> None:
    assert _hits(name, NormalText(text))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("opening", "说。"),
        ("opening", "喂，什么事？"),
        ("opening", "喂，你是赵敏吧？我是信用卡中心的。"),
        ("service_notice", "这边不录音"),
        ("further_help", "您先别急，我看一下"),
        ("further_help", "还有两间双床房"),
        ("closing", "那就这样吧"),
        ("closing", "您等了一个礼拜了"),
        ("closing", "都一个礼拜了您还没收到"),
        ("closing", "不会让您白白浪费时间的"),
        ("closing", "不能叫您白白等一天"),
        ("forbidden_words", "那就这样，您看行吗"),
        ("forbidden_words", "您自己看着安排就好"),
        ("absolute_promise", "我一定把您的话转告给他"),
        ("absolute_promise", "这个我可不敢跟您打包票"),
        ("absolute_promise", "没法跟您保证一定退"),
        ("absolute_promise", "是我们没包装好"),
        ("secret_request", "短信验证码谁问您要都别给"),
        ("secret_request", "验证码千万不要告诉我们"),
        ("secret_request", "我们不会问您密码的"),
        ("risk_notice", "不可能会亏"),
    ],
)
def test_words_that_only_look_like_it_do_not(name: str, text: str) -> None:
    assert not _hits(name, NormalText(text))

import pytest

from qingting.model.transcript import TimedText
from qingting.speech._units import units
from qingting.speech.language import cantonese_score, judge_language
from qingting.speech.text_form import to_text_form


@pytest.mark.parametrize(
    ("text", "label", "language", "source"),
    [
        ("我想问一下我的订单什么时候到。", "zh", "zh", "engine+text"),
        ("订单退款。", "zh", "zh", "engine"),
        ("我想问一下我的订单什么时候到。", "", "zh", "text"),
        ("好的。", "", "", ""),
        ("订单退款。", "", "", ""),
        ("唔该，点解我嘅快递仲未到？", "zh", "yue", "text"),
        ("唔该，点解我嘅快递仲未到？", "yue", "yue", "engine+text"),
        ("我想退货。", "yue", "yue", "engine"),
        ("唔，好的，我想退货。", "zh", "zh", "engine"),
        ("关系很好，没问题。", "zh", "zh", "engine"),
        ("I would like to cancel my order please.", "en", "en", "engine+text"),
        ("I would like to cancel my order please.", "", "en", "text"),
        ("I would like to cancel my order please.", "zh", "en", "text"),
        ("Hello.", "en", "en", "engine"),
        ("Hello.", "", "", ""),
        ("OK.", "zh", "zh", "engine"),
        ("Nike Air Max.", "", "", ""),
        ("Je voudrais annuler ma commande.", "fr", "fr", "engine"),
        ("Je voudrais annuler ma commande.", "", "", ""),
        ("はい、わかりました。", "ja", "ja", "engine+text"),
        ("はい、わかりました。", "zh", "ja", "text"),
        ("안녕하세요 주문 취소요.", "zh", "ko", "text"),
        ("Заказ не пришёл.", "ru", "ru", "engine"),
        ("Заказ не пришёл.", "en", "", ""),
        ("我想check一下我的order有没有ship出来。", "zh", "zh", "engine+text"),
        ("12345。", "zh", "zh", "engine"),
        ("", "yue", "yue", "engine"),
        ("", "", "", ""),
    ],
)
def test_the_language_of_an_utterance(text, label, language, source):
    judged = judge_language(text, label)
    assert (judged.language, judged.source, judged.spans) == (language, source, ())


def parts(text, label="zh", characters=()):
    judged = judge_language(text, label, characters)
    assert "".join(text[s.start_char : s.end_char] for s in judged.spans) in ("", text)
    return [(s.language, text[s.start_char : s.end_char]) for s in judged.spans], judged.language


@pytest.mark.parametrize(
    ("text", "expected", "language"),
    [
        (
            "你们的客服一直没有人接电话，I would like to cancel my order.",
            [("zh", "你们的客服一直没有人接电话，"), ("en", "I would like to cancel my order.")],
            "zh",
        ),
        (
            "Hello, is this the customer service? 我的订单没有到。",
            [("en", "Hello, is this the customer service? "), ("zh", "我的订单没有到。")],
            "zh",
        ),
        (
            "我的订单what should I do about it谢谢你。",
            [("zh", "我的订单"), ("en", "what should I do about it"), ("zh", "谢谢你。")],
            "zh",
        ),
        (
            "您好，我马上给您查一下这个是什么时候下的单，唔该晒你哋嘅客服，点解仲未到。",
            [("zh", "您好，我马上给您查一下这个是什么时候下的单，"), ("yue", "唔该晒你哋嘅客服，点解仲未到。")],
            "zh",
        ),
        (
            "唔该，我想问下我嘅货点解仲未到，could you please check it for me?",
            [("yue", "唔该，我想问下我嘅货点解仲未到，"), ("en", "could you please check it for me?")],
            "yue",
        ),
    ],
)
def test_clear_switches_part_the_text(text, expected, language):
    assert parts(text) == (expected, language)


@pytest.mark.parametrize(
    "text",
    [
        "我用的是iPhone Pro Max，打不开。",
        "我想check一下我的order。",
        "好，thank you。",
        "Nike Air Max，我买的。",
        "我哋想退货，可以吗？",
        "唔该，麻烦你帮我看一下。",
        "我系广州嘅，想问下几时到，你们什么时候发货。",
    ],
)
def test_loans_names_and_weak_evidence_are_no_switch(text):
    assert parts(text)[0] == []


def test_a_pause_ends_a_clause_as_punctuation_does():
    text = "我的订单呢 can you check"
    assert parts(text)[0] == []
    starts = [0, 200, 400, 600, 800, 2000, 2300, 2600]
    timed = tuple(TimedText(text=u.text, start_ms=s, end_ms=s + 200) for u, s in zip(units(text), starts, strict=True))
    assert parts(text, "zh", timed)[0] == [("zh", "我的订单呢 "), ("en", "can you check")]


@pytest.mark.parametrize(
    ("traditional", "simplified"),
    [
        ("佢哋話唔係嘅，嗰個喺邊度喎。", "佢哋话唔系嘅，嗰个喺边度喎。"),
        ("我食咗餸，坐𨋢落嚟，唓！", "我食咗餸，坐𨋢落嚟，唓！"),
        ("點解仲未到㗎？", "点解仲未到㗎？"),
    ],
)
def test_cantonese_script_is_simplified_and_its_own_characters_stay(traditional, simplified):
    form = to_text_form(traditional)
    assert form.text == simplified
    assert form.simplified == (traditional != simplified)
    assert cantonese_score(form.text) >= 3


def test_cantonese_needs_more_than_one_ambiguous_word():
    assert cantonese_score("佢") < 3
    assert cantonese_score("呢个") < 3
    assert cantonese_score("嘅") >= 3
    assert cantonese_score("关系、联系") == 0

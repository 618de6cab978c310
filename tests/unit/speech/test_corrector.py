from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qingting.model.call import Role
from qingting.model.transcript import Flag, TimedText, Utterance
from qingting.pinyin import DEFAULT_CONFUSIONS, fold, readings
from qingting.speech.corrector import Corrector, CorrectorOptions, correct_utterance, correct_utterances
from qingting.speech.hot_words import HotWord, Misheard, hot_word_lists, join_lists, load_hot_words

ALL = join_lists([load_hot_words(name) for name in hot_word_lists()])
CORRECTOR = Corrector(ALL)


@pytest.mark.parametrize(
    ("heard", "written"),
    [
        ("我要头诉你们。", "我要投诉你们。"),
        ("帮我转一下客务。", "帮我转一下客服。"),
        ("我的丁丹现在到哪里了？", "我的订单现在到哪里了？"),
        ("快地圆打过电话了。", "快递员打过电话了。"),
        ("我想推款。", "我想退款。"),
        ("为保证服务之良，本次通话将被露印。", "为保证服务质量，本次通话将被录音。"),
        ("感谢您的来点，再见。", "感谢您的来电，再见。"),
        ("款箱会在3到5个工作日内到。", "款项会在3到5个工作日内到。"),
        ("选择欢火，再把衣服记回来。", "选择换货，再把衣服寄回来。"),
        ("您好，公号1024。", "您好，工号1024。"),
        ("宽带涨号是多少？", "宽带账号是多少？"),
        ("iPhone的丹号是多少？", "iPhone的单号是多少？"),
        ("我要鞋号转网。", "我要携号转网。"),
        ("收获地址是和平路18号。", "收货地址是和平路18号。"),
        ("订单一直没有发火。", "订单一直没有发货。"),
        ("我要协商环款。", "我要协商还款。"),
    ],
)
def test_misheard_terms_are_put_right(heard: str, written: str) -> None:
    result = CORRECTOR.correct(heard)
    assert result.text == written
    assert result.corrections
    for one in result.corrections:
        assert heard[one.start_char : one.end_char] == one.heard
        assert written[one.start_char : one.end_char] == one.written
        assert one.heard in one.why
        assert one.written in one.why


@pytest.mark.parametrize(
    "text",
    [
        "我在医院做透析。",  # sounds near 投诉, is a word
        "他姓丁丹，叫丁丹。",  # where names stand, nothing is a mishearing
        "丁丹女士您好。",
        "丹好人呢？",  # near 单号, but 好 means something alone
        "下了订单后就没有消息。",
        "手机后四位是多少？",
        "身份证后六位。",
        "订单好了。",
        "我们办公单位在哪里？",  # 公单 inside two words
        "一共总共号码三个。",
        "我和对方说好了。",
        "你别发火。",  # 发火 without an order near it
        "秋天是收获的季节。",
        "我上个月花费很多。",
        "有优惠吗？",
        "需要验证吗？",
        "请尽快地处理，越快地越好。",
        "由于期限到了，分七期还。",
        "退款会原路返回。",
        "投资需谨慎。",
        "先止付这张卡。",
        "唔该快啲。",
        "归属的显示",
        "奇图姆布卡语",
        "开发商都少有推货",
        "无效的查寻方向",
        "我要退款，请核对订单号。",  # terms as they are
        "头1诉 头x诉 头，诉",  # never across anything else
    ],
)
def test_what_may_be_right_stays(text: str) -> None:
    assert CORRECTOR.correct(text).text == text


def test_no_text_of_the_project_changes() -> None:
    """Example sentences of the contact reasons: ordinary call-centre Chinese without mishearings."""
    from qingting.analysis.packs import FOLDER
    from qingting.documents import read_document

    texts = [
        text
        for path in sorted((FOLDER.parent / "lexicons" / "intents").glob("*.yaml"))
        for text in _strings(read_document(path).data)
    ]
    assert len(texts) > 300
    assert [text for text in texts if CORRECTOR.correct(text).text != text] == []


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in inner for text in _strings(one)]


def test_confidence_speaks_for_or_against() -> None:
    words = [HotWord(text="寄回来", category="x"), HotWord(text="衣服", category="x")]
    corrector = Corrector(words, CorrectorOptions(least_gain=_gain("把衣服记回来", words) + 0.5))
    assert corrector.correct("把衣服记回来").text == "把衣服记回来"
    assert corrector.correct("把衣服记回来", confidences={3: 0.2}).text == "把衣服寄回来"
    assert "把握不足" in corrector.correct("把衣服记回来", confidences={3: 0.2}).corrections[0].why
    sure = Corrector(words, CorrectorOptions(least_gain=_gain("把衣服记回来", words) - 0.5))
    assert sure.correct("把衣服记回来").text == "把衣服寄回来"
    assert sure.correct("把衣服记回来", confidences={3: 1.0}).text == "把衣服记回来"


def _gain(text: str, words: list[HotWord]) -> float:
    """The least gain at which a text is still corrected."""
    low, high = 0.0, 40.0
    while high - low > 0.01:
        middle = (low + high) / 2
        changed = Corrector(words, CorrectorOptions(least_gain=middle)).correct(text).corrections
        low, high = (middle, high) if changed else (low, middle)
    return low


def test_a_term_near_helps() -> None:
    words = [HotWord(text="退货", category="x"), HotWord(text="订单", category="x", said=("单子",))]
    alone = _gain("我想推货", words)
    assert _gain("订单我想推货", words) > alone + 1
    corrector = Corrector(words, CorrectorOptions(least_gain=alone + 1))
    assert corrector.correct("我想推货").text == "我想推货"
    assert corrector.correct("我想推货", before="那个单子怎么了").text == "我想退货"


def test_a_reading_of_its_own_is_used() -> None:
    told = Corrector([HotWord(text="还款", category="x", reading=(("huan", 2), ("kuan", 3)))])
    assert told.correct("我要环款").text == "我要还款"
    assert told.correct("我要嗨款").text == "我要嗨款", "the other reading, hai, does not count any more"


def test_two_lists_that_name_each_others_words_come_to_an_end() -> None:
    words = [
        HotWord(text="丁单", category="x", heard=(Misheard(text="定丹"),)),
        HotWord(text="定丹", category="x", heard=(Misheard(text="丁单"),)),
    ]
    assert Corrector(words).correct("丁单定丹").text == "丁单定丹"


def utterance(text: str, /, **changes: object) -> Utterance:
    from qingting.speech._units import units

    timed = tuple(
        TimedText(text=unit.text, start_ms=100 * n, end_ms=100 * n + 90, confidence=0.5)
        for n, unit in enumerate(units(text))
    )
    values = {
        "index": 0, "party": "left", "role": Role.AGENT, "role_confidence": 1.0, "start_ms": 0, "end_ms": 9000,
        "text": text, "spoken_text": text, "characters": timed, "language": "zh",
    }  # fmt: skip
    return Utterance(**{**values, **changes})


def test_times_stay_and_the_original_is_kept() -> None:
    before = utterance("订单一二三，我要头诉ABC。", spoken_text="订单一二三，我要头诉ABC。")
    after = correct_utterance(before, CORRECTOR)
    assert after.text == "订单一二三，我要投诉ABC。"
    assert after.spoken_text == "订单一二三，我要投诉ABC。"
    assert after.original_text == before.text
    assert Flag.CORRECTED in after.flags
    assert not Flag.CORRECTED.doubtful
    assert [c.text for c in after.characters] == [*"订单一二三我要投诉", "ABC"]
    assert [(c.start_ms, c.end_ms) for c in after.characters] == [(c.start_ms, c.end_ms) for c in before.characters]
    assert [(c.heard, c.written) for c in after.corrections] == [("头诉", "投诉")]


def test_numbers_in_words_do_not_shift_the_spoken_form() -> None:
    after = correct_utterance(utterance("1024号头诉，再头诉。", spoken_text="一千零二十四号头诉，再头诉。"), CORRECTOR)
    assert after.spoken_text == "一千零二十四号投诉，再投诉。"


def test_an_original_that_is_kept_already_stays() -> None:
    after = correct_utterance(utterance("我要头诉。", original_text="我要頭訴"), CORRECTOR)
    assert after.original_text == "我要頭訴"


@pytest.mark.parametrize("changes", [{"language": "yue"}, {"language": "en"}, {"text": "", "characters": ()}])
def test_other_languages_and_empty_utterances_stay(changes: dict[str, object]) -> None:
    one = utterance("我要头诉。", **changes)
    assert correct_utterance(one, CORRECTOR) is one


def test_the_utterance_before_is_context() -> None:
    first, second = utterance("我的订单怎么样了？"), utterance("什么时候发火？")
    assert correct_utterance(second, CORRECTOR) is second
    assert [one.text for one in correct_utterances([first, second], CORRECTOR)] == [
        "我的订单怎么样了？",
        "什么时候发货？",
    ]


_CHARACTERS = "头投诉客服务订丁单丹推退款露录音印发霍货我要的好是在，。1A x"
mixed = st.text(st.sampled_from(_CHARACTERS), max_size=24)
anything = st.text(max_size=20)


@given(text=st.one_of(mixed, anything), before=mixed)
@settings(max_examples=150, deadline=None)
def test_length_and_all_but_chinese_stay_and_every_change_sounds_alike(text: str, before: str) -> None:
    result = CORRECTOR.correct(text, before=before)
    assert len(result.text) == len(text)
    listed = {(heard.text, word.text) for word in ALL.words for heard in word.heard}
    covered: set[int] = set()
    for one in result.corrections:
        span = set(range(one.start_char, one.end_char))
        assert not span & covered
        covered |= span
        assert text[one.start_char : one.end_char] == one.heard
        assert result.text[one.start_char : one.end_char] == one.written
        assert all(character >= "\u3400" for character in one.heard)
        assert (one.heard, one.written) in listed or _near(one.heard, one.written)
    assert all(text[at] == result.text[at] for at in range(len(text)) if at not in covered)
    assert CORRECTOR.correct(result.text, before=before).text == result.text


def _near(heard: str, written: str) -> bool:
    confusions = frozenset(DEFAULT_CONFUSIONS)

    def sounds(character: str) -> set[str]:
        return {fold(syllable, confusions) for syllable, _ in readings(character)}

    return all(a == b or sounds(a) & sounds(b) for a, b in zip(heard, written, strict=True))


def test_ordinary_words_side_by_side_hardly_ever_change() -> None:
    """Made-up sentences of common words hold chance likenesses of every kind."""
    from qingting.speech._word_model import count_of, word_log_probabilities

    generator = random.Random(3)
    common = [word for word in sorted(word_log_probabilities()) if count_of(word) > 200]
    weights = [count_of(word) for word in common]
    sentences = ["".join(generator.choices(common, weights, k=8)) for _ in range(1500)]
    changed = [text for text in sentences if CORRECTOR.correct(text).corrections]
    assert len(changed) <= 2

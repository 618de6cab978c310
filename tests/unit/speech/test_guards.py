import pytest

from qingting.model.audio import VoiceFacts
from qingting.model.transcript import Flag, TimedText
from qingting.speech.guards import (
    apply_cuts,
    clear_speech,
    empty_flags,
    find_hot_word_leak,
    find_invented,
    find_loops,
    find_prompt_echo,
    rate_flags,
    run_guards,
)


def voice(voiced_ms: int = 2000, speech_ms: int = 3000) -> VoiceFacts:
    return VoiceFacts(
        voiced_ms=voiced_ms, voiced_ratio=0.5, speech_ms=speech_ms, loudness_dbfs=-25.0, loudness_range_db=10.0,
        pitch_hertz=180.0, pitch_range_semitones=4.0, final_pitch_slope=0.0, pause_before_ms=0,
    )  # fmt: skip


SILENT = voice(0, 0)
FAINT = voice(150, 250)


def after(text: str, cuts) -> str:
    return apply_cuts(text, (), cuts)[0]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("好的好的好的", 1.5),
        ("好的，好的，好的，好的。", 2.0),
        ("对对对对对", 1.0),
        ("对对对", 0.5),
        ("不是不是，不是不是，不是不是。", 2.5),
        ("我要投诉！我要投诉！我要投诉！", 3.5),
        ("我要退款我要退款", 2.0),
        ("喂喂喂喂喂，你好。", 3.0),
        ("哈哈哈哈哈哈哈", 2.0),
        ("嗯嗯嗯嗯", None),
        ("谢谢谢谢谢谢", 1.5),
        ("没有没有没有没有，真的没有。", 3.0),
        ("号码是13888888888", 4.0),
        ("000000000", 4.0),
        ("OK OK OK，没问题。", 2.0),
        ("一天一天一天地拖", 2.0),
        ("我说了三遍了，我说了三遍了，你们听见没有", 5.0),
        ("", 1.0),
    ],
)
def test_natural_repetition_survives(text, seconds):
    assert find_loops(text, seconds) == ()


@pytest.mark.parametrize(
    ("text", "seconds", "kept"),
    [
        ("累计推出房源3000套累计推出房源3000套", 2.0, "累计推出房源3000套"),
        ("好的" * 12, 4.0, "好的"),
        ("嗯" * 30, 5.0, "嗯"),
        ("请问您" * 9, 20.0, "请问您"),
        ("我们会尽快处理" * 6, 20.0, "我们会尽快处理"),
        ("我们会尽快处理" * 3 + "我们会", 2.0, "我们会尽快处理"),
        ("您好，" + "退款的事情" * 8, 20.0, "您好，退款的事情"),
        ("您好，" + "退款的事情" * 8 + "谢谢", 20.0, "您好，退款的事情谢谢"),
        ("I think " * 20, 10.0, "I think "),
        ("13925800457" * 5, 4.0, "13925800457"),
    ],
)
def test_loops_leave_one_copy(text, seconds, kept):
    assert after(text, find_loops(text, seconds)).strip() == kept.strip()


def test_without_a_known_time_only_long_loops_count():
    assert find_loops("好的" * 4) == ()
    assert after("好的" * 20, find_loops("好的" * 20)) == "好的"


@pytest.mark.parametrize(
    "text",
    [
        "请不吝点赞 订阅 转发 打赏支持明镜与点点栏目",
        "請不吝點贊 訂閱 轉發 打賞支持明鏡與點點欄目",
        "字幕由Amara.org社区提供",
        "字幕由 Amara.org 社區提供",
        "中文字幕志愿者 李宗盛",
        "优优独播剧场——YoYo Television Series Exclusive",
        "感谢您的观看！",
        "Thanks for watching!",
    ],
)
def test_subtitle_phrases_fall_even_over_speech(text):
    assert Flag.INVENTED in run_guards(text, (), seconds=3.0, voice=voice()).flags


def test_a_subtitle_phrase_falls_out_of_a_real_sentence():
    guarded = run_guards("好的，我等一下。请不吝点赞订阅转发", (), seconds=4.0, voice=voice())
    assert (guarded.text, guarded.flags) == ("好的，我等一下。", (Flag.INVENTED,))


@pytest.mark.parametrize("text", ["谢谢观看", "谢谢大家", "谢谢", "嗯", "Thank you.", "再见"])
def test_polite_words_fall_only_where_hardly_anyone_is_heard(text):
    assert find_invented(text, FAINT) == ((0, len(text)),)
    assert find_invented(text, voice()) == ()
    assert find_invented(text, None) == ()


@pytest.mark.parametrize("text", ["我要退款", "好的", "谢谢"])
def test_without_voice_every_text_is_invented(text):
    guarded = run_guards(text, (), seconds=3.0, voice=SILENT)
    assert (guarded.text, guarded.flags) == ("", (Flag.INVENTED,))


@pytest.mark.parametrize("text", ["我想订阅你们的会员", "这个视频字幕不对", "谢谢您", "我给你们点赞", "我看看订单"])
def test_customers_may_speak_of_subscriptions_and_subtitles(text):
    assert find_invented(text, voice()) == ()


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("以下是普通话的句子。", ""),
        ("以下是普通話的句子。我要退款。", "我要退款。"),
        ("我要退款。以下是普通话的句子", "我要退款。"),
        ("我说的是普通话。", "我说的是普通话。"),
        ("以下是我的订单号", "以下是我的订单号"),
    ],
)
def test_prompt_echo_is_cut(text, rest):
    assert after(text, find_prompt_echo(text)) == rest


HOT = ("退款", "订单", "客服", "极速达", "运费险")


@pytest.mark.parametrize("text", ["退款 订单 客服 极速达 运费险", "退款，订单，客服。", "订单、极速达、运费险"])
def test_hot_word_lists_are_leaks(text):
    assert find_hot_word_leak(text, HOT, voice()) == ((0, len(text)),)


@pytest.mark.parametrize(
    "text",
    [
        "我要退款。",
        "订单退款。",
        "退款，退款，退款！",
        "客服帮我查一下订单，我要退款。",
        "运费险、订单",
        "",
        "客服，订单，退款",
    ],
)
def test_hot_words_in_speech_are_no_leaks(text):
    assert find_hot_word_leak(text, HOT, voice()) == ()


def test_hot_words_nobody_could_say_so_fast_are_a_leak():
    assert find_hot_word_leak("订单号 订单退款", HOT, voice(), seconds=0.3)
    assert not find_hot_word_leak("订单号 订单退款", HOT, voice(), seconds=1.5)
    assert not find_hot_word_leak("我想问一下怎么办", HOT, voice(), seconds=0.3)


def test_two_hot_words_over_hardly_any_voice_are_a_leak():
    assert find_hot_word_leak("退款 订单", HOT, FAINT)
    assert not find_hot_word_leak("退款 订单", (), FAINT)


@pytest.mark.parametrize(
    ("text", "seconds", "facts", "flags"),
    [
        ("字" * 61, 5.0, None, (Flag.TOO_FAST,)),
        ("字" * 60, 5.0, None, ()),
        ("字" * 30, 10.0, voice(1500, 2000), (Flag.TOO_FAST,)),
        ("好的", 0.15, None, ()),
        ("字" * 25, 5.0, voice(3000, 5000), ()),
        ("嗯", 6.0, voice(4000, 5500), (Flag.TOO_SPARSE,)),
        ("嗯嗯嗯嗯嗯", 6.0, voice(4000, 5500), ()),
        ("嗯", 6.0, voice(400, 800), ()),
        ("", 6.0, voice(4000, 5500), ()),
    ],
)
def test_absurd_rates(text, seconds, facts, flags):
    assert rate_flags(text, seconds, facts) == flags


def test_empty_answers_count_only_on_clear_speech():
    assert empty_flags("", voice()) == (Flag.EMPTY_ANSWER,)
    assert empty_flags("。", voice()) == (Flag.EMPTY_ANSWER,)
    assert empty_flags("", FAINT) == ()
    assert empty_flags("", None) == ()
    assert empty_flags("好", voice()) == ()


def test_clear_speech_needs_voice_and_length():
    assert clear_speech(voice(250, 400))
    assert not clear_speech(voice(249, 4000))
    assert not clear_speech(voice(300, 399))


def test_words_follow_the_text():
    text = "以下是普通话的句子。好的。"
    words = [TimedText(text=t, start_ms=i * 100, end_ms=i * 100 + 100) for i, t in enumerate("以下是普通话的句")]
    words += [TimedText(text="子。", start_ms=800, end_ms=900), TimedText(text="好", start_ms=900, end_ms=1000)]
    words += [TimedText(text="的。", start_ms=1000, end_ms=1100)]
    guarded = run_guards(text, words, seconds=2.0, voice=voice(900, 1500))
    assert guarded.text == "好的。"
    assert [(w.text, w.start_ms) for w in guarded.words] == [("好", 900), ("的。", 1000)]
    assert guarded.flags == (Flag.PROMPT_ECHO,)


def test_clean_answers_pass_unchanged():
    words = (TimedText(text="我要退款。", start_ms=0, end_ms=900),)
    guarded = run_guards("我要退款。", words, seconds=1.2, voice=voice(), hot_words=HOT)
    assert (guarded.text, guarded.words, guarded.flags) == ("我要退款。", words, ())


def test_an_echo_that_is_all_there_is_leaves_nothing():
    guarded = run_guards("以下是普通话的句子", (), seconds=2.0, voice=voice())
    assert (guarded.text, guarded.words) == ("", ())

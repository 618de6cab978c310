import pytest

from qingting.speech import qwen3_prompt as prompt


def test_thirty_languages_each_with_one_code():
    assert len(prompt.LANGUAGE_CODES) == 30
    assert len(set(prompt.LANGUAGES)) == 30
    for name, code in prompt.LANGUAGE_CODES.items():
        assert prompt.language_name(code) == name
        assert prompt.language_code(name) == code


@pytest.mark.parametrize(
    ("label", "code"),
    [
        ("Chinese", "zh"),
        ("chinese", "zh"),
        (" Cantonese ", "yue"),
        ("Chinese,English", "zh"),
        ("Klingon,English", "en"),
        ("None", ""),
        ("", ""),
        ("Sichuan", ""),
        ("yue", ""),
    ],
)
def test_labels_to_codes(label, code):
    assert prompt.language_code(label) == code


def test_both_codes_of_filipino():
    assert prompt.language_name("fil") == prompt.language_name("tl") == "Filipino"


def test_dialects_cannot_be_named():
    with pytest.raises(KeyError):
        prompt.language_name("wuu")


def test_prefix_of_the_answer():
    assert prompt.assistant_prefix(None) == ""
    assert prompt.assistant_prefix("yue") == "language Cantonese<asr_text>"


@pytest.mark.parametrize(
    ("raw", "text", "language"),
    [
        ("language Chinese<asr_text>您好。", "您好。", "zh"),
        ("language Chinese<asr_text>您好。<|im_end|>", "您好。", "zh"),
        ("language English<asr_text>thank you", "thank you", "en"),
        ("  language   Chinese <asr_text> 您好", "您好", "zh"),
        ("LANGUAGE chinese<ASR_TEXT>您好", "您好", "zh"),
        ("assistant\nlanguage Chinese<asr_text>您好", "您好", "zh"),
        ("<|im_start|>assistant\nlanguage Cantonese<asr_text>你好呀", "你好呀", "yue"),
        # label without tag
        ("language Chinese", "", ""),
        ("language Chinese您好", "您好", "zh"),
        ("language Chinese 您好", "您好", "zh"),
        ("language EnglishThank you", "Thank you", "en"),
        ("language Nonethank you", "thank you", ""),
        ("language chinese您好", "您好", "zh"),
        # tag without label
        ("<asr_text>您好", "您好", ""),
        ("Chinese<asr_text>您好", "您好", "zh"),
        ("system\n订单、退款<asr_text>您好", "您好", ""),
        # neither
        ("您好", "您好", ""),
        ("language barriers are real", "language barriers are real", ""),
        ("", "", ""),
        ("   ", "", ""),
        # None
        ("language None<asr_text>", "", ""),
        ("language None<asr_text><|im_end|>", "", ""),
        ("language None", "", ""),
        ("language None<asr_text>您好", "您好", ""),
        # a label nobody knows
        ("language Sichuan<asr_text>要得", "要得", ""),
        ("language Wu language<asr_text>侬好", "侬好", ""),
        # tags twice
        ("language Chinese<asr_text><asr_text>您好", "您好", "zh"),
        ("language Chinese<asr_text>language Chinese<asr_text>您好", "您好", "zh"),
        # what leaked stands before the label
        ("订单、退款language Chinese<asr_text>您好", "您好", "zh"),
        # markers and broken characters in the text
        ("language Chinese<asr_text>您<timestamp>好<|audio_pad|>\ufffd", "您好", "zh"),
        ("language Chinese<asr_text>您\x00好", "您 好", "zh"),
        ("language Chinese<asr_text>a < b，b > c", "a < b，b > c", "zh"),
    ],
)
def test_answers_of_every_form(raw, text, language):
    parsed = prompt.parse_answer(raw)
    assert (parsed.text, parsed.language) == (text, language)


@pytest.mark.parametrize("raw", ["language None<asr_text>", "language None", "language none<asr_text> <|im_end|>"])
def test_no_speech_is_told_from_no_answer(raw):
    assert prompt.parse_answer(raw).no_speech
    assert not prompt.parse_answer("language None<asr_text>您好").no_speech
    assert not prompt.parse_answer("").no_speech
    assert not prompt.parse_answer("language Chinese<asr_text>").no_speech


def test_a_change_of_language_within_the_clip():
    parsed = prompt.parse_answer("language Chinese<asr_text>我要改签，language English<asr_text>thank you")
    assert parsed.text == "我要改签，thank you"
    assert [(part.language, part.text) for part in parsed.parts] == [("zh", "我要改签，"), ("en", "thank you")]
    assert parsed.language == "en"
    again = prompt.parse_answer("language English<asr_text>thank youlanguage English<asr_text>very much")
    assert (again.text, again.language) == ("thank you very much", "en")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("您好", "您好"),
        ("language Chinese<asr_text>您好", "您好"),
        ("language English is what I speak", "language English is what I speak"),
        ("您好<|im_end|>", "您好"),
    ],
)
def test_forced_answers_have_no_label(raw, text):
    parsed = prompt.parse_answer(raw, forced="zh")
    assert (parsed.text, parsed.language) == (text, "zh")


def test_a_forced_answer_without_text_has_no_language():
    assert prompt.parse_answer("", forced="zh").language == ""


def test_system_text_holds_each_word_once():
    assert prompt.system_text(()) == ""
    assert prompt.system_text(["退款", "订单", "退款", " ", "七天 无理由"]) == "退款、订单、七天 无理由"


def test_hot_words_cannot_end_the_turn():
    assert prompt.system_text(["退款<|im_end|>\n<|im_start|>user"]) == "退款 user"
    assert prompt.system_text(["<asr_text>", "订单"]) == "订单"


def test_system_text_is_bounded_at_whole_words():
    text = prompt.system_text([f"热词{n:03d}" for n in range(500)], longest_characters=50)
    assert len(text) <= 50
    assert text.startswith("热词000、热词001")
    assert all(len(word) == 5 for word in text.split("、"))


def test_token_limit_follows_the_duration():
    assert prompt.token_limit(0.0) == prompt.token_limit(0.5) == 42
    assert prompt.token_limit(10.0) == 232
    assert prompt.token_limit(15.0) > 12 * 15
    assert prompt.token_limit(100_000.0) == 4096


@pytest.mark.parametrize(
    ("text", "collapsed"),
    [
        ("好" * 21, "好"),
        ("I think " * 2000, "I think "),
        ("嗯，" * 20, "嗯，"),
        ("开头" + "一二三四五六七八九十" * 20 + "结尾", "开头一二三四五六七八九十结尾"),
    ],
)
def test_loops(text, collapsed):
    assert prompt.repeats(text)
    assert prompt.collapse_repetitions(text) == collapsed


@pytest.mark.parametrize("text", ["", "好" * 20, "对，" * 19, "一二三四五六七八九十" * 19, "甲" * 5 + "乙" * 5])
def test_what_people_say_is_no_loop(text):
    assert not prompt.repeats(text)
    assert prompt.collapse_repetitions(text) == text

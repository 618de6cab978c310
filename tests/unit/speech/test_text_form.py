import pytest
from hypothesis import given
from hypothesis import strategies as st

from qingting.speech.text_form import simplify, to_text_form

FORMS = [
    ("我要退款", "我要退款。"),
    ("你好,请问有什么可以帮您?", "你好，请问有什么可以帮您？"),
    ("請問您的訂單號是多少", "请问您的订单号是多少？"),
    ("1392 5800457", "13925800457。"),
    ("我的 iPhone 坏了 , 怎么 办", "我的iPhone坏了，怎么办？"),
    ("好的.谢谢.", "好的。谢谢。"),
    ("价格是3.5元,可以吗", "价格是3.5元，可以吗？"),
    ("OK", "OK."),
    ("thank you very much", "thank you very much."),
    ("Is that right?", "Is that right?"),
    ("可以吗。", "可以吗？"),
    ("我不知道是不是", "我不知道是不是。"),
    ("没什么", "没什么。"),
    ("怎么样", "怎么样？"),
    ("你看一下是不是有问题", "你看一下是不是有问题。"),
    ("请登录 www.qq.com 查看", "请登录www.qq.com查看。"),
    ("现在是8:30", "现在是8:30。"),
    ("金額是1,280元。", "金额是1280元。"),
    ("，，好的", "好的。"),
    ("。。。", ""),
    ("", ""),
    ("   ", ""),
    ("您 好 , 我 是 客 服", "您好，我是客服。"),
    ("为什么还没到呢", "为什么还没到呢？"),
    ("他还在吃饭呢", "他还在吃饭呢。"),
    ("妳好", "你好。"),
    ("这个好用吗?我想买", "这个好用吗？我想买。"),
    ("好的...", "好的……"),
    ("好的,,谢谢", "好的，谢谢。"),
    ("好的,。", "好的。"),
    ("Hello, 我想问一下 WiFi 密码", "Hello，我想问一下WiFi密码。"),
    ("这么", "这么。"),
    ("他问我什么时候到", "他问我什么时候到。"),
    ("什么时候到货", "什么时候到货。"),
    ("要到什么时候", "要到什么时候？"),
    ("能不能快一点", "能不能快一点？"),
    ("随便怎么样", "随便怎么样。"),
    ("你说呢", "你说呢？"),
    ("确认一下有没有", "确认一下有没有。"),
    ("退款一百二十块", "退款120块。"),
    ("ＡＢＣ１２３", "ABC123."),
    ("太差了！！！", "太差了！"),
    ("折扣是２０％", "折扣是20%。"),
]


@pytest.mark.parametrize(("raw", "text"), FORMS)
def test_texts_take_the_one_form(raw, text):
    assert to_text_form(raw).text == text


@pytest.mark.parametrize("text", sorted({text for _, text in FORMS}))
def test_the_form_is_stable(text):
    assert to_text_form(text).text == text


@pytest.mark.parametrize(
    ("raw", "spoken"),
    [
        ("退款一百二十块", "退款一百二十块。"),
        ("退款120块", "退款一百二十块。"),
        ("订单号是幺二三四五六", "订单号是幺二三四五六。"),
        ("现在是8:30", "现在是八点三十分。"),
        ("好的", "好的。"),
    ],
)
def test_the_spoken_form_keeps_numbers_in_words(raw, spoken):
    assert to_text_form(raw).spoken_text == spoken


@pytest.mark.parametrize(
    ("raw", "simplified"), [("訂單", True), ("订单", False), ("後天", True), ("OK", False), ("妳", True), ("", False)]
)
def test_conversion_is_reported(raw, simplified):
    assert to_text_form(raw).simplified is simplified


def test_simplify_leaves_other_scripts_alone():
    assert simplify("iPhone 15 のケース") == "iPhone 15 のケース"


@given(st.text(alphabet="我要退款吗呢,.?! 。，？！a1b:;…", max_size=30))
def test_no_input_breaks_the_form(raw):
    form = to_text_form(raw)
    assert form.text == "" or any(c.isalnum() for c in form.text)
    assert not form.text or form.text[-1] in "。？！….?!"
    assert not any(a in "我要退款吗呢" and b == " " for a, b in zip(form.text, form.text[1:], strict=False))

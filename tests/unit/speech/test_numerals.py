import pytest
from hypothesis import given
from hypothesis import strategies as st

from qingting.speech.numerals import cardinal, spell_digits, to_spoken, to_written, value_of

WRITTEN = """
一百二十块 120块|三点五 3.5|百分之二十 20%|百分之三点五 3.5%|百分之百 100%|二零二六年 2026年|九八年 98年
两千零八年 2008年|幺三八零零一三八零零零 13800138000|一三九二五八零零四五七 13925800457|幺二零 120
尾号三五七八 尾号3578|尾号三五 尾号35|工号一零八六 工号1086|工号是二三七 工号是237|九零二号 902号|三百五十 350
两千 2000|三万五千 35000|三万 3万|一百万 100万|两亿 2亿|一百二 120|三千五百块 3500块|三千五 3500|一万二 12000
一百零五 105|一千零五十 1050|三天 3天|七天无理由退货 7天无理由退货|两天 2天|十天 10天|十分钟 10分钟|十五分钟 15分钟
五分钟 5分钟|二十四小时 24小时|十二个小时 12个小时|三个月 3个月|三个工作日 3个工作日|八折 8折|三块五 3块5
十二块八毛 12块8毛|两块钱 2块钱|十块 10块|一月一号 1月1号|十二月三十一号 12月31号|三月五号 3月5号|八点三十分 8点30分
下午三点 下午3点|两点半 2点半|晚上十点 晚上10点|八点零五分 8点05分|三点钟 3点钟|十二点左右 12点左右
下午三点二十 下午3点20|三十多岁 30多岁|二十来个 20来个|十五个 15个|十个 10个|第十二条 第12条|三点五万 3.5万
零点五 0.5|八点五折 8.5折|五十五点八 55.8|二楼 2楼|一元 1元|五公里 5公里|三百多块 300多块|六万块钱 6万块钱
百分之五十以上 50%以上|二百五十块 250块|三万一 31000|周三三点半 周三3点半|星期五下午两点 星期五下午2点
一共三百二十八元 一共328元|两百五 250|号码是幺八六 号码是186|十二 12|二十 20|一九九七年七月一号 1997年7月1号
五年 5年|十年 10年|零二零 020|五千万 5000万|尾号一二三四 尾号1234|三到五个工作日 3到5个工作日|一到两天 1到2天
一至三个月 1至3个月|三到5天 3到5天|两点到三点 2点到3点|十到十五天 10到15天|五百零三 503|一亿两千万 1亿2000万
十亿 10亿|我的订单号是五零二八六六谢谢 我的订单号是502866谢谢|今天是二零二六年十一月二十二号 今天是2026年11月22号
验证码四八二九 验证码4829
"""
KEPT = """
一下 一起 万一 三心二意 十分 十分满意 一点 一个 三个 两个 一直 一样 一般 一些 一会儿 一定 一边 一天 一年 一块 一分钟
一小时 一次 三次 第一 第二次 第一天 星期三 周五 礼拜一 三五天 七八个 两三天 二三十块 三四百 十七八个 十五六岁 几十
几百块 好几千 上百个 千万别 百分百 二百五 三百六十行 乱七八糟 一五一十 七七八八 三三两两 五五开 双十一 十一黄金周
五一放假 成千上万 一二三 三番五次 数一数二 一模一样 三天两头 十年如一日 一石二鸟 有一点 早一点 快一点 说两句
三分之一 三分之二 三比二 一百八十度 独一无二 一来二去 四川 九江 三亚 十全十美 十有八九 百分之几 一月不见 一楼 老三
三元桥 两码事 四面八方 一日三餐 十万火急 十万八千里 五花八门 有两点 两点建议 一方面 一大堆 唯一 统一 同一 二手车
三星 两头 数百 每十 我十分不满意 等一下一下 这是第一次 麻烦您稍等一分钟 五谷杂粮 六神无主 一百个不愿意 从一到十
丢三落四
"""
SPOKEN = """
120块 一百二十块|3.5 三点五|20% 百分之二十|尾号1234 尾号一二三四|13800138000 一三八零零一三八零零零
2026年 二零二六年|2个 两个|2号 二号|10分钟 十分钟|1050元 一千零五十元|10005块 一万零五块|100万 一百万|3500 三千五百
0571 零五七一|902号 九零二号|15号 十五号|110 一百一十|工号1086 工号一零八六|iPhone15 iPhone一五|2天 两天|2月 二月
100000000元 一亿元|20000块 二万块|8:30 八点三十分|2:05 两点零五分|9:00 九点|3.5% 百分之三点五|0 零
订单号502866 订单号五零二八六六|24小时 二十四小时|没有数字 没有数字
"""


def cases(table: str) -> list[tuple[str, str]]:
    return [tuple(row.split()) for row in table.replace("\n", "|").split("|") if row.strip()]


@pytest.mark.parametrize(("spoken", "written"), cases(WRITTEN))
def test_numbers_are_written_with_digits(spoken, written):
    assert to_written(spoken) == written


@pytest.mark.parametrize("text", KEPT.split())
def test_words_that_only_look_like_numbers_stay(text):
    assert to_written(text) == text


@pytest.mark.parametrize("text", KEPT.split())
def test_they_also_stay_inside_a_sentence(text):
    sentence = f"我说{text}吧，好的"
    assert to_written(sentence) == sentence


@pytest.mark.parametrize(("written", "spoken"), cases(SPOKEN))
def test_digits_are_said_as_context_demands(written, spoken):
    assert to_spoken(written) == spoken


@given(st.integers(1, 10**12 - 1))
def test_value_and_words_are_inverse(value):
    assert value_of(cardinal(value)) == value


@given(st.text(alphabet="零一二三四五六七八九十百千万亿两点分之第年月号块个天幺的我", max_size=20))
def test_only_numerals_are_rewritten_and_all_digits_can_be_said(text):
    once = to_written(text)
    assert not (set(text) - set("零一二三四五六七八九十百千万亿两点分之幺")) - set(once)  # only numerals are rewritten
    assert not any(character.isdigit() and character.isascii() for character in to_spoken(once))


@pytest.mark.parametrize("text", ["十百", "二二", "万", "百", "一百万万", "三二十", "二幺", "一零"])
def test_ungrammatical_numerals_have_no_value(text):
    assert value_of(text) is None


def test_digit_strings_and_negative_numbers():
    assert spell_digits("1380") == "一三八零"
    with pytest.raises(ValueError, match="zero"):
        cardinal(-1)

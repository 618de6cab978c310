"""The finance and telecom packs: every item with dialogues that break it and dialogues that keep it."""

from __future__ import annotations

import pytest

from qingting.analysis.discovery import discover
from qingting.analysis.packs import build_analyzers, load_pack

OPEN = "A 您好，很高兴为您服务，本次通话将被录音，请问有什么可以帮您？"
CLOSE = ["A 请问还有其他可以帮您的吗？", "C 没有了。", "A 感谢您的来电，祝您生活愉快，再见。"]
RISK = "A 理财非存款，产品有风险，投资须谨慎。"
FIT = "A 请问您做过风险测评吗？风险等级是多少？"

BROKEN: list[tuple[str, str, list[str]]] = [
    ("finance", "identity_check", ["C 我想查余额。", "A 您的账户余额是3000元。"]),
    ("finance", "identity_check", ["C 我这期要还多少？", "A 您本月应还2600元。", "A 请问您的身份证后四位是多少？"]),
    ("finance", "risk_notice", ["C 有什么理财吗？", FIT, "C 稳健型。", "A 给您推荐一款，年化收益三点二。"]),
    ("finance", "suitability", ["C 有什么理财吗？", "A 这款理财起购一万元。", RISK]),
    ("finance", "double_recording", ["C 我要买。", FIT, "C 做过。", RISK, "A 好的，已经为您购买。"]),
    ("finance", "loan_cost", ["C 账单能分期吗？", "A 可以分期，我现在为您办理分期。"]),
    ("finance", "guaranteed_return", ["C 安全吗？", FIT, RISK, "A 您放心，这款产品保本保收益。"]),
    ("finance", "guaranteed_return", ["C 会亏吗？", "A 亏不了，跟存款一样安全。"]),
    ("finance", "secret_request", ["C 我登录不了。", "A 那您把收到的验证码告诉我。"]),
    ("finance", "secret_request", ["C 我忘了。", "A 卡背面的三位数是多少？"]),
    ("finance", "collection_threat", ["C 我现在没钱。", "A 再不还就去你单位找你领导。"]),
    ("finance", "collection_threat", ["C 再宽限几天。", "A 不还的话后果自负。"]),
    ("telecom", "identity_check", ["C 帮我查话费。", "A 您的话费余额还有12元。"]),
    ("telecom", "plan_confirm", ["C 套餐太贵了。", "A 好，月费39元，次月一号生效，我帮您换成39元套餐了。"]),
    ("telecom", "tariff_notice", ["C 我要换套餐。", "A 您确认办理吗？", "C 确认。", "A 已为您开通，次月一号生效。"]),
    ("telecom", "effective_date", ["C 我要换套餐。", "A 每月费用39元，您确认办理吗？", "C 确认。", "A 已为您开通。"]),
    ("telecom", "contract_term", ["C 有优惠吗？", "A 有预存话费活动，提前取消有违约金。"]),
    ("telecom", "contract_penalty", ["C 有优惠吗？", "A 有预存话费活动，合约期24个月。"]),
    ("telecom", "port_information", ["C 我要携号转网。", "A 您再考虑一下吧，我们也有优惠。"]),
    ("telecom", "port_obstruction", ["C 我要转到联通。", "A 我们这边不让转的。"]),
    ("telecom", "port_obstruction", ["C 我要携号转网。", "A 转了就回不来了，查询资格请编辑短信。"]),
    ("telecom", "forced_sale", ["C 我不想换。", "A 必须升级套餐才行。"]),
    ("telecom", "forced_sale", ["C 怎么多了个彩铃？", "A 系统自动给您开通的。"]),
]
KEPT: list[tuple[str, str, list[str]]] = [
    ("finance", "identity_check", ["C 查余额。", "A 请问您的身份证后四位？", "C 3021。", "A 您的账户余额是3000元。"]),
    ("finance", "identity_check", ["C 我卡号后四位是8812。", "A 好的，您的账户余额是3000元。"]),
    ("finance", "identity_check", ["C 网点几点开门？", "A 早上九点开门。"]),
    ("finance", "risk_notice", ["C 有理财吗？", FIT, "C 稳健型。", "A 这款理财起购一万元。", RISK]),
    ("finance", "risk_notice", ["C 网点几点开门？", "A 早上九点开门。"]),
    ("finance", "risk_notice", ["C 有理财吗？", FIT, "A 这款理财不保证本金和收益，净值会波动。"]),
    ("finance", "suitability", ["C 有理财吗？", "A 您的风险承受能力怎么样？", "A 这款理财起购一万元。", RISK]),
    ("finance", "double_recording", ["C 我要买。", FIT, RISK, "A 销售过程将全程录音录像。", "A 已经为您购买。"]),
    ("finance", "double_recording", ["C 我再想想。", FIT, RISK, "A 好的，您考虑一下这款理财。"]),
    ("finance", "loan_cost", ["C 能分期吗？", "A 可以分期，年化利率百分之十五，每期还款500元。"]),
    ("finance", "guaranteed_return", ["C 保本吗？", FIT, RISK, "A 这款理财不保本，也不承诺收益。"]),
    ("finance", "guaranteed_return", ["C 保本吗？", "A 我们不能承诺保本保收益。", "A 属于非保本浮动收益。"]),
    ("finance", "guaranteed_return", ["C 有人跟我说保本保收益。", "A 任何产品都有风险。"]),
    ("finance", "secret_request", ["C 有人要验证码。", "A 请您不要把验证码告诉任何人。"]),
    ("finance", "secret_request", ["C 我忘记密码了。", "A 您可以在手机银行重置密码。"]),
    ("finance", "collection_threat", ["C 我现在没钱。", "A 您可以申请协商还款，逾期会影响征信。"]),
    ("telecom", "identity_check", ["C 查话费。", "A 请问您是机主本人吗？", "C 是。", "A 您的话费余额还有12元。"]),
    ("telecom", "identity_check", ["C 营业厅几点开门？", "A 早上九点开门。"]),
    (
        "telecom",
        "plan_confirm",
        ["C 我要换套餐。", "A 月费39元，次月一号生效，您确认办理吗？", "C 确认。", "A 变更成功。"],
    ),
    ("telecom", "tariff_notice", ["C 我要换套餐。", "A 39元每月，您确认办理吗？", "C 好。", "A 变更成功，次月生效。"]),
    (
        "telecom",
        "effective_date",
        ["C 我要换套餐。", "A 月费39元，您确认办理吗？", "C 好。", "A 变更成功，下月1号生效。"],
    ),
    ("telecom", "contract_term", ["C 有优惠吗？", "A 有预存话费活动，合约期24个月，提前取消要付违约金。"]),
    ("telecom", "contract_penalty", ["C 有优惠吗？", "A 有充送活动，有效期一年，随时可以取消。"]),
    ("telecom", "port_information", ["C 我要携号转网。", "A 您可以编辑短信查询携转资格，再带身份证到营业厅办理。"]),
    ("telecom", "port_obstruction", ["C 我要携号转网。", "A 可以的，结清费用后申请授权码就能办理。"]),
    ("telecom", "forced_sale", ["C 我要改套餐。", "A 这个业务您可以自愿选择，不办理也不影响使用。"]),
]


def found(inspect, talk, pack: str, lines: list[str]) -> set[str]:
    result = inspect(talk(OPEN, *lines, *CLOSE), pack)
    assert result.failures == ()
    return {one.rule_id.removeprefix("compliance.") for one in result.findings if one.dimension == "compliance"}


@pytest.mark.parametrize(("pack", "item", "lines"), BROKEN, ids=lambda value: value if isinstance(value, str) else "")
def test_what_breaks_an_item_is_found(inspect, talk, pack: str, item: str, lines: list[str]) -> None:
    assert item in found(inspect, talk, pack, lines)


@pytest.mark.parametrize(("pack", "item", "lines"), KEPT, ids=lambda value: value if isinstance(value, str) else "")
def test_what_keeps_an_item_is_not(inspect, talk, pack: str, item: str, lines: list[str]) -> None:
    assert item not in found(inspect, talk, pack, lines)


@pytest.mark.parametrize("pack", ["finance", "telecom"])
def test_every_own_item_has_both_kinds_of_dialogue(pack: str) -> None:
    def items(name: str) -> set[str]:
        (compliance,) = [one for one in build_analyzers(load_pack(name), discover()) if one.id == "compliance"]
        return {item.id for item in compliance.options.items}

    own = items(pack) - items("general")
    assert len(own) >= 8
    assert own == {item for name, item, _ in BROKEN if name == pack} == {i for name, i, _ in KEPT if name == pack}


def test_one_promise_is_one_fault_in_finance(inspect, talk) -> None:
    lines = ["C 安全吗？", FIT, RISK, "A 您放心，保本保收益。"]
    assert "absolute_promise" not in found(inspect, talk, "finance", lines)
    assert "absolute_promise" in found(inspect, talk, "general", lines)
    assert "absolute_promise" in found(inspect, talk, "finance", ["C 能办好吗？", "A 我保证给您办好。"])

"""Postal addresses: found whole where a door is named, and nowhere else."""

# ruff: noqa: E501  the tables read better on long lines

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml

from qingting.particulars.addresses import addresses, masked_address
from qingting.testing.samples import sample_folder

FOUND = {
    "我住北京市海淀区学院路37号": ("北京市海淀区学院路37号", "北京市海淀区****"),
    "地址是广东省深圳市南山区科技园南路12号幸福大厦8楼": ("广东省深圳市南山区科技园南路12号幸福大厦8楼", "广东省深圳市南山区****"),
    "收货地址：上海市浦东新区世纪大道1568号15楼1502室": ("上海市浦东新区世纪大道1568号15楼1502室", "上海市浦东新区****"),
    "幸福小区3栋2单元501": ("幸福小区3栋2单元501", "****"),
    "杭州市西湖区文三路478号华星时代广场A座1203": ("杭州市西湖区文三路478号华星时代广场A座1203", "杭州市西湖区****"),
    "送到朝阳区望京花园东区三号楼二单元六零一室吧": ("朝阳区望京花园东区三号楼二单元六零一室", "朝阳区****"),
    "我家在建国路八十八号": ("建国路八十八号", "****"),
    "南京市鼓楼区中山北路200弄5号": ("南京市鼓楼区中山北路200弄5号", "南京市鼓楼区****"),
    "寄到四川省成都市武侯区人民南路四段27号": ("四川省成都市武侯区人民南路四段27号", "四川省成都市武侯区****"),
    "成都市高新区天府大道北段1700号": ("成都市高新区天府大道北段1700号", "成都市高新区****"),
    "河北省保定市清苑县张登镇大庄村26号": ("河北省保定市清苑县张登镇大庄村26号", "河北省保定市清苑县张登镇****"),
    "就是和平路18号": ("和平路18号", "****"),
}  # fmt: skip
NOT_FOUND = (
    "我在北京市朝阳区", "坐地铁一号线到学院路", "这条路三号开始修", "快递已经到了上海市浦东新区", "您的订单号是20250301",
    "他是三号选手", "沿着高速路15号出口下", "八月十五号", "第二路公交", "二楼大厅等一下", "我们大厦明天停电", "思路一号方案",
    "从人民路走两百米", "3号楼梯坏了", "路上堵了三号就能到", "我在家小区里", "小区3月5号停水", "走中山路8点能到",
    "这家店在南京路开了三家", "幸福小区有500户", "广场5号下午有活动", "北京市海淀区人民法院第三庭", "大厦三层楼梯口",
    "原路退回3到5个工作日", "", "号", "路1",
)  # fmt: skip


@pytest.mark.parametrize("text", FOUND)
def test_an_address_is_found_whole_and_masked_to_its_district(text: str) -> None:
    wanted, masked = FOUND[text]
    assert [text[start:end] for start, end in addresses(text)] == [wanted]
    assert masked_address(wanted) == masked


@pytest.mark.parametrize("text", NOT_FOUND)
def test_a_place_or_number_alone_is_no_address(text: str) -> None:
    assert list(addresses(text)) == []


def test_the_demo_calls_hold_no_false_address() -> None:
    found = set()
    for path in sorted(Path(sample_folder()).glob("*.yaml")):
        for turn in yaml.safe_load(path.read_text(encoding="utf-8"))["turns"]:
            found |= {turn["text"][start:end] for start, end in addresses(turn["text"])}
    assert found == {"和平路18号"}


@pytest.mark.parametrize("piece", ["市", "东路", "朝阳区建国路小区", "小区3栋", "区路", "一", "1-", "A区"])
def test_no_text_makes_the_search_slow(piece: str) -> None:
    text = piece * (4000 // len(piece)) + "1号"
    began = time.process_time()
    list(addresses(text))
    assert time.process_time() - began < 1.0

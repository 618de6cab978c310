"""Chinese postal addresses in what was said: 北京市海淀区学院路37号, 幸福小区3栋2单元501.

An address names a door: a road with its number, or a residential quarter with building or room.
A district or a road alone is a place, not an address, so that 北京市朝阳区 in a sentence is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_NUMERAL = "[零〇一二三四五六七八九十百千幺]"
_NUMBER = rf"(?:\d{{1,5}}(?:[-之]\d{{1,4}})?|{_NUMERAL}{{1,6}})"
# Words that never stand inside a place's name: they end what could be one.
_OUTSIDE = (
    "的了是我你您他她它这那哪条个有从到去说吗呢吧啊呀嗯和与及跟把被给在住叫就都也要想请为于对将至往向每某"
    "几多两第本该此其并或等"
)
_NAME = (  # 和平路, 成都市, 向阳街: such a word inside a name
    rf"(?:[^\W\dA-Za-z_{_OUTSIDE}]|和(?=[平谐润庆田县龙浩])|(?<=[成首丰])都|都(?=江|匀)|向(?=阳)|将(?=军)|本(?=溪)|那(?=曲))"
)
# Atomic: a part is never read in another way, which keeps the search linear on any text.
_ADMIN = rf"(?>{_NAME}{{1,7}}?(?:特别行政区|自治区|自治州|自治县|省|市|地区|区|县|旗|镇|乡|街道))"
_ROAD = (
    rf"(?:{_NAME}{{1,7}}?(?:大道|大街|公路|胡同|[东西南北中]路|路|街|巷|弄|里)"
    r"(?:(?:[东西南北中]|第?[一二三四五六七八九十])段)?)"
)
_QUARTER = (
    rf"(?:{_NAME}{{1,9}}?(?:小区|花园|花苑|公寓|大厦|大楼|写字楼|广场|国际|家园|新村|新城|佳苑|名苑|雅苑|名邸|公馆"
    r"|家属院|宿舍|工业园|产业园|科技园|创业园|村|苑|庄)(?:[东西南北中A-Z]区|[一二三四五六七八九]期)?)"
)
# 15号开始, 3号选手: what follows tells that 号 numbers no door.
_NO_DOOR = (
    "线|机|码|令|称|召|文|件|选|位|台|桌|窗|柜|公路|出口|楼梯|早|晚|上午|下午|凌晨|中午|当天|开|前|后|起|到|至|左右"
    "|就|会|要"
)
_DOOR = rf"(?:{_NUMBER}(?:号院|号楼(?!梯)|弄(?:{_NUMBER}号)?|号(?!{_NO_DOOR})))"
_UNIT = rf"(?:{_NUMBER}(?:号楼|栋|幢|座|单元|楼(?!梯)|层(?!楼梯)|室|房)|[A-Za-z]\d{{0,2}}(?:座|栋|幢|区|单元))"
_ROOM = r"(?:\d{3,4}(?:室|房|号)?(?![\d年月日元块点分秒号人个次米公]))"
_GAP = "[，, ]?"
_UNITS = rf"(?:{_GAP}{_UNIT}){{0,4}}(?:{_GAP}{_ROOM})?"
_ADDRESS = re.compile(
    rf"(?P<admin>(?:{_ADMIN}{_GAP}){{0,4}})"
    rf"(?:{_ROAD}{_GAP}{_DOOR}(?:{_GAP}{_QUARTER})?{_UNITS}"
    rf"|(?:{_ROAD}{_GAP})?{_QUARTER}{_GAP}(?:{_DOOR}|{_UNIT}){_UNITS})"
)
_NO_ROADS = re.compile(
    "(?:道路|线路|网路|电路|思路|一路|走路|公交路|高速路|铁路|套路|出路|退路|同路|半路|马路|十字路|末路|问路|家里|城里|店里|屋里)$"
)
_ROAD_END = re.compile(rf"{_ROAD}(?={_GAP}{_NUMBER})")


def addresses(text: str) -> Iterator[tuple[int, int]]:
    """Give (start, end) of every address in a text, in order."""
    for match in _ADDRESS.finditer(text):
        roads = _ROAD_END.findall(match.group())
        if any(_NO_ROADS.search(road) for road in roads):
            continue
        yield match.start(), match.end()


def masked_address(value: str) -> str:
    """Keep province, city and district; hide road and door: 北京市海淀区****."""
    match = _ADDRESS.match(value)
    kept = match["admin"].rstrip("，, ") if match is not None else ""
    return f"{kept}****"

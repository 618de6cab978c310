"""Opening assistants: the hints of the call's own pack, prepared once for all calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from qingting.bootstrap import plans
from qingting.bootstrap.assist import assistants
from qingting.errors import PackError
from qingting.live.assist.assistant import Assistants
from qingting.model.call import CallInfo, Role
from qingting.model.live_event import AssistHint, EmotionChanged
from qingting.settings import load_settings

PACK = (
    'id: "{id}"\nname: "自己的"\nversion: "1"\nextends: "general"\n'
    'hints:\n  hints:\n    mood_negative: {{text: "{text}"}}\n'
)


def open_in(folder: Path) -> Assistants:
    settings = load_settings(pack_folder=folder)
    return assistants(settings, plans(settings))


def told(opened: Assistants, line: str) -> list[str]:
    assist = opened.open(CallInfo(call_id="c", line_of_business=line))
    mood = EmotionChanged(at_ms=1000, role=Role.CUSTOMER, mood="negative", intensity=0.6)
    return [event.text for event in assist.hear([mood], 1000) if isinstance(event, AssistHint)]


def test_each_line_of_business_has_its_own_hints(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(PACK.format(id=name, text=f"来自{name}。"), encoding="utf-8")
    opened = open_in(tmp_path)
    assert [told(opened, line) for line in ("one", "two", "one")] == [["来自one。"], ["来自two。"], ["来自one。"]]
    assert told(opened, "general") == ["客户语气中有不满，可先致歉或表示理解，再说办法。"]


def test_a_line_is_prepared_once(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(PACK.format(id="one", text="早先的。"), encoding="utf-8")
    opened = open_in(tmp_path)
    told(opened, "one")
    (tmp_path / "one.yaml").unlink()
    assert told(opened, "one") == ["早先的。"]


def test_unknown_lines_and_broken_hints_are_named(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(PACK.format(id="one", text=""), encoding="utf-8")
    opened = open_in(tmp_path)
    with pytest.raises(PackError, match=r"one\.yaml, line 7"):
        told(opened, "one")
    with pytest.raises(PackError):
        told(opened, "nothing")


def test_a_pack_without_compliance_has_no_checklist(tmp_path: Path) -> None:
    pack = PACK.format(id="one", text="有提示。") + "analyzers:\n  compliance: false\n  contact_reason: false\n"
    (tmp_path / "one.yaml").write_text(pack, encoding="utf-8")
    opened = open_in(tmp_path)
    assert opened.open(CallInfo(call_id="c", line_of_business="one")).hear([], 500) == []
    assert told(opened, "one") == ["有提示。"]

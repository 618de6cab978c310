"""Pushes to phones and chats: their addresses, their words, and sending them (through Apprise)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from types import ModuleType

from qingting.errors import InvalidRequestError, MissingExtraError
from qingting.model.alert import Alert

_LONGEST_FIELD = 64
_LONGEST_QUOTE = 80
_MASK = "://***"


def check_address(url: str) -> None:
    """Raise InvalidRequestError unless a text is a push address (apprise form); MissingExtraError without Apprise."""
    if not _apprise().is_address(url):
        raise InvalidRequestError(
            "A push address is malformed, or of a way that is not taken.",
            remedy="Write it as Apprise does: `dingtalk://token`, `wecombot://key`, `feishu://token`, `mailto://…`.",
        )


def masked(url: str) -> str:
    """Show of an address its way and four digits that tell it from others: `dingtalk://***3f9a`."""
    return url.partition("://")[0] + _MASK + hashlib.sha256(url.encode()).hexdigest()[:4]


def unmasked(urls: Iterable[str], known: Sequence[str]) -> tuple[str, ...]:
    """Put the known addresses in place of their masks, so that a form can be sent back as it was shown.

    Raises InvalidRequestError for a mask that stands for none.
    """
    hidden = {masked(url): url for url in known}
    found = tuple(dict.fromkeys(hidden.get(url, url) for url in urls))
    if any(_MASK in url for url in found):
        raise InvalidRequestError("A masked push address stands for none that is stored.", remedy="Write it in full.")
    return found


def words(alert: Alert, *, escalated: bool = False, quote: str = "") -> tuple[str, str]:
    """Return title and text of a push, in Chinese; customer words only when a quote is given."""
    prefix = "升级·" if escalated else ""
    title = f"【{prefix}{alert.level.chinese}】{_line(alert.title)}"
    agent = f"坐席{_line(alert.agent_id)}" if alert.agent_id else ""
    minutes, seconds = divmod(alert.start_ms // 1000, 60)
    parts = (_line(alert.team), agent, f"通话 {_line(alert.call_id)}", f"{minutes:02}:{seconds:02}")
    lines = [" · ".join(part for part in parts if part)]
    if escalated:
        lines.append("尚无人确认，请尽快处理。")
    if quote:
        lines.append(f"原话：“{_line(quote, _LONGEST_QUOTE)}”")
    return title, "\n".join(lines)


def send(url: str, *, title: str, text: str, timeout_seconds: float) -> None:
    """Send a push to one address; raises DeliveryError when it was not taken, MissingExtraError without Apprise."""
    _apprise().notify(url, title=title, text=text, timeout_seconds=timeout_seconds)


def _line(text: str, longest: int = _LONGEST_FIELD) -> str:
    # Call data are whatever somebody sent: they may not make lines or floods of their own.
    line = re.sub(r"[\s\x00-\x1f\x7f]+", " ", text).strip()
    return line if len(line) <= longest else line[: longest - 1] + "…"


def _apprise() -> ModuleType:
    try:
        from qingting.delivery import _apprise
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"Pushes need the package {error.name}.", remedy="pip install 'qingting[serve]'"
        ) from None
    return _apprise

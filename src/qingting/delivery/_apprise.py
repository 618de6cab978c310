"""Apprise as Qingting uses it: silent, without files; imported late, since it brings much along."""

from __future__ import annotations

import logging
import warnings

import apprise

from qingting.errors import DeliveryError

_DESKTOP = frozenset({"dbus", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows"})
"""Ways that end on the server's own machine, where nobody reads them."""

# Its messages, and those of its HTTP library, quote addresses with their tokens.
for _name in ("apprise", "urllib3"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)

with warnings.catch_warnings():
    # Its plug-ins are loaded all together at the first address; one of them imports what Python deprecates.
    warnings.simplefilter("ignore", DeprecationWarning)
    apprise.Apprise.instantiate("json://localhost")


def is_address(url: str) -> bool:
    """Whether a text is a push address of a way that Apprise knows and that leads off this machine."""
    return _sender(url) is not None


def notify(url: str, *, title: str, text: str, timeout_seconds: float) -> None:
    """Send a text to one address; raises DeliveryError when it was not taken."""
    sender = _sender(url)
    if sender is None:
        raise DeliveryError("The push address is malformed.", kind="address")
    try:
        sent = sender.notify(
            body=text,
            title=title,
            body_format=apprise.NotifyFormat.TEXT,
            notify_type=apprise.NotifyType.WARNING,
            timeout=timeout_seconds,
        )
    except Exception as error:  # noqa: BLE001  its message may quote the address
        raise DeliveryError(f"Sending the push failed: {type(error).__name__}.", kind="push") from None
    if not sent:
        raise DeliveryError("The push was not taken.", kind="push")


def _sender(url: str) -> apprise.Apprise | None:
    asset = apprise.AppriseAsset(app_id="Qingting", app_desc="Qingting", async_mode=False, secure_logging=True)
    sender = apprise.Apprise(asset=asset)
    known = url.partition("://")[0].lower() not in _DESKTOP and sender.add(url)
    return sender if known else None

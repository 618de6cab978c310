"""Makes one attempt to deliver a webhook message over HTTP."""

from __future__ import annotations

import asyncio
import ssl
from functools import cache
from typing import TYPE_CHECKING

from qingting.errors import DeliveryError, TargetGoneError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

GONE = 410
USER_AGENT = "Qingting-Webhook/1"


def post(url: str, *, address: str, headers: Mapping[str, str], body: bytes, timeout_seconds: float) -> int:
    """Send a JSON message once and return the status of the answer, a 2xx.

    The connection goes to `address`, an IP address that was checked before, whatever the name of the URL means by
    now; certificates are still those of the name. Redirects are not followed, proxies not used, the answer's body
    is not read, and all together lasts at most `timeout_seconds`. Must run in a thread without an event loop.

    Raises TargetGoneError for an answer of 410, DeliveryError for everything else that is no success.
    """
    status = asyncio.run(_status(url, address, {**headers}, body, timeout_seconds, _trust()))
    if 200 <= status < 300:
        return status
    if status == GONE:
        raise TargetGoneError("The receiver wants no more messages.", kind="gone", status=status)
    raise DeliveryError("The receiver did not accept the message.", kind=f"status_{status}", status=status)


async def _status(
    url: str, address: str, headers: dict[str, str], body: bytes, timeout_seconds: float, trust: ssl.SSLContext
) -> int:
    import httpx2

    try:
        # The limits of a client are for each read: a receiver that drips its headers would outlast them.
        async with (
            asyncio.timeout(timeout_seconds),
            httpx2.AsyncClient(
                verify=trust, trust_env=False, follow_redirects=False, timeout=timeout_seconds
            ) as client,
            client.stream(
                "POST",
                _pinned(url, address),
                content=body,
                headers={
                    **headers,
                    "Host": httpx2.URL(url).netloc.decode("ascii"),
                    "Content-Type": "application/json",
                    "User-Agent": USER_AGENT,
                },
                extensions={"sni_hostname": httpx2.URL(url).raw_host.decode("ascii")},
            ) as answer,
        ):
            return answer.status_code
    except (TimeoutError, httpx2.TimeoutException):
        raise DeliveryError("The receiver gave no answer in time.", kind="timeout") from None
    except (httpx2.ConnectError, OSError):
        raise DeliveryError("The receiver cannot be reached.", kind="connection") from None
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError):
        raise DeliveryError("The receiver's answer is no HTTP.", kind="protocol") from None


def _pinned(url: str, address: str) -> httpx2.URL:
    import httpx2

    return httpx2.URL(url).copy_with(host=address)


@cache
def _trust() -> ssl.SSLContext:
    # Reading the system's certificates takes longer than most messages.
    return ssl.create_default_context()

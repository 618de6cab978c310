"""A quick look at Qwen3-ASR servers: whether they answer, and whether they serve the wanted model."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from qingting.speech.qwen3_server import Qwen3ServerSettings, base_address

if TYPE_CHECKING:
    import httpx2

LOOK_SECONDS = 2.0
"""Longest wait for each page."""
_HOW_TO = "docs/how-to/qwen3-server.md"


@dataclass(frozen=True, kw_only=True)
class ServerHealth:
    """What was found at one address."""

    url: str
    usable: bool
    detail: str
    """One sentence."""
    remedy: str = ""


def look_at(settings: Qwen3ServerSettings) -> tuple[ServerHealth, ...]:
    """Look at all servers at once, at most some seconds; never raises for what they answer."""
    return asyncio.run(_look_at_all(settings))


def availability_of(settings: Qwen3ServerSettings | None) -> tuple[bool, str, str]:
    """Whether the engine can run, what was found, and the remedy; None stands for no server in the settings."""
    if settings is None:
        return False, "no server is configured", f"Set qwen3_server.urls; {_HOW_TO} shows how to start one."
    found = look_at(settings)
    usable = [health for health in found if health.usable]
    if not usable:
        return False, "; ".join(f"{health.url}: {health.detail}" for health in found), found[0].remedy
    missing = [health for health in found if not health.usable]
    detail = f"{settings.model}; {len(usable)} of {len(found)} servers answer"
    remedy = " ".join(f"{health.url}: {health.remedy}" for health in missing)
    return True, detail, remedy


async def _look_at_all(settings: Qwen3ServerSettings) -> tuple[ServerHealth, ...]:
    from qingting.speech import _qwen3_http as http

    options = http.ConnectionOptions(
        key=settings.api_key,
        connect_timeout_seconds=min(LOOK_SECONDS, settings.connect_timeout_seconds),
        request_timeout_seconds=LOOK_SECONDS,
        verify_tls=settings.verify_tls,
        ca_file=settings.ca_file,
    )
    async with http.open_client(options) as client:
        return tuple(await asyncio.gather(*(_look(client, url, settings) for url in settings.urls)))


async def _look(client: httpx2.AsyncClient, url: str, settings: Qwen3ServerSettings) -> ServerHealth:
    from qingting.speech import _qwen3_http as http

    base = base_address(url)
    (health, _), (status, content) = await asyncio.gather(
        http.get(client, f"{base}/health", timeout_seconds=LOOK_SECONDS),
        http.get(client, f"{base}/v1/models", timeout_seconds=LOOK_SECONDS),
    )
    if not health and not status:
        return _fault(url, "does not answer", f"Start it as {_HOW_TO} shows, or correct {settings.section}.urls.")
    if health >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _fault(url, f"answers, but is not well (status {health})", "Look into its log and start it again.")
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return _fault(url, f"refuses the key (status {status})", f"Set {settings.section}.api_key to the server's key.")
    if status != HTTPStatus.OK:
        return _fault(url, f"lists no models (status {status})", "Give the address of a vLLM server.")
    return _model_of(url, settings, content)


def _model_of(url: str, settings: Qwen3ServerSettings, content: bytes) -> ServerHealth:
    model = settings.model
    try:
        rows = json.loads(content)["data"]
        served = {str(row["id"]): row.get("max_model_len") for row in rows}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return _fault(url, "lists its models in no known form", "Give the address of a vLLM server.")
    if model not in served:
        names = ", ".join(sorted(served))[:200] or "none"
        remedy = f"Set {settings.section}.model to the served name, or start the server with --served-model-name."
        return _fault(url, f"does not serve {model}, but: {names}", remedy)
    length = served[model]
    if isinstance(length, int) and length < settings.needed_tokens:
        remedy = f"Start it with --max-model-len {settings.needed_tokens}."
        detail = f"serves {model}, {length} tokens: long utterances may be refused"
        return ServerHealth(url=url, usable=True, detail=detail, remedy=remedy)
    return ServerHealth(url=url, usable=True, detail=f"serves {model}" + (f", {length} tokens" if length else ""))


def _fault(url: str, detail: str, remedy: str) -> ServerHealth:
    return ServerHealth(url=url, usable=False, detail=detail, remedy=remedy)

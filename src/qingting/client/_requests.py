"""Requests with patience: sent again when the service asks for it, answered with typed errors."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2

from qingting import errors
from qingting.client._multipart import Multipart

_AGAIN = frozenset({429, 503})
_LONGEST_WAIT_SECONDS = 60.0
_FIRST_WAIT_SECONDS = 0.5


class Requests:
    """One connection to a service."""

    def __init__(
        self,
        client: httpx2.Client,
        *,
        attempts: int,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._attempts = attempts
        self._sleep = sleep

    def json(self, method: str, path: str, **options: Any) -> Any:
        """Make a request and return the JSON of its answer; options as for `bytes`."""
        return self._answered(method, path, **options).json()

    def bytes(self, method: str, path: str, **options: Any) -> bytes:
        """Make a request and return the body of its answer."""
        return self._answered(method, path, **options).content

    @contextmanager
    def stream(self, path: str, **options: Any) -> Iterator[httpx2.Response]:
        """Make a GET request and give its answer while it comes; sent once."""
        with reached(), self._client.stream("GET", path, **options) as response:
            if response.is_error:
                response.read()
                raise error_of(response)
            yield response

    def _answered(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        multipart: Multipart | None = None,
        **options: Any,
    ) -> httpx2.Response:
        for attempt in range(1, self._attempts + 1):
            last = attempt == self._attempts
            given = dict(headers or {})
            if multipart is not None:
                given["Content-Type"] = multipart.content_type
                options["content"] = iter(multipart)
            try:
                with reached():
                    response = self._client.request(method, path, headers=given, **options)
            except errors.UnreachableError:
                # Sending again is safe: what makes something carries an idempotency key.
                if last:
                    raise
                self._sleep(_FIRST_WAIT_SECONDS * 2 ** (attempt - 1))
                continue
            error = error_of(response) if response.is_error else None
            if error is None:
                return response
            if last or not (response.status_code in _AGAIN or isinstance(error, errors.StillRunningError)):
                raise error
            self._sleep(_wait_seconds(response, attempt))
        raise AssertionError  # the last attempt returned or raised


@contextmanager
def reached() -> Iterator[None]:
    """Turn the library's errors into ours: their texts may hold addresses."""
    try:
        yield
    except httpx2.HTTPError as error:
        raise errors.UnreachableError(f"The service cannot be reached: {type(error).__name__}.") from None


def error_of(response: httpx2.Response) -> errors.QingtingError:
    """Make the error that the service raised from its answer."""
    try:
        problem = response.json()
        code = str(problem["type"]).rsplit(":", 1)[-1]
        cause, remedy = str(problem["title"]), str(problem.get("detail", ""))
        places = "; ".join(f"{one['field']}: {one['problem']}" for one in problem.get("errors", ()))
    except (ValueError, KeyError, TypeError):
        # Some proxy in between has answered.
        return errors.RequestError(f"The service answered with status {response.status_code}.", remedy="")
    kind = _kinds().get(code, errors.RequestError)
    return kind(f"{cause} ({places})" if places and places != f": {cause}" else cause, remedy=remedy)


def _kinds() -> dict[str, type[errors.QingtingError]]:
    found: dict[str, type[errors.QingtingError]] = {}
    waiting: list[type[errors.QingtingError]] = [errors.QingtingError]
    while waiting:
        kind = waiting.pop()
        found[kind("").code] = kind
        waiting += kind.__subclasses__()
    return found


def _wait_seconds(response: httpx2.Response, attempt: int) -> float:
    given = response.headers.get("retry-after", "")
    seconds = float(given) if given.isascii() and given.isdigit() else _FIRST_WAIT_SECONDS * 2 ** (attempt - 1)
    return min(seconds, _LONGEST_WAIT_SECONDS)

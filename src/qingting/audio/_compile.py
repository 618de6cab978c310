"""How the numeric kernels of the audio stage are compiled: once per machine, never per process."""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

import numba

if TYPE_CHECKING:
    from collections.abc import Callable

_P = ParamSpec("_P")
_R = TypeVar("_R")


def kernel(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile `function` to machine code at its first call and keep the code on disk.

    The code is cached beside the package, else in the user's cache directory, else (no
    writable place at all) compiled anew in each process. Multiply-adds may be fused, but sums
    keep their written order: results then do not depend on how a recording is cut into blocks.
    """
    try:
        compiled = _njit(function, cache=True)
    except RuntimeError:  # numba: "cannot cache function: no locator available"
        compiled = _njit(function, cache=False)
    return cast("Callable[_P, _R]", compiled)


def _njit(function: Callable[..., object], *, cache: bool) -> object:
    return numba.njit(function, cache=cache, fastmath={"contract"}, error_model="numpy", nogil=True)

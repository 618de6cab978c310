"""How the numeric kernels of the audio stage are compiled: once per machine, never per process."""

from __future__ import annotations

import hashlib
import pickle
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

import numba
from numba.core.caching import FunctionCache

if TYPE_CHECKING:
    from collections.abc import Callable

_P = ParamSpec("_P")
_R = TypeVar("_R")


def kernel(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile `function` to machine code at its first call and keep the code on disk.

    The code is kept beside the package, else in the user's cache directory, else (no
    writable place at all) compiled anew in each process. Multiply-adds may be fused, but sums
    keep their written order: results then do not depend on how a recording is cut into blocks.
    """
    return _compiled(function, {"contract"})


def exact_kernel(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """As `kernel`, but with every product rounded: for figures that must be those of the same steps in numpy."""
    return _compiled(function, set())


def _compiled(function: Callable[_P, _R], fastmath: set[str]) -> Callable[_P, _R]:
    compiled: Any = numba.njit(function, fastmath=fastmath, error_model="numpy", nogil=True)
    with suppress(RuntimeError):  # numba: "cannot cache function: no locator available"
        # What cache=True does, with our own.
        compiled._cache = _Cache(function)  # type: ignore[no-untyped-call]  # noqa: SLF001
    return cast("Callable[_P, _R]", compiled)


class _Cache(FunctionCache):
    """Machine code on disk that is used only while all modules with kernels are as they were.

    numba looks at the file of a kernel alone, not at those of the kernels that it calls.
    """

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        return (*super()._index_key(sig, codegen), _sources())  # type: ignore[no-untyped-call]

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the code for a signature, None where there is none; what cannot be read is forgotten."""
        try:
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        except (AttributeError, ImportError, EOFError, ValueError, pickle.UnpicklingError):
            # Written by a version whose types have other names, or torn.
            self.flush()  # type: ignore[no-untyped-call]
            return None


@cache
def _sources() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("_*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()

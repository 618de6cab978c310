"""Reading a mapping field by field, with errors that name the field and never its value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qingting.errors import ScriptError


class Fields:
    """One mapping of a script file; every field is taken once, and none may be left over."""

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise ScriptError(f"{path}: must be a mapping of names to values")
        self._left: dict[str, object] = dict(value)
        self._path = path

    def path(self, name: str) -> str:
        """Full path of a field, as errors name it."""
        return f"{self._path}: {name}" if ": " not in self._path else f"{self._path}.{name}"

    def fail(self, name: str, expected: str) -> ScriptError:
        """Build the error for a field that is not as expected."""
        return ScriptError(f"{self.path(name)}: {expected}")

    def has(self, name: str) -> bool:
        """Whether the field is present and not null."""
        return self._left.get(name) is not None

    def text(self, name: str, default: str | None = None) -> str:
        """Take a text field; without a default it is required and not blank."""
        value = self._left.pop(name, None)
        if value is None:
            if default is None:
                raise self.fail(name, "is required")
            return default
        if not isinstance(value, str) or not value.strip():
            raise self.fail(name, "must be a text that is not blank")
        return value.strip()

    def choice(self, name: str, allowed: tuple[str, ...], default: str | None = None) -> str:
        """Take a text field that must be one of `allowed`."""
        value = self.text(name, default)
        if value not in allowed:
            raise self.fail(name, f"must be one of {', '.join(allowed)}")
        return value

    def number(self, name: str, low: float, high: float, default: float | None = None) -> float:
        """Take a number from `low` to `high`."""
        value = self._left.pop(name, None)
        if value is None:
            if default is None:
                raise self.fail(name, "is required")
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise self.fail(name, f"must be a number from {low:g} to {high:g}")
        return float(value)

    def whole(self, name: str, low: int, high: int, default: int | None = None) -> int:
        """Take a whole number from `low` to `high`."""
        value = float(self.number(name, low, high, default))
        if not value.is_integer():
            raise self.fail(name, "must be a whole number")
        return int(value)

    def flag(self, name: str, *, default: bool) -> bool:
        """Take a true/false field."""
        value = self._left.pop(name, None)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.fail(name, "must be true or false")
        return value

    def sub(self, name: str) -> Fields:
        """Take a nested mapping; absent counts as empty."""
        value = self._left.pop(name, None)
        return Fields({} if value is None else value, self.path(name))

    def items(self, name: str, *, required: bool = False) -> Iterator[Fields]:
        """Take a list of mappings, each with its index in the path."""
        value = self._left.pop(name, None)
        if value is None and not required:
            return
        if not isinstance(value, list) or (required and not value):
            raise self.fail(name, "must be a list" + (" with at least one entry" if required else ""))
        for index, item in enumerate(value):
            yield Fields(item, self.path(f"{name}[{index}]"))

    def weights(self, name: str) -> dict[str, float]:
        """Take a mapping of names to positive numbers; absent counts as empty."""
        inner = self.sub(name)
        return {key: inner.number(key, 0.001, 1000.0) for key in inner.names()}

    def names(self) -> tuple[str, ...]:
        """Names of the fields that nobody took yet."""
        return tuple(self._left)

    def done(self) -> None:
        """Reject fields that nobody took: they are misspelt, or belong elsewhere."""
        if self._left:
            raise self.fail(min(self._left), "is not a field of this place")

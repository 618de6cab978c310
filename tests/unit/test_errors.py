"""The error tree: complete, picklable, with causes and remedies."""

from __future__ import annotations

import inspect
import pickle

import pytest

from qingting import errors

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.QingtingError) and kind.__module__ == errors.__name__
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_survives_the_way_out_of_a_worker_process(kind: type[errors.QingtingError]) -> None:
    copy = pickle.loads(pickle.dumps(kind("what happened", remedy="what to do")))
    assert (type(copy), copy.cause, copy.remedy, str(copy)) == (kind, "what happened", "what to do", "what happened")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_stands_in_the_tree_at_the_top_of_the_module(kind: type[errors.QingtingError]) -> None:
    assert f" {kind.__name__}" in f" {errors.__doc__}".replace("\n", " ")


@pytest.mark.parametrize(
    ("kind", "code"),
    [(errors.NotAudioError, "not_audio"), (errors.QingtingError, "qingting"), (errors.PackError, "pack")],
)
def test_codes_are_stable_names(kind: type[errors.QingtingError], code: str) -> None:
    assert kind("x").code == code


def test_the_raisers_remedy_wins_over_the_default() -> None:
    assert errors.EmptyAudioError("x").remedy == errors.EmptyAudioError.default_remedy != ""
    assert errors.EmptyAudioError("x", remedy="y").remedy == "y"

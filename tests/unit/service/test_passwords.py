"""Passwords: which are refused, and what is stored."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher
from argon2.profiles import RFC_9106_LOW_MEMORY

from qingting.errors import InvalidRequestError
from qingting.service import passwords

GOOD = "correct horse 电池"


@pytest.mark.parametrize(
    "password",
    [
        "",
        "short-pw9",
        "x" * 257,
        "aaaaaaaaaaaa",
        "121212121212",
        "wang.li.2026",
        "WANG.LI.2026",
        "ｗａｎｇ．ｌｉ．２０２６",
    ],
)
def test_a_password_that_is_easy_to_guess_is_refused_without_being_repeated(password: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        passwords.check_new(password, user_name="wang.li.2026")
    assert not password or password not in str(refused.value) + refused.value.remedy


@pytest.mark.parametrize("password", [GOOD, "1234567890", "一二三四五六七八九十", "x1y2" * 64])
def test_long_enough_passwords_are_taken(password: str) -> None:
    passwords.check_new(password, user_name="wang.li.2026")


def test_what_is_stored_is_argon2id_with_the_parameters_of_rfc_9106() -> None:
    stored = passwords.hash_of(GOOD)
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert GOOD not in stored
    assert passwords.hash_of(GOOD) != stored
    assert not passwords.is_outdated(stored)
    assert not PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY).check_needs_rehash(stored)


def test_only_the_same_password_matches() -> None:
    stored = passwords.hash_of(GOOD)
    assert passwords.matches(GOOD, stored)
    for wrong in ("", GOOD + " ", GOOD.upper(), "x" * 100_000):
        assert not passwords.matches(wrong, stored)


def test_input_methods_may_write_the_same_characters_in_several_ways() -> None:
    stored = passwords.hash_of("Ａｂｃ１２３４５６７é")
    assert passwords.matches("Abc1234567e\u0301", stored)


@pytest.mark.parametrize("stored", ["", "no hash at all", "$argon2id$v=19$m=65536,t=3,p=4$broken"])
def test_nothing_matches_a_missing_or_broken_hash(stored: str) -> None:
    assert not passwords.matches(GOOD, stored)
    assert not passwords.matches("nobody has this password", stored)


def test_a_hash_of_weaker_parameters_is_outdated_but_still_good() -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(GOOD)
    assert passwords.matches(GOOD, weak)
    assert passwords.is_outdated(weak)

"""A secret is compared and revealed, and never shown."""

from __future__ import annotations

import copy
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.secret import Secret

WORD = "Correct-Horse-7"


@pytest.mark.parametrize(
    "shown",
    [
        repr(Secret(WORD)),
        str(Secret(WORD)),
        f"{Secret(WORD)}",
        f"{Secret(WORD)!s:>60}",
        "%s %r" % (Secret(WORD), Secret(WORD)),  # noqa: UP031 - the ways in which texts are made are what is tested
        str([Secret(WORD)]),
        str({"password": Secret(WORD)}),
    ],
)
def test_no_text_made_of_it_shows_it(shown: str) -> None:
    assert "Correct" not in shown
    assert "Horse" not in shown


def test_no_exception_shows_it() -> None:
    with pytest.raises(ValueError) as raised:
        raise ValueError(Secret(WORD))
    assert WORD not in "".join(traceback.format_exception_only(raised.value))


def test_it_has_nothing_else_to_look_into() -> None:
    with pytest.raises(TypeError):
        vars(Secret(WORD))


@given(st.text(), st.text())
def test_it_equals_what_has_the_same_text(one: str, other: str) -> None:
    one, other = one.encode(errors="replace").decode(), other.encode(errors="replace").decode()
    assert (Secret(one) == Secret(other)) is (one == other)
    assert (Secret(one) == other) is (one == other)
    assert (one == Secret(other)) is (one == other)
    assert hash(Secret(one)) == hash(Secret(one))


def test_it_equals_nothing_that_is_no_text() -> None:
    assert Secret("1") != 1
    assert Secret("") != None  # noqa: E711 - the comparison is what is tested
    assert Secret("a") != b"a"


def test_it_is_as_true_as_its_text() -> None:
    assert Secret(WORD)
    assert not Secret("")


def test_only_reveal_shows_it() -> None:
    assert Secret(WORD).reveal() == WORD
    assert copy.deepcopy(Secret(WORD)) == pickle.loads(pickle.dumps(Secret(WORD))) == WORD

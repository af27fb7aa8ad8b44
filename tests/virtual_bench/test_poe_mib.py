"""POWER-ETHERNET-MIB of the virtual switch: order of instances and refusal of what is wrong."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from hil.virtual.poe_mib import answer


@dataclass
class Pse:
    admin: bool = True
    detection: int = 3

    def set_admin(self, on: bool) -> None:
        self.admin = on


TABLE = ".1.3.6.1.2.1.105.1.1.1"


@pytest.fixture
def ports() -> dict[tuple[int, int], Pse]:
    return {(1, 10): Pse(), (2, 1): Pse(admin=False, detection=1), (1, 9): Pse()}


def test_a_walk_meets_every_instance_once_in_the_order_of_its_numbers(ports: dict[tuple[int, int], Pse]) -> None:
    met, here = [], ".1.3.6.1.2.1.105"
    for _ in range(10):
        lines = answer(ports, ("getnext", here))
        if lines == ("NONE",):
            break
        here = lines[0]
        met.append((here.removeprefix(TABLE + "."), *lines[1:]))
    assert met == [
        ("3.1.9", "integer", "1"),
        ("3.1.10", "integer", "1"),
        ("3.2.1", "integer", "2"),
        ("6.1.9", "integer", "3"),
        ("6.1.10", "integer", "3"),
        ("6.2.1", "integer", "1"),
    ]


@pytest.mark.parametrize("oid", ["3", "3.1", "3.1.11", "6.3.1", "3.1.9.1", "4.1.9", "3.1.x", ""])
def test_what_is_not_an_instance_has_no_value(ports: dict[tuple[int, int], Pse], oid: str) -> None:
    assert answer(ports, ("get", f"{TABLE}.{oid}")) == ("NONE",)


@pytest.mark.parametrize(
    ("oid", "typed", "reply"),
    [
        ("3.1.9", "integer 2", "DONE"),
        ("3.1.9", "integer 0", "wrong-value"),
        ("3.1.9", "integer ", "wrong-value"),
        ("3.1.9", 'string "2"', "wrong-type"),
        ("3.1.11", "integer 2", "no-creation"),
        ("4.1.9", "integer 2", "no-creation"),
        ("6.1.9", "integer 1", "not-writable"),
    ],
)
def test_a_set_is_done_or_refused_by_name(ports: dict[tuple[int, int], Pse], oid: str, typed: str, reply: str) -> None:
    assert answer(ports, ("set", f"{TABLE}.{oid}", typed)) == (reply,)
    assert ports[(1, 9)].admin is (reply != "DONE")

"""Power on, insisted on: a switch may be slow to answer, and a phone that stays dark has to be told of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hil.bench.power import PowerTimedOut, insist_on
from hil.errors import LabFault

SLOW = PowerTimedOut("the switch is slow", port="p1")


class Outlet:
    """Fails to go on as often as it has faults left."""

    label = "switch p1"

    def __init__(self, *faults: Exception) -> None:
        self._faults: Iterator[Exception] = iter(faults)
        self.powered = False

    def on(self) -> None:
        for fault in self._faults:
            raise fault
        self.powered = True

    def off(self) -> None:
        raise NotImplementedError

    def delivering(self) -> bool:
        return self.powered

    def watts(self) -> float | None:
        return None


@pytest.mark.parametrize("faults", [(), (SLOW,), (SLOW, RuntimeError("a bug"))])
def test_it_is_tried_again(faults: tuple[Exception, ...]) -> None:
    outlet = Outlet(*faults)
    assert insist_on(outlet, "j179-1") is None
    assert outlet.powered


def test_what_stays_dark_is_told_with_the_last_fault() -> None:
    assert insist_on(Outlet(SLOW, SLOW, SLOW), "j179-1") is SLOW


def test_a_fault_of_another_kind_is_one_of_the_bench_with_phone_and_outlet() -> None:
    fault = insist_on(Outlet(SLOW, SLOW, RuntimeError("a bug")), "j179-1")
    assert isinstance(fault, LabFault)
    assert all(word in str(fault) for word in ("j179-1", "switch p1", "a bug"))

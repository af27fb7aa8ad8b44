"""Spanning tree as a switch tells of it, and as its ports are seen to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hil.bench.tables import Spanning, Station, Tables
from hil.bench.testbed import load
from hil.doctor import switch
from hil.doctor.examining import Ill, Untold

VIRTUAL = load(Path(__file__).resolve().parents[2] / "testbeds" / "virtual.yaml")
PORTS = ("p1.1", "p1.2", "p1.3")
HELD, FREE = Spanning(False), Spanning(True)


class Outlet:
    """One that does as it is told."""

    def off(self) -> None: ...

    def on(self) -> None: ...


def visit(*told: Tables, quick: bool = False) -> Any:
    """A bench whose switch tells one after another of these, and then the last for ever."""
    readings: Iterator[Tables] = iter([*told, *told[-1:] * 1000])
    bench = SimpleNamespace(tables=lambda: next(readings), power=lambda _: Outlet())
    return SimpleNamespace(testbed=VIRTUAL, bench=bench, quick=quick)


def tables(*spanning: Spanning, linked: Sequence[str] | None = PORTS) -> Tables:
    stations = tuple(Station(port, phone.mac) for port, phone in zip(PORTS, VIRTUAL.phones, strict=True))
    up = None if linked is None else frozenset(linked)
    return Tables(stations=stations, linked=up, spanning=dict(zip(PORTS, spanning, strict=False)))


def test_a_port_that_is_set_otherwise_is_named() -> None:
    with pytest.raises(Ill, match=r"no edge port: j179-1 \(p1\.2\)"):
        switch.edge(visit(tables(Spanning(True, True), Spanning(True, False), Spanning(True, True))))


def test_what_forwards_as_soon_as_its_link_comes_is_well() -> None:
    dark = tables(HELD, HELD, HELD, linked=())
    assert switch.edge(visit(tables(FREE, FREE, FREE), dark, tables(FREE, FREE, FREE))) == (
        "from link to forwarding: j139-1 0.0 s, j179-1 0.0 s, j189-1 0.0 s"
    )


@pytest.mark.parametrize("told", [(FREE,), ()])
def test_a_port_of_which_nothing_is_told_is_not_guessed(told: tuple[Spanning, ...]) -> None:
    with pytest.raises(Untold, match="tells nothing of spanning tree"):
        switch.edge(visit(tables(*told)))


def test_a_link_that_never_shows_measures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switch, "_WATCHED_FOR", 0.05)
    with pytest.raises(Untold, match="no link of j139-1, j179-1, j189-1 was told"):
        switch.edge(visit(tables(FREE, FREE, FREE, linked=None)))

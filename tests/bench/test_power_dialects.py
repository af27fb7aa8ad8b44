"""Each dialect against the command line of its house, over SSH and at a console; and what stands of it in a table."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from power_rigs import ACCESS, AMPLE
from power_simulators.box import Box, Mischief
from pydantic import ValidationError

from hil.bench.power.cli import CliLine, CliSwitch
from hil.bench.power.dialects import DIALECTS, Dialect
from hil.bench.power.readback import Gibberish, NoSession, NotLetIn, Reading, Refusal
from hil.bench.power.shell import Console, Login, Ssh
from hil.secret import Secret
from hil.virtual.command_line.console import ConsoleSwitch
from hil.virtual.command_line.houses import CISCO, HOUSES
from hil.virtual.command_line.session import WATTS
from hil.virtual.command_line.ssh import SshSwitch

WIRES = ("SSH", "serial")
TOLD = {"cisco-ios", "arubaos-switch", "aruba-cx", "junos", "mikrotik"}
"""Dialects whose status tells watts."""

shown: dict[tuple[str, str], str] = {}


@contextlib.contextmanager
def wired(
    wire: str, name: str, folder: Path, *, obstinate: bool
) -> Iterator[tuple[Ssh | Console, Box, SshSwitch | ConsoleSwitch]]:
    """A switch of a house on a wire; an obstinate one pages whatever it is told."""
    house = HOUSES[name]
    box = Box((house.port, house.other_port))
    if wire == "SSH":
        with SshSwitch(house, box, ACCESS, obstinate=obstinate) as far:
            yield Ssh("127.0.0.1", far.port, far.known_as(folder / "known_hosts")), box, far
    else:
        with ConsoleSwitch(house, box, ACCESS, obstinate=obstinate) as near:
            yield Console(near.device, 9600), box, near


def line_at(at: Ssh | Console, name: str, port: str, dialect: Dialect | None = None, enable: str = ACCESS.enable) -> CliLine:
    login = Login(ACCESS.user, Secret(ACCESS.password), None, Secret(enable))
    return CliLine(CliSwitch(at, login, dialect or DIALECTS[name], timeout=AMPLE, busy_wait=1.0), "sw1", port)


def state(reading: Reading) -> tuple[bool, bool]:
    return reading.set_on, reading.delivering


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("name", HOUSES)
def test_a_dialect_switches_reads_turns_pages_and_hears_a_no(name: str, wire: str, tmp_path: Path) -> None:
    house = HOUSES[name]
    with wired(wire, name, tmp_path, obstinate=True) as (at, box, switch):
        line, other = (line_at(at, name, port) for port in (house.port, house.other_port))
        with line.session():
            first = line.read()
            line.set(False)
            off = line.read()
            line.set(True)
            assert (state(first), state(off), state(line.read())) == ((True, True), (False, False), (True, True))
            assert first.watts == (WATTS if name in TOLD else None)
            box.mischief = Mischief.STUCK
            line.set(False)
            assert state(line.read()) == (False, True)
            box.mischief = Mischief.REFUSE
            with pytest.raises(Refusal):
                line.set(True)
        assert switch.is_idle()
        assert box.ports[house.other_port].wanted
        assert [port for port, _ in box.orders] == [house.port] * 4
        assert other.label == f"sw1 {house.other_port}"
    shown[name, wire] = "on off status " + ("watts " if name in TOLD else "") + "pages no"


@pytest.mark.parametrize("name", HOUSES)
def test_an_answer_about_another_port_is_not_read(name: str) -> None:
    house, dialect = HOUSES[name], DIALECTS[name]
    for page in (house.show(house.other_port, True, True), house.show(house.port + "1", False, False), "", house.refused):
        line = line_at(Console("/dev/null", 9600), name, house.port, dialect)
        line._switch.run = lambda _, page=page: page  # type: ignore[method-assign]
        with pytest.raises(Gibberish):
            line.read()


@pytest.mark.parametrize("level", ["user", "enable", "config", "port"])
def test_a_console_that_somebody_left_open_is_used_and_closed(level: str, tmp_path: Path) -> None:
    with wired("serial", "cisco-ios", tmp_path, obstinate=False) as (at, box, switch):
        assert isinstance(switch, ConsoleSwitch)
        switch.leave_open(level)
        line = line_at(at, "cisco-ios", CISCO.port)
        with line.session():
            line.set(False)
            assert state(line.read()) == (False, False)
        assert switch.is_idle()
        assert not box.ports[CISCO.port].power


@pytest.mark.parametrize("wire", WIRES)
def test_a_wrong_password_of_enable_is_told(wire: str, tmp_path: Path) -> None:
    with wired(wire, "cisco-ios", tmp_path, obstinate=False) as (at, _, switch):
        line = line_at(at, "cisco-ios", CISCO.port, enable="mistaken-w0rd")
        with pytest.raises(NotLetIn, match="may not enable") as caught, line.session():
            pass
        assert "mistaken-w0rd" not in str(caught.value)
        assert switch.is_idle()


def test_a_configuration_that_somebody_else_has_locked_is_busy(tmp_path: Path) -> None:
    locked = "error: configuration database locked by:\n  root terminal p0 (pid 4711) on since 2026-11-20\n"
    rules = (("user", "configure private", lambda *_: locked), *HOUSES["junos"].rules)
    box = Box((HOUSES["junos"].port, HOUSES["junos"].other_port))
    with SshSwitch(dataclasses.replace(HOUSES["junos"], rules=rules), box, ACCESS) as switch:
        line = line_at(Ssh("127.0.0.1", switch.port, switch.known_as(tmp_path / "known_hosts")), "junos", HOUSES["junos"].port)
        with pytest.raises(NoSession, match="configuration database locked by"), line.session():
            line.set(False)
    assert box.orders == []


def test_a_dialect_that_could_mistake_a_port_is_refused() -> None:
    described = DIALECTS["cisco-ios"].model_dump()
    for key, value, words in (
        ("reading", r"(?P<set>\S+) (?P<power>\S+)", "does not say {port}"),
        ("reading", r"{port} (?P<set>\S+)", "has no groups set and power"),
        ("status", "show power inline", "does not say {port}"),
        ("refusal", "(", "is no pattern"),
        ("means_off", [], "at least 1 item"),
    ):
        with pytest.raises(ValidationError, match=words):
            Dialect.model_validate({**described, key: value})


def test_the_dialects_are_printed(tell_at_the_end: Callable[[str, str], None]) -> None:
    if len(shown) < len(HOUSES) * len(WIRES):
        pytest.skip("not every dialect was played in this process")
    rows = [("dialect", *WIRES), *((name, *(shown[name, wire] for wire in WIRES)) for name in HOUSES)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    tell_at_the_end("dialects of switches", "\n".join(lines))

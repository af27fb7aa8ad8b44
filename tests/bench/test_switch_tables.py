"""Neighbours and stations by the command line of each house, over SSH and at a console; and what a switch may leave out."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from power_rigs import ACCESS, AMPLE, SECRETS
from power_simulators.box import Box
from power_simulators.tables import MAC, SHOWN, STRANGER
from pydantic import ValidationError

from hil.bench.power import PowerUnreachable, Wiring
from hil.bench.power.dialects import DIALECTS
from hil.bench.power.listings import Listing
from hil.bench.power.ways import find_way
from hil.bench.source import Source
from hil.bench.tables import Neighbour, Station, Tables
from hil.bench.tables.cli import read_neighbours, read_stations
from hil.bench.tables.reading import can_tell, reader_of
from hil.clock import ManualClock
from hil.errors import Misuse
from hil.virtual.command_line.console import ConsoleSwitch
from hil.virtual.command_line.houses import CISCO, HOUSES, JUNOS
from hil.virtual.command_line.session import House
from hil.virtual.command_line.ssh import SshSwitch

TOLD = {
    "hardware": "J179D02A",
    "firmware": "4.1.3.0.6",
    "software": "4.1.3.0.6",
    "serial": "19WZ17900002",
    "maker": "Avaya",
    "model": "J179",
}


def the_phone(dialect: str) -> Neighbour:
    """The phone as that house shows it."""
    *_, port, _, inventory = SHOWN[dialect]
    return Neighbour(port, MAC, "192.0.2.102", "AVX83E85A", **(TOLD if inventory else {}))


def listing(dialect: str) -> Listing:
    """How that house lists."""
    found = DIALECTS[dialect].listing
    assert found is not None
    return found


@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_house_is_read(dialect: str) -> None:
    neighbours, stations, port, other, _ = SHOWN[dialect]
    assert read_neighbours(listing(dialect), neighbours)[0] == the_phone(dialect)
    assert read_stations(listing(dialect), stations) == [Station(port, MAC), Station(other, STRANGER)]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_words_of_another_kind_show_nobody(dialect: str) -> None:
    for words in ("", "LLDP is not enabled\n", "\x1b[2J" * 50, "Port id: c81f\nPort: \n"):
        assert read_neighbours(listing(dialect), words) == []
        assert read_stations(listing(dialect), words) == []


def telling(house: House, dialect: str, *, neighbours: str | None = None) -> House:
    """The house, which also lists; {port} in a question is its own."""
    shown = SHOWN[dialect]
    asked = listing(dialect)
    question = re.escape(asked.neighbours).replace(r"\{port\}", re.escape(shown[2]))
    rules = (
        ("user enable", question, lambda _cli, _found: shown[0] if neighbours is None else neighbours),
        ("user enable", re.escape(asked.stations), lambda _cli, _found: shown[1]),
    )
    return replace(house, rules=(*rules, *house.rules))


def read(power: dict[str, object], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Tables:
    """The tables of the switch that `power` reaches."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    way = find_way(power["kind"], file=Source(folder / "lab.yaml"))
    wiring = Wiring(ManualClock(), 1.0, str(folder), str(folder / "lab.yaml"), turns=folder, key="switch")
    reader = reader_of(way.settings.model_validate(power), wiring, "lab")
    try:
        return reader.read([MAC])
    finally:
        reader.close()


LOGIN = {"user": ACCESS.user, "password_env": "RIG_PASSWORD", "enable_env": "RIG_ENABLE", "timeout": AMPLE}


def test_over_ssh_page_by_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SshSwitch(telling(CISCO, "cisco-ios"), Box(("Gi1/0/1",)), ACCESS, obstinate=True) as switch:
        switch.known_as(tmp_path / "known_hosts")
        power = {"kind": "ssh", "address": "127.0.0.1", "port": switch.port, "known_hosts": "known_hosts", **LOGIN}
        found = read({**power, "dialect": "cisco-ios"}, tmp_path, monkeypatch)
        assert switch.is_idle()
    assert found.neighbours[0] == the_phone("cisco-ios")
    assert [each.name for each in found.neighbours] == ["AVX83E85A", "core"]
    assert found.ports_of(MAC) == {"Gi1/0/2"}
    assert found.gaps == ()
    assert found.linked is None


def test_at_a_console_port_by_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ConsoleSwitch(telling(JUNOS, "junos"), Box(("ge-0/0/1",)), ACCESS) as switch:
        power = {"kind": "serial", "device": switch.device, "dialect": "junos", **LOGIN}
        found = read(power, tmp_path, monkeypatch)
    assert found.neighbours == (the_phone("junos"),)  # the stranger's port was not asked for
    assert found.at("ge-0/0/24") == {STRANGER}


def test_a_switch_that_tells_nothing_of_lldp_says_so_and_its_stations_still_tell_the_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = telling(CISCO, "cisco-ios", neighbours="\nTotal entries displayed: 0\n")
    with SshSwitch(silent, Box(("Gi1/0/1",)), ACCESS) as switch:
        switch.known_as(tmp_path / "known_hosts")
        power = {"kind": "ssh", "address": "127.0.0.1", "port": switch.port, "known_hosts": "known_hosts", **LOGIN}
        found = read({**power, "dialect": "cisco-ios"}, tmp_path, monkeypatch)
    assert found.ports_of(MAC) == {"Gi1/0/2"}
    assert found.gaps == ("no LLDP neighbours (show lldp neighbors detail)",)


def test_a_switch_that_refuses_both_questions_leaves_gaps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SshSwitch(CISCO, Box(("Gi1/0/1",)), ACCESS) as switch:
        switch.known_as(tmp_path / "known_hosts")
        power = {"kind": "ssh", "address": "127.0.0.1", "port": switch.port, "known_hosts": "known_hosts", **LOGIN}
        found = read({**power, "dialect": "cisco-ios"}, tmp_path, monkeypatch)
    assert (found.neighbours, found.stations) == ((), ())
    assert [gap.split(":")[0] for gap in found.gaps] == [
        "no LLDP neighbours (show lldp neighbors detail)",
        "no forwarding table (show mac address-table)",
        "refused",
        "refused",
    ]


def test_a_switch_that_is_not_there_is_a_fault_of_the_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "known_hosts").write_text("")
    power = {"kind": "ssh", "address": "127.0.0.1", "port": 9, "known_hosts": "known_hosts", "dialect": "junos", **LOGIN}
    with pytest.raises(PowerUnreachable, match=r"bench lab.*tried read its LLDP neighbours and forwarding table"):
        read({**power, "busy_wait": 0.0}, tmp_path, monkeypatch)


def test_what_reaches_no_switch_and_a_dialect_that_lists_nothing_are_misuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = {"kind": "manual"}
    assert not can_tell(find_way("manual", file=Source(tmp_path)).settings.model_validate(person))
    with pytest.raises(Misuse, match="reaches no switch that could tell where the phones hang"):
        read(person, tmp_path, monkeypatch)
    (tmp_path / "known_hosts").write_text("")
    own = DIALECTS["junos"].model_copy(update={"listing": None}).model_dump()
    power = {"kind": "ssh", "address": "127.0.0.1", "known_hosts": "known_hosts", "dialect": own, **LOGIN}
    with pytest.raises(Misuse, match=r"switch.dialect: has no listing"):
        read(power, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("neighbour", "(", "is no pattern"),
        ("station", "(?P<mac>x)", "has no group port"),
        ("told", {"mac": "(a)(b)"}, "has not one group"),
        ("told", {"colour": "(a)"}, "Input should be 'mac'"),
    ],
)
def test_a_listing_of_ones_own_is_checked(key: str, value: object, why: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(why)):
        Listing.model_validate({**listing("junos").model_dump(), key: value})


def test_every_dialect_has_a_house_and_a_listing() -> None:
    assert set(HOUSES) == set(SHOWN) == set(DIALECTS)

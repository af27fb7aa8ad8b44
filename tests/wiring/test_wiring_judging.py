"""Phones held against their testbed: each thing that can be wrong with cables, outlets and identities, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from hil.bench.tables import Neighbour, Station, Tables
from hil.identity import Identity
from hil.wiring.judging import Fault, Place, Wired, judged
from hil.wiring.sayings import Said, Way, by_http, release

ONE = Place("one", Identity("J139", "c8:1f:ea:00:00:01", "21WZ1"), "sw 1.1", "p1")
TWO = Place("two", Identity("J179", "c8:1f:ea:00:00:02", "19WZ2"), "sw 1.2", "p2")
PLACES = (ONE, TWO)


def lldp(place: Place, port: str, **other: str) -> Neighbour:
    """What that phone announces on a port, but for what is said otherwise."""
    told = {"model": place.identity.model4, "serial": place.identity.serial, "software": "4.1.3.0.6", **other}
    return Neighbour(port, place.identity.mac, **told)


def frames(place: Place, port: str) -> Station:
    """That phone's frames, seen on a port."""
    return Station(port, place.identity.mac)


def both(**of_one: str) -> tuple[Neighbour, ...]:
    """Both phones where they should be; the first says some things otherwise."""
    return (lldp(ONE, "p1", **of_one), lldp(TWO, "p2"))


AS_TOLD = Tables(both(), (frames(ONE, "p1"), frames(TWO, "p2")))


def wired(
    tables: Tables,
    places: Sequence[Place] = PLACES,
    said: Mapping[str, Sequence[Said]] | None = None,
    dark: Sequence[str] = (),
    mute: Sequence[str] = (),
) -> dict[str, Wired]:
    """The judgment by phone."""
    return {each.phone: each for each in judged(places, tables, said or {}, unpowered=dark, unanswered=mute)}


def faults(of: Wired) -> list[Fault]:
    """What is wrong, in order."""
    return [problem.fault for problem in of.problems]


def test_all_as_told() -> None:
    for each in wired(AS_TOLD).values():
        assert each.verified
        assert each.seen == each.place.port
        assert [(said.way, said.firmware) for said in each.said] == [(Way.LLDP, "4.1.3.0.6")]


def test_swapped_cables_name_both_phones() -> None:
    found = wired(Tables((lldp(ONE, "p2"), lldp(TWO, "p1"))))
    assert faults(found["one"]) == faults(found["two"]) == [Fault.SWAPPED]
    assert found["one"].problems[0].seen == "is on p2, should be on p1, where two is"
    assert found["one"].problems[0].remedy == "exchange the cables of one and two, or their outlets in the testbed"


def test_a_cable_in_anothers_port_and_in_nobodys() -> None:
    (wrong,) = wired(Tables((lldp(ONE, "p9"), lldp(TWO, "p2"))))["one"].problems
    assert (wrong.fault, wrong.seen) == (Fault.WRONG_PORT, "is on p9, should be on p1")
    found = wired(Tables((lldp(ONE, "p2"),), (frames(ONE, "p2"), frames(TWO, "p2"))))
    assert faults(found["one"]) == [Fault.WRONG_PORT, Fault.SHARED]
    assert "that is the port of two" in found["one"].problems[0].seen
    assert faults(found["two"]) == [Fault.SHARED, Fault.UNSAID]
    assert found["two"].problems[0].seen == "p2 also has c8:1f:ea:00:00:01 (one)"


def test_a_stranger_behind_the_phone() -> None:
    found = wired(replace(AS_TOLD, stations=(*AS_TOLD.stations, Station("p1", "02:00:00:00:00:99"))))
    assert faults(found["one"]) == [Fault.SHARED]
    assert "02:00:00:00:00:99" in found["one"].problems[0].seen
    assert found["two"].verified


def test_the_port_to_another_switch_is_no_phones_port() -> None:
    uplink = tuple(Station("up", mac) for mac in (ONE.identity.mac, TWO.identity.mac, "02:00:00:00:00:98", "02:00:00:00:00:99"))
    found = wired(Tables(stations=(frames(ONE, "p1"), frames(TWO, "p2"), *uplink)))
    assert [each.seen for each in found.values()] == ["p1", "p2"]


def test_a_phone_that_is_nowhere() -> None:
    found = wired(Tables((lldp(TWO, "p2"),), gaps=("no forwarding table (BRIDGE-MIB)",)))
    assert faults(found["one"]) == [Fault.NOT_SEEN]
    assert found["one"].problems[0].seen == "c8:1f:ea:00:00:01 is at no port (no forwarding table (BRIDGE-MIB))"
    assert not found["one"].contradicted
    (dark,) = wired(Tables(), dark=["one"])["one"].problems
    assert (dark.fault, dark.remedy) == (Fault.UNPOWERED, "hil power on one")


def test_another_phone_in_its_place_is_named() -> None:
    exchanged = Neighbour("p1", "c8:1f:ea:00:00:03", model="J139", serial="21WZ3")
    (problem,) = wired(Tables((exchanged, lldp(TWO, "p2"))))["one"].problems
    assert problem.fault is Fault.NOT_SEEN
    assert problem.seen.startswith("p1 has c8:1f:ea:00:00:03 J139 21WZ3,")
    assert "write the MAC and serial number of the new one into the testbed" in problem.remedy


def test_a_port_that_nobody_told() -> None:
    untold = replace(ONE, port=None)
    (problem,) = wired(AS_TOLD, [untold, TWO])["one"].problems
    assert problem.fault is Fault.UNPLACED
    assert "write switch_port: p1 if sw 1.1 powers that" in problem.remedy
    assert wired(AS_TOLD, [replace(untold, observed="p1"), TWO])["one"].verified


def test_an_outlet_that_powers_another_port() -> None:
    found = wired(AS_TOLD, [replace(ONE, observed="p2"), replace(TWO, observed="p1")])
    assert faults(found["one"]) == [Fault.OUTLET, Fault.SWAPPED]
    assert found["one"].problems[0].seen == "sw 1.1 powers p2, the testbed says p1"
    (problem,) = wired(AS_TOLD, [replace(ONE, unmoved=True), TWO])["one"].problems
    assert (problem.fault, problem.seen) == (Fault.OUTLET, "no port lost its link while sw 1.1 was off")


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        ({"serial": "21WZ9"}, Fault.WRONG_SERIAL),
        ({"serial": "21wz1"}, None),
        ({"model": "J159"}, Fault.WRONG_MODEL),
        ({"hardware": "J139D02A"}, None),
        ({"hardware": "J189D02A"}, Fault.WRONG_MODEL),
    ],
)
def test_what_lldp_says_against_the_testbed(told: dict[str, str], fault: Fault | None) -> None:
    found = wired(Tables(both(**told)))["one"]
    assert faults(found) == ([fault] if fault else [])
    assert found.contradicted is (fault is not None)
    for problem in found.problems:
        assert next(iter(told.values())) in problem.seen
        assert "by LLDP (port p1) the phone says" in problem.seen


def agent(mac: str, model: str = "J139", firmware: str = "4.1.3.0.6") -> Said:
    """A User-Agent as it is read."""
    said = by_http(f"Mozilla/4.0 (compatible; MSIE 6.0) AVAYA/{model}-{firmware} (MAC:{mac})", "file request")
    assert said is not None
    return said


def test_what_http_and_lldp_say_is_compared() -> None:
    assert wired(AS_TOLD, said={"one": [agent("c81fea000001")]})["one"].verified
    other = wired(AS_TOLD, said={"one": [agent("c81fea000002", "J179", "4.1.11.0.9")]})["one"]
    assert faults(other) == [Fault.WRONG_MAC, Fault.WRONG_MODEL, Fault.FIRMWARE]
    assert other.problems[2].seen == "by LLDP (port p1) 4.1.3.0.6, by HTTP (file request) 4.1.11.0.9"
    by_file = Tables(both(software="FW_S_J139_R4_1_3_0_6.bin"))
    assert wired(by_file, said={"one": [agent("c81fea000001", firmware="4.1.3.0")]})["one"].verified


def test_a_phone_that_does_not_answer_by_snmp_is_not_verified_and_contradicts_nothing() -> None:
    found = wired(AS_TOLD, mute=["one"])["one"]
    assert faults(found) == [Fault.NO_SNMP]
    assert not found.contradicted
    assert "SNMPSTRING" in found.problems[0].remedy


def test_a_serial_that_nobody_told_is_not_verified() -> None:
    found = wired(Tables(stations=(frames(ONE, "p1"), frames(TWO, "p2"))), said={"two": [Said(Way.SNMP, "", serial="19WZ2")]})
    assert faults(found["one"]) == [Fault.UNSAID]
    assert found["two"].verified


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4.1.3.0.6", "4.1.3.0.6"),
        ("FW_S_J179_R4_1_11_0_9.bin", "4.1.11.0.9"),
        ("J169_SIP_R4.0.7", "4.0.7"),
        ("J179", None),
        (None, None),
    ],
)
def test_a_release_is_read_from_versions_and_names_of_files(text: str | None, expected: str | None) -> None:
    assert release(text) == expected


def test_the_agent_of_a_browser_says_nothing() -> None:
    assert by_http("curl/7.88.1", "file request") is None

"""Phones held against their testbed: the port, the MAC address, the model, the serial number, the firmware.

Pure functions over what was read. What nobody said is no fault of a phone's or a cable's, but neither is it verified:
each row says so, and what to do about it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from hil.bench.tables import Tables, same_port
from hil.identity import Identity
from hil.wiring.sayings import Said, by_lldp


class Fault(StrEnum):
    """What can be wrong with a phone's place, or with what it says of itself."""

    UNPOWERED = "no power"
    NOT_SEEN = "not seen"
    WRONG_PORT = "wrong port"
    SWAPPED = "swapped"
    SHARED = "shared port"
    OUTLET = "wrong outlet"
    UNPLACED = "port not told"
    UNSAID = "serial not told"
    NO_SNMP = "no SNMP"
    WRONG_MAC = "wrong MAC"
    WRONG_MODEL = "wrong model"
    WRONG_SERIAL = "wrong serial"
    FIRMWARE = "firmware differs"


UNKNOWING = frozenset({Fault.UNPOWERED, Fault.NOT_SEEN, Fault.UNPLACED, Fault.UNSAID, Fault.NO_SNMP})
"""Faults that only say that something was not seen; all others contradict the testbed."""


@dataclass(frozen=True)
class Problem:
    """One thing that is not as the testbed says: what was seen, and what to do."""

    fault: Fault
    seen: str
    remedy: str


@dataclass(frozen=True)
class Place:
    """A phone as its testbed describes it: `outlet` is how messages call what powers it, `port` the switch's name of its port.

    `observed` is the port that lost its link when the outlet's power went, None where nobody tried; `unmoved` says that none did.
    """

    phone: str
    identity: Identity
    outlet: str
    port: str | None = None
    observed: str | None = None
    unmoved: bool = False

    @property
    def expected(self) -> str | None:
        """The port on which the phone should be seen: what was observed, or else told."""
        return self.observed or self.port


@dataclass(frozen=True)
class Wired:
    """One phone and its place: where it should be, where it was seen, what it said, and what is wrong."""

    place: Place
    seen: str | None
    said: tuple[Said, ...] = ()
    problems: tuple[Problem, ...] = field(default=())

    @property
    def phone(self) -> str:
        """The phone's name in the testbed."""
        return self.place.phone

    @property
    def contradicted(self) -> bool:
        """Whether anything speaks against the testbed, beyond what merely was not seen."""
        return any(problem.fault not in UNKNOWING for problem in self.problems)

    @property
    def verified(self) -> bool:
        """Whether place and serial number were seen and are as the testbed says."""
        return not self.problems


def judged(
    places: Sequence[Place],
    tables: Tables,
    said: Mapping[str, Sequence[Said]],
    *,
    unpowered: Collection[str] = (),
    unanswered: Collection[str] = (),
) -> tuple[Wired, ...]:
    """Each phone held against the tables and against what it said beside LLDP, in the order of `places`.

    `unpowered` phones have an outlet that delivers nothing; `unanswered` were asked by SNMP in vain.
    """
    seats = {place.phone: seat_of(tables, place.identity.mac) for place in places}
    result = []
    for place in places:
        own = [by_lldp(each) for each in tables.neighbours if each.mac == place.identity.mac]
        words = (*own, *said.get(place.phone, ()))
        found = seats[place.phone]
        problems = [
            *(_absent(place, tables, unpowered) if found is None else _misplaced(place, found, places, seats)),
            *(_shared(place, found, tables, places) if found else ()),
            *_otherwise(place.identity, words),
        ]
        if found is not None and not any(each.serial for each in words):
            remedy = "let the switch speak LLDP on this port and show LLDP-MED, or give the phone an SNMP community"
            problems.append(Problem(Fault.UNSAID, f"nobody told a serial number of {place.identity.mac}", remedy))
        if place.phone in unanswered and found is not None:
            remedy = "its settings must name the community (SNMPSTRING) and this PC (SNMPADD), as a run's do"
            problems.append(Problem(Fault.NO_SNMP, f"{place.phone} does not answer by SNMP", remedy))
        result.append(Wired(place, found, words, tuple(problems)))
    return tuple(result)


def seat_of(tables: Tables, mac: str) -> str | None:
    """The port that a MAC address hangs on; None where it was not seen.

    LLDP goes no further than its link. The forwarding table also names the ports that lead to other switches, where many
    addresses are; the fewest are at the phone's own.
    """
    announced = sorted({each.port for each in tables.neighbours if each.mac == mac and each.port is not None})
    return min(announced or sorted(tables.ports_of(mac)), key=lambda port: len(tables.at(port)), default=None)


def _absent(place: Place, tables: Tables, unpowered: Collection[str]) -> Iterator[Problem]:
    if place.phone in unpowered:
        yield Problem(Fault.UNPOWERED, f"{place.outlet} delivers nothing", f"hil power on {place.phone}")
        return
    there = place.expected and _named(tables, place.expected)
    if there:
        seen = f"{place.expected} has {there}, and {place.identity.mac} is nowhere"
        remedy = "if the phone was exchanged, write the MAC and serial number of the new one into the testbed"
    else:
        seen = f"{place.identity.mac} is at no port" + (f" ({'; '.join(tables.gaps)})" if tables.gaps else "")
        remedy = "look at its cable and power, and wait until it has booted"
    yield Problem(Fault.NOT_SEEN, seen, remedy)


def _named(tables: Tables, port: str) -> str:
    """Who is at a port, with what they said of themselves."""
    told = {each.mac: by_lldp(each) for each in tables.neighbours if each.mac and each.port and same_port(each.port, port)}
    macs = sorted(mac for each in tables.ports if same_port(each, port) for mac in tables.at(each))
    words = (" ".join(filter(None, (mac, told[mac].model, told[mac].serial))) if mac in told else mac for mac in macs)
    return ", ".join(words)


def _misplaced(place: Place, found: str, places: Sequence[Place], seats: Mapping[str, str | None]) -> Iterator[Problem]:
    if place.observed and place.port and not same_port(place.observed, place.port):
        seen = f"{place.outlet} powers {place.observed}, the testbed says {place.port}"
        yield Problem(Fault.OUTLET, seen, f"write switch_port: {place.observed}, or the outlet that powers {place.port}")
    if place.unmoved:
        remedy = "see what the outlet powers; a phone on an adapter goes on without it"
        yield Problem(Fault.OUTLET, f"no port lost its link while {place.outlet} was off", remedy)
    elif place.expected is None:
        remedy = f"write switch_port: {found} if {place.outlet} powers that, or let hil wiring --by-power find out"
        yield Problem(Fault.UNPLACED, f"is on {found}; the testbed does not say which port {place.outlet} powers", remedy)
    elif not same_port(place.expected, found):
        owner = next((other for other in places if other.expected and same_port(other.expected, found)), None)
        seen = f"is on {found}, should be on {place.expected}"
        if owner is None:
            yield Problem(Fault.WRONG_PORT, seen, f"plug it into {place.expected}, or correct its outlet and port in the testbed")
        elif (theirs := seats.get(owner.phone)) and same_port(theirs, place.expected):
            remedy = f"exchange the cables of {place.phone} and {owner.phone}, or their outlets in the testbed"
            yield Problem(Fault.SWAPPED, f"{seen}, where {owner.phone} is", remedy)
        else:
            yield Problem(Fault.WRONG_PORT, f"{seen}; that is the port of {owner.phone}", f"plug it into {place.expected}")


def _shared(place: Place, found: str, tables: Tables, places: Sequence[Place]) -> Iterator[Problem]:
    others = tables.at(found) - {place.identity.mac}
    if not others:
        return
    names = {other.identity.mac: other.phone for other in places}
    who = ", ".join(f"{mac} ({names[mac]})" if mac in names else mac for mac in sorted(others))
    remedy = "unplug what hangs behind the phone, or between it and the switch: its power would go with the phone's"
    yield Problem(Fault.SHARED, f"{found} also has {who}", remedy)


def _otherwise(identity: Identity, words: Sequence[Said]) -> Iterator[Problem]:
    """What a phone says of itself against the testbed, and its firmware by one way against another's."""
    for said in words:
        by = f"by {said.way} ({said.where}) the phone says"
        if said.mac and said.mac != identity.mac:
            remedy = "another phone has its address: correct mac in the testbed, or see who else gives out addresses"
            yield Problem(Fault.WRONG_MAC, f"{by} {said.mac}, the testbed {identity.mac}", remedy)
        if said.model and not _same_model(said.model, identity.model):
            remedy = "correct model in the testbed, or plug in the phone that it means"
            yield Problem(Fault.WRONG_MODEL, f"{by} {said.model}, the testbed {identity.model}", remedy)
        if said.serial and said.serial.upper() != identity.serial.upper():  # the phone's macros do not tell the cases apart
            remedy = "correct serial in the testbed: certificates are asked for by it"
            yield Problem(Fault.WRONG_SERIAL, f"{by} {said.serial}, the testbed {identity.serial}", remedy)
    releases = [(said, said.firmware) for said in words if said.firmware]
    for said, firmware in releases[1:]:
        if not _same_release(firmware, releases[0][1]):
            first = releases[0][0]
            seen = f"by {first.way} ({first.where}) {releases[0][1]}, by {said.way} ({said.where}) {firmware}"
            yield Problem(
                Fault.FIRMWARE,
                seen,
                "one is from before an upgrade: restart the phone; what it said by HTTP stands until the next run",
            )


def _same_model(one: str, other: str) -> bool:
    """Some ways leave out what stands behind the first four characters."""
    short = min(len(one), len(other))
    return one[:4] == other[:4] and (short == 4 or one == other)


def _same_release(one: str, other: str) -> bool:
    """Some ways leave out the build, which comes last."""
    return all(a == b for a, b in zip(one.split("."), other.split("."), strict=False))

"""The wiring of an opened bench: everybody is asked where the phones are and who they are, and the answers judged."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import replace

from hil.bench.bench import Bench
from hil.bench.power.cli import CliOutlet
from hil.bench.tables import Tables
from hil.bench.testbed import Phone, Testbed
from hil.clock import ScaledClock
from hil.wiring.asking import by_snmp, phone_community
from hil.wiring.judging import Place, Wired, judged, seat_of
from hil.wiring.listening import Ear, ear
from hil.wiring.remembering import remembered
from hil.wiring.sayings import Said, by_lldp

PATIENCE = 45.0
"""Real seconds: a switch announces itself every 30, and a phone answers within 2 (docs/sources.md)."""

_LOOK = 1.0
_LINK_LOST_WITHIN = 20.0
_DISCARD = 9
_ASKED_AT_ONCE = 16


def verify_wiring(bench: Bench, *, by_power: bool = False, listen: bool = False, patience: float = PATIENCE) -> tuple[Wired, ...]:
    """Each phone of an opened bench, where it hangs and what it says of itself, held against the testbed.

    Phones that are not seen yet are waited for, `patience` real seconds at most. With `by_power` each outlet is switched off
    until a port has lost its link, and on again, which shows what it powers: the phones start anew. With `listen` the PC
    speaks LLDP at its own interface too. `LabFault` where the switch cannot be asked, `Misuse` where the testbed names none.
    """
    testbed = bench.testbed
    with ear(bench.capture_interface) if listen else nullcontext() as own:
        tables = _settled(bench, patience, own)
        heard = own.heard() if own else ()
    places = [_place(bench, phone) for phone in testbed.phones]
    if by_power:
        places = [_observed(bench, place, tables) for place in places]
    dark = [
        phone.name for phone in testbed.phones if seat_of(tables, phone.mac) is None and not bench.power(phone.name).delivering()
    ]
    said, unanswered = _said(bench, testbed.phones)
    for phone in testbed.phones:
        said[phone.name] += [by_lldp(each, f"interface {each.port}") for each in heard if each.mac == phone.mac]
    return judged(places, tables, said, unpowered=dark, unanswered=unanswered)


def seated(bench: Bench, phone: Phone, tables: Tables) -> Wired:
    """One phone held against what the switch knows; nobody is waited for."""
    testbed = bench.testbed
    said, unanswered = _said(bench, [phone])
    found = judged([_place(bench, each) for each in testbed.phones], tables, said, unanswered=unanswered)
    return next(each for each in found if each.phone == phone.name)


def _place(bench: Bench, phone: Phone) -> Place:
    port = phone.switch_port or (phone.power.port if isinstance(phone.power, CliOutlet) else None)
    return Place(phone.name, phone.identity, bench.power(phone.name).label, port)


def _said(bench: Bench, phones: Sequence[Phone]) -> tuple[dict[str, list[Said]], list[str]]:
    """What phones say beside LLDP, by name: in their last file request, and by SNMP; and who was asked by SNMP in vain."""
    asked, community = bench.testbed.phone_snmp, phone_community(bench.testbed)
    answers: dict[str, Said | None] = {}
    if asked is not None and community is not None:
        with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
            answered = pool.map(lambda phone: by_snmp(str(phone.address), asked, community), phones)
            answers = {phone.name: answer for phone, answer in zip(phones, answered, strict=True)}
    said = {phone.name: [remembered(bench.state, phone), answers.get(phone.name)] for phone in phones}
    unanswered = [name for name, answer in answers.items() if answer is None]
    return {name: [each for each in heard if each is not None] for name, heard in said.items()}, unanswered


def _settled(bench: Bench, patience: float, own: Ear | None) -> Tables:
    """The tables as soon as every phone has announced itself, to the switch or to us, or when patience is over."""
    clock, wanted = ScaledClock(), {phone.mac for phone in bench.testbed.phones}
    start = clock.now()
    while True:
        _knock(bench.testbed)
        if own is not None:
            own.announce()
        tables = bench.tables()
        announced = {each.mac for each in (*tables.neighbours, *(own.heard() if own else ()))}
        if wanted <= announced or (clock.now() - start).total_seconds() >= patience:
            return tables
        clock.wait(threading.Event(), _LOOK)


def _knock(testbed: Testbed) -> None:
    """Let each phone send something, an ARP reply at least: a switch forgets who says nothing for minutes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as knocker:
        for phone in testbed.phones:
            with suppress(OSError):  # nobody there; the tables will say so
                knocker.sendto(b"", (str(phone.address), _DISCARD))


def _observed(bench: Bench, place: Place, before: Tables) -> Place:
    """The place with the port that loses its link while the outlet is off."""
    clock, outlet = ScaledClock(), bench.power(place.phone)
    before = replace(bench.tables(), neighbours=before.neighbours, stations=before.stations)
    try:
        outlet.off()
        start = clock.now()
        while not (lost := _lost(before, bench.tables())) and (clock.now() - start).total_seconds() < _LINK_LOST_WITHIN:
            clock.wait(threading.Event(), _LOOK)
    finally:
        outlet.on()
    seat = seat_of(before, place.identity.mac)
    observed = seat if seat in lost else min(lost, default=None)
    return replace(place, observed=observed, unmoved=not lost)


def _lost(before: Tables, now: Tables) -> frozenset[str]:
    """Ports that have lost their link, or their last station where the switch does not tell of links."""
    if before.linked is not None and now.linked is not None:
        return before.linked - now.linked
    return frozenset(port for port in before.ports if before.at(port) and not now.at(port))

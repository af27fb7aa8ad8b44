"""What a run needs of the switch: that it obeys, that each outlet is its phone's, that ports forward frames at once."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime

from hil.bench.power import cycle
from hil.bench.power.cli import CliOutlet
from hil.bench.tables import Spanning, Tables, same_port
from hil.bench.tables.reading import can_tell
from hil.bench.testbed import Phone
from hil.clock import ScaledClock
from hil.doctor.examining import LEFT_ALONE, Ill, Untold
from hil.doctor.visit import Visit
from hil.wiring.judging import Fault, seat_of
from hil.wiring.verifying import verify_wiring

LONGEST_HOLD = 4.0
"""Real seconds without frames after the link came: spanning tree listens, and then learns, for at least that (IEEE 802.1D)."""
_WATCHED_FOR = 45.0
"""Real seconds in which a port forwards by the standard's defaults, with some to spare."""
_LOOK = 0.25


def switch(visit: Visit) -> str:
    """That each outlet can be read, and set; what is on already is set on, which no phone feels."""
    outlets = {phone.name: visit.bench.power(phone.name) for phone in visit.testbed.phones}
    on = [outlet for outlet in outlets.values() if outlet.delivering()]
    for outlet in on:
        outlet.on()
    dark = f"; {len(outlets) - len(on)} off, and left so" if len(on) < len(outlets) else ""
    return f"{len(outlets)} outlets read, {len(on)} set on, as they are{dark}"


def wiring(visit: Visit) -> str:
    """That each outlet powers its phone and nothing else, by LLDP, forwarding table and, not if quick, by switching it."""
    if not _can_tell(visit):
        raise Untold(f"power by {visit.testbed.power.kind} reaches nothing that knows its ports; add `switch` (docs/wiring.md)")
    found = verify_wiring(visit.bench, by_power=not visit.quick, patience=visit.patience.wiring)
    problems = [(wired.phone, problem) for wired in found for problem in wired.problems]
    seen = "; ".join(f"{phone}: {problem.fault}: {problem.seen}" for phone, problem in problems)
    faults = {problem.fault for _, problem in problems}
    blind = all(wired.seen is None for wired in found)  # a switch that tells nothing
    missed = Fault.UNPOWERED in faults or (Fault.NOT_SEEN in faults and not blind)
    if missed or any(wired.contradicted for wired in found):
        raise Ill(seen, "; ".join(dict.fromkeys(problem.remedy for _, problem in problems)))
    if problems:
        raise Untold(seen)
    return f"{len(found)} phones at their ports{'' if visit.quick else ', each powered by its outlet alone'}"


def edge(visit: Visit) -> str:
    """That spanning tree does not hold a phone back when its link comes: as the switch is set, or else as it does."""
    if not _can_tell(visit):
        raise Untold(f"power by {visit.testbed.power.kind} reaches nothing that knows its ports; add `switch` (docs/wiring.md)")
    tables = visit.bench.tables()
    ports = {phone.name: _port_of(phone, tables) for phone in visit.testbed.phones}
    told = {name: _spanning(tables, port) for name, port in ports.items()}
    if held := [f"{name} ({ports[name]})" for name, each in told.items() if each.edge is False]:
        raise Ill(f"no edge port: {', '.join(held)}")
    unset = [name for name, each in told.items() if each.edge is None]
    if not unset:
        return f"{len(told)} ports are set to forward at once"
    if any(told[name].forwards is None for name in unset):
        raise Untold("the switch tells nothing of spanning tree (BRIDGE-MIB, RSTP-MIB); see that the ports are edge ports")
    if visit.quick:
        raise Untold(f"the switch does not tell how its ports are set, and to measure it {LEFT_ALONE}")
    times = _held(visit, {name: port for name in unset if (port := ports[name]) is not None})
    seen = ", ".join(f"{name} {span:.1f} s" for name, span in times.items())
    if max(times.values()) >= LONGEST_HOLD:
        raise Ill(f"from link to forwarding: {seen}")
    return f"from link to forwarding: {seen}"


def _can_tell(visit: Visit) -> bool:
    return can_tell(visit.testbed.switch or visit.testbed.power)


def _port_of(phone: Phone, tables: Tables) -> str | None:
    outlet = phone.power.port if isinstance(phone.power, CliOutlet) else None
    return seat_of(tables, phone.mac) or phone.switch_port or outlet


def _spanning(tables: Tables, port: str | None) -> Spanning:
    known: Mapping[str, Spanning] = tables.spanning
    return next((each for name, each in known.items() if port is not None and same_port(name, port)), Spanning())


def _held(visit: Visit, ports: Mapping[str, str]) -> Mapping[str, float]:
    """Real seconds, at least, for which each phone's port had a link and let nothing pass, once its power was cut and given.

    `Untold` where a link never showed.
    """
    for name in ports:
        cycle(visit.bench.power(name))
    clock, stops = ScaledClock(), threading.Event()
    start = clock.now()
    since: dict[str, datetime] = {}
    held = dict.fromkeys(ports, 0.0)
    waiting = set(ports)
    while waiting and (clock.now() - start).total_seconds() < _WATCHED_FOR:
        tables, now = visit.bench.tables(), clock.now()
        for name in sorted(waiting):
            if not any(same_port(each, ports[name]) for each in tables.linked or ()):
                continue
            if _spanning(tables, ports[name]).forwards:
                waiting.remove(name)
            else:
                held[name] = (now - since.setdefault(name, now)).total_seconds()
        clock.wait(stops, _LOOK)
    if unseen := sorted(waiting - set(since)):
        raise Untold(f"no link of {', '.join(unseen)} was told within {_WATCHED_FOR:g} s, so it was not measured (IF-MIB)")
    return held

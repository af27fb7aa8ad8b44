"""What a testbed describes and what it needs from elsewhere, without opening the bench."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hil.bench.bench import bench_for
from hil.bench.power import Wiring
from hil.bench.power.ways import find_way
from hil.bench.secrets import given_secret
from hil.bench.state import state_folder
from hil.bench.strict import Strict
from hil.bench.testbed import Testbed
from hil.clock import ScaledClock
from hil.errors import Misuse


@dataclass(frozen=True)
class Service:
    """A server of the bench; `transport` is TCP or UDP."""

    name: str
    transport: str
    port: int


@dataclass(frozen=True)
class NeededSecret:
    """A secret that the testbed names the place of; `missing` says why it cannot be had there."""

    key: str
    place: str
    missing: Misuse | None


def services(testbed: Testbed) -> list[Service]:
    """The servers that a run of this bench starts."""
    network = testbed.network
    dhcp = [Service("DHCP", "UDP", 67)] if network.dhcp else []
    names = [Service("DNS", "UDP", 53)] if network.dhcp and network.tls.ringcentral is not None else []
    found = [Service("settings and SCEP", "TCP", network.http_port), *dhcp, *names]
    for name, port in (("SNTP", network.sntp_port), ("syslog", network.syslog_port)):
        found += [Service(name, "UDP", port)] if port is not None else []
    found += [Service("RADIUS", "UDP", network.radius.port)] if network.radius is not None else []
    return found + [Service(f"{name} over TLS", "TCP", port) for name, port in network.offered.items()]


def needed_secrets(testbed: Testbed) -> list[NeededSecret]:
    """Every secret whose place the testbed names by a key that ends in `_env` or `_file`; none is kept."""
    return [
        _looked_up(testbed, inside, name, place)
        for inside, model in _models(testbed)
        for name, place in model
        if isinstance(place, str) and name.endswith(("_env", "_file"))
    ]


def refuse_unfit(testbed: Testbed) -> None:
    """Raise the `Misuse` that opening this bench would meet before it speaks with anything.

    A bench that is not real may bring a switch, and its secrets, of its own.
    """
    bench_for(testbed)
    if testbed.tap is not None:
        testbed.tap.known_hosts_file(testbed.source)
        testbed.tap.private_key_file(testbed.source)
        testbed.tap.password(testbed.source)
    if testbed.kind != "real":
        return
    wiring = Wiring(
        clock=ScaledClock(),
        off_time=testbed.times.off_time,
        folder=str(testbed.file.parent),
        file=testbed.source,
        turns=state_folder(testbed.name).parent / "turns",
    )
    switch = find_way(testbed.power.kind, file=testbed.source).connect(testbed.power, wiring)
    try:
        for phone in testbed.phones:
            switch.port(phone.power, bench=testbed.name, phone=phone.name)
    finally:
        switch.close()


def _looked_up(testbed: Testbed, inside: str, name: str, place: str) -> NeededSecret:
    what, _, where = name.rpartition("_")
    env, file = (place, None) if where == "env" else (None, place)
    missing = None
    try:
        given_secret(what, env=env, file=file, folder=str(testbed.file.parent), testbed=testbed.source, key=inside)
    except Misuse as misuse:
        missing = misuse
    return NeededSecret(f"{inside}.{name}", f"the environment, {place}" if env else f"the file {place}", missing)


def _models(model: Strict, key: str = "") -> Iterator[tuple[str, Strict]]:
    """`model` and every model in it, each with the key where it stands."""
    yield key, model
    for name, value in model:
        inner = f"{key}.{name}" if key else name
        if isinstance(value, Strict):
            yield from _models(value, inner)
        elif isinstance(value, tuple):
            for index, each in enumerate(value):
                if isinstance(each, Strict):
                    yield from _models(each, f"{inner}[{index}]")

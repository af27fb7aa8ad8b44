"""From a testbed to a stage: the lease, what an earlier run left dark, the servers, the CA, the addresses."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hil.bench.bench import Bench
from hil.bench.power.journal import PortOff
from hil.bench.secrets import read_secret
from hil.bench.state import RADIUS_SECRET, make_private, standing_secret
from hil.bench.testbed import Phone
from hil.campaign import addressing
from hil.campaign.cast import Cast, check_ca
from hil.campaign.census import PlaceChecker
from hil.campaign.real_ca import require_meant_ca, told_in_slots
from hil.campaign.recording import recorder_on, require_tap
from hil.campaign.render import Server
from hil.campaign.root import soon_over, standing_authority
from hil.campaign.stage import Radius, RecorderFactory, ReferenceFactory, Stage
from hil.evidence import EventName
from hil.identity import Firmware
from hil.reference.device import ReferencePhone
from hil.reference.eapol import RadiusClient
from hil.reference.store import MemoryStore
from hil.scep.authority import to_pem
from hil.secret import Secret
from hil.services.access import AccessLogs
from hil.services.dhcp import DhcpPlan, Dnsmasq
from hil.services.lab import Lab
from hil.services.radius.server import RadiusPlan, RadiusServer
from hil.settings.usage import PUBLIC_HOSTS
from hil.wiring.asking import phone_community

SNTP_PORT, SYSLOG_PORT = 123, 514


@dataclass(frozen=True)
class Opened:
    """A bench ready to play on, the ports that it had to power again, and what its lab should see to soon."""

    stage: Stage
    recovered: tuple[PortOff, ...]
    warnings: tuple[str, ...] = ()
    dhcp: Dnsmasq | None = None
    """What gives the phones their addresses, None where the lab does."""


@contextmanager
def opened(
    bench: Bench,
    run: Path,
    *,
    recorder: RecorderFactory | None = None,
    reference: ReferenceFactory | None = None,
) -> Iterator[Opened]:
    """Open `bench` for a run whose folder is `run`; `LabFault` or `Misuse` where it is not fit to start.

    `recorder` and `reference` take the place of the ordinary ones.
    """
    check_ca(bench.testbed)
    if recorder is None:
        recorder_on(bench)  # a secret of the tap that is missing is told before anything is opened
    with bench, serving(bench, run, recorder=recorder, reference=reference) as ready:
        yield ready


@contextmanager
def serving(
    bench: Bench,
    run: Path,
    *,
    recorder: RecorderFactory | None = None,
    reference: ReferenceFactory | None = None,
) -> Iterator[Opened]:
    """The same on a bench that is open already, and that stays so."""
    run.mkdir(parents=True, exist_ok=True)
    run.chmod(0o700)  # passwords that were set stand in the files served and in the captures
    with ExitStack() as stack:
        if recorder is None:
            require_tap(bench.testbed)
            require_meant_ca(bench.testbed)
        recovered = bench.recover()
        network = bench.testbed.network
        authority = standing_authority(bench.state / "ca", bench.clock)
        authority.save(run / "keys")
        warning = soon_over(authority, bench.clock.now())
        lab = Lab(
            clock=bench.clock,
            authority=authority,
            state=run / "ca",
            hosts=(str(network.address), *(str(phone.reference) for phone in bench.testbed.phones)),
            http_port=network.http_port,
            sntp_port=network.sntp_port,
            syslog_port=network.syslog_port,
            tls=network.offered,
        )
        stack.enter_context(AccessLogs(run / "access", lab.events))  # until the last answer has left
        stack.enter_context(lab)
        for phone in bench.testbed.phones:
            clock = bench.clock_of(phone.name)
            lab.place(phone.name, str(phone.address), clock)
            lab.publish(phone.name, "/", {})  # what it asks for before anything is served is known to be its own
            lab.place(f"{phone.name}.reference", str(phone.reference), clock)
        for port in recovered:
            lab.events.publish(EventName.RECOVERED, device=port.phone, port=port.port, since=port.at)
        dhcp = stack.enter_context(Dnsmasq(dhcp_plan(bench), lab.events)) if network.dhcp else None
        if bench.testbed.kind != "virtual":  # there is nobody else on a network that the bench has made
            addressing.check(bench.testbed)
        radius = loopback_radius(bench)
        if radius is not None:
            plan = radius_plan(bench, radius)
            stack.enter_context(RadiusServer(plan, authority, lab.events, lab.roster))
        stage = Stage(
            bench=bench,
            lab=lab,
            cast=Cast(bench, lab, run / "keys"),
            evidence=run / "evidence",
            times=bench.testbed.times,
            server_of_phones=Server(
                str(network.address),
                lab.http_port,
                tls=network.offered,
                trust=to_pem(authority.certificate),
                snmp=phone_community(bench.testbed),
                told=told_in_slots(bench.testbed) if recorder is None else {},
            ),
            recorder=recorder or recorder_on(bench),
            reference=reference or reference_phone,
            cancel=threading.Event(),
            radius=radius,
            check_place=PlaceChecker(bench),
        )
        yield Opened(stage, recovered, (warning,) if warning else (), dhcp)


def reference_phone(stage: Stage, phone: Phone, firmware: Firmware) -> ReferencePhone:
    """The reference that plays beside `phone`: its identity and firmware, an empty store, an address on loopback."""
    device, radius = f"{phone.name}.reference", stage.radius

    def report(step: str, details: Mapping[str, object]) -> None:
        slot = details.get("slot")
        told = {name: str(value) for name, value in details.items() if name not in ("slot", "since")}
        stage.lab.events.publish(
            EventName.REFERENCE, device=device, slot=slot if isinstance(slot, int) else None, step=step, **told
        )

    return ReferencePhone(
        phone.identity,
        firmware,
        MemoryStore(),
        stage.bench.clock_of(phone.name),
        local_address=str(phone.reference),
        base_url=f"http://{phone.reference}:{stage.server_of_phones.http_port}/reference/{phone.name}/",
        report=report,
        cancel=stage.cancel,
        time=lambda: stage.lab.time_told.ahead_of(device),
        attends=True,
        hosts=dict.fromkeys(PUBLIC_HOSTS.values(), str(phone.reference)),
        radius=RadiusClient("127.0.0.1", radius.port, str(phone.reference), radius.secret) if radius else None,
    )


def loopback_radius(bench: Bench) -> Radius | None:
    """How references ask the bench's RADIUS server, by a secret of this run; None where there is no such server."""
    radius = bench.testbed.network.radius
    return Radius(radius.port, Secret(secrets.token_hex(16))) if radius else None


def radius_plan(bench: Bench, loopback: Radius) -> RadiusPlan:
    """Asked by the switches of the testbed, which share a secret of this bench, and from loopback."""
    radius = bench.testbed.network.radius
    switches = radius.clients if radius else ()
    shared = read_secret(standing_secret(bench.state / RADIUS_SECRET), named_by="the RADIUS server")
    return RadiusPlan(
        folder=make_private(bench.state / "radius"),
        port=loopback.port,
        clients={"127.0.0.0/8": loopback.secret, **{str(switch): shared for switch in switches}},
        stations={phone.identity.mac: phone.name for phone in bench.testbed.phones},
    )


def dhcp_plan(bench: Bench) -> DhcpPlan:
    """Each phone at its address, told by option 242 where the bench serves, and by DNS where services of public names are."""
    network = bench.testbed.network
    return DhcpPlan(
        interface=network.interface,
        server_address=str(network.address),
        network=network.subnet,
        hosts={phone.identity.mac: (str(phone.address), phone.name) for phone in bench.testbed.phones},
        http_port=network.http_port,
        site={phone.identity.mac: phone.option_242 for phone in bench.testbed.phones if phone.option_242},
        lease_file=bench.state / "dnsmasq.leases",
        time_server=str(network.address) if network.sntp_port == SNTP_PORT else None,
        log_server=str(network.address) if network.syslog_port == SYSLOG_PORT else None,
        names=[host for service, host in PUBLIC_HOSTS.items() if service in network.offered],
    )

"""From a testbed to a stage: the lease, what an earlier run left dark, the servers, the CA, the addresses."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hil.bench.bench import Bench
from hil.bench.power.journal import PortOff
from hil.bench.testbed import Phone
from hil.campaign.render import Server
from hil.campaign.stage import RecorderFactory, ReferenceFactory, Stage
from hil.capture.recorder import Recorder, Source
from hil.clock import ScaledClock
from hil.evidence import EventName
from hil.identity import Firmware
from hil.reference.device import ReferencePhone
from hil.reference.store import MemoryStore
from hil.scep.ca import Authority
from hil.services.dhcp import DhcpPlan, Dnsmasq
from hil.services.lab import Lab


@dataclass(frozen=True)
class Opened:
    """A bench ready to play on, and the ports that it had to power again."""

    stage: Stage
    recovered: tuple[PortOff, ...]


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
    run.mkdir(parents=True, exist_ok=True)
    run.chmod(0o700)  # passwords that were set stand in the files served and in the captures
    with ExitStack() as stack:
        stack.enter_context(bench)
        recovered = bench.recover()
        network = bench.testbed.network
        authority = standing_authority(bench.state / "ca", bench.clock)
        authority.save(run / "keys")
        lab = stack.enter_context(
            Lab(
                clock=bench.clock,
                authority=authority,
                state=run / "ca",
                hosts=(str(network.address), *(str(phone.reference) for phone in bench.testbed.phones)),
                http_port=network.http_port,
                sntp_port=network.sntp_port,
                syslog_port=network.syslog_port,
            )
        )
        for phone in bench.testbed.phones:
            clock = bench.clock_of(phone.name)
            lab.place(phone.name, str(phone.address), clock)
            lab.place(f"{phone.name}.reference", str(phone.reference), clock)
        for port in recovered:
            lab.events.publish(EventName.RECOVERED, device=port.phone, port=port.port, since=port.at)
        if network.dhcp:
            stack.enter_context(Dnsmasq(dhcp_plan(bench), lab.events))
        stage = Stage(
            bench=bench,
            lab=lab,
            evidence=run / "evidence",
            times=bench.testbed.times,
            server_of_phones=Server(str(network.address), lab.http_port),
            recorder=recorder or recorder_on(bench),
            reference=reference or reference_phone,
            cancel=threading.Event(),
        )
        yield Opened(stage, recovered)


def standing_authority(folder: Path, clock: ScaledClock) -> Authority:
    """The bench's own CA, the same in every run; made at the first."""
    if not folder.exists():
        Authority.create("J100 bench CA", clock).save(folder)
    return Authority.load(folder)


def recorder_on(bench: Bench) -> RecorderFactory:
    """Recorders that see one phone on the capture interface and its reference on loopback."""

    def record(phone: Phone, file: Path) -> Recorder:
        mac = phone.identity.mac
        wire = Source(bench.capture_interface, f"ether host {mac} or udp port 67 or udp port 68 or arp")
        loop = Source("lo", f"host {phone.reference}")
        return Recorder([wire, loop], file)

    return record


def reference_phone(stage: Stage, phone: Phone, firmware: Firmware) -> ReferencePhone:
    """The reference that plays beside `phone`: its identity and firmware, an empty store, an address on loopback."""
    device = f"{phone.name}.reference"

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
    )


def dhcp_plan(bench: Bench) -> DhcpPlan:
    """Each phone at its address, told by option 242 where the bench serves."""
    network = bench.testbed.network
    return DhcpPlan(
        interface=network.interface,
        server_address=str(network.address),
        network=network.subnet,
        hosts={phone.identity.mac: (str(phone.address), phone.name) for phone in bench.testbed.phones},
        option_242=f"HTTPSRVR={network.address},HTTPPORT={network.http_port}",
        lease_file=bench.state / "dnsmasq.leases",
        time_server=str(network.address) if network.sntp_port else None,
    )

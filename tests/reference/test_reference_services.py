"""The reference at its services over TLS, beside a real bench: whose certificate it shows, and how it goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hil.campaign.services import told_of
from hil.clock import ScaledClock
from hil.evidence import EventName
from hil.identity import Firmware, Identity
from hil.reference.device import ReferencePhone
from hil.reference.endpoints import Endpoint
from hil.reference.services import Services
from hil.reference.store import MemoryStore
from hil.scenario import Answer, Issue
from hil.scep.authority import Authority, to_pem
from hil.services.events import Event
from hil.services.lab import Lab
from hil.services.tls.services import SERVICES
from hil.settings.usage import PUBLIC_HOSTS

DEVICE, ADDRESS = "j179-1.reference", "127.0.0.6"
PHONE = Identity("J179", "c8:1f:ea:83:e8:5a", "19WZ1234567A")
OFFERED = ("SIP", "PROVISIONING", "LDAP", "SYSLOG", "PUSH", "XSI")


@dataclass
class Bench:
    """A lab with its services over TLS, and a reference that lives beside it, an hour in two seconds."""

    lab: Lab
    authority: Authority
    clock: ScaledClock
    ends: threading.Event = field(default_factory=threading.Event)

    def told(self, **settings: str) -> dict[str, str]:
        ports = {service: self.lab.tls_port(service) for service in SERVICES}
        return told_of(OFFERED, "127.0.0.1", ports, "/") | settings

    def live(self, *script: Answer, trust: bytes | None = None, **settings: str) -> threading.Thread:
        """Boot with these settings, then live until `ends`."""
        slots = [slot for slot in (1, 2) if f"MYCERTURL_{slot}" in settings or slot == 1]
        told = dict(settings)
        for slot in slots:
            self.lab.script(DEVICE, slot, answers=script or (Issue(),))
            name = "MYCERTURL" if slot == 1 else f"MYCERTURL_{slot}"
            told[name] = f"http://127.0.0.1:{self.lab.http_port}/scep/{DEVICE}/{slot}/pkiclient.exe"
        lines = "".join(f'SET {name} "{value}"\r\n' for name, value in told.items())
        anchor = to_pem(self.authority.certificate) if trust is None else trust
        files = {"J100Supgrade.txt": b"GET 46xxsettings.txt\r\n", "46xxsettings.txt": lines.encode(), "bench-ca.pem": anchor}
        self.lab.publish(DEVICE, "/", files)
        base = f"http://127.0.0.1:{self.lab.http_port}/"
        phone = ReferencePhone(
            PHONE, Firmware("4.1.3.0.6"), MemoryStore(), self.clock, base_url=base, local_address=ADDRESS, report=self._report,
            attends=True,
        )  # fmt: skip
        living = threading.Thread(target=lambda: phone.live(phone.boot(), self.ends))
        living.start()
        return living

    def _report(self, step: str, details: object) -> None:
        self.lab.events.publish(EventName.REFERENCE, device=DEVICE, step=step, text=str(details))

    def handshakes(self, count: int) -> list[Event]:
        """The first `count` handshakes, once there are so many."""
        return self.seen(EventName.TLS_HANDSHAKE, count)

    def seen(self, name: EventName, count: int) -> list[Event]:
        reader, found = self.lab.events.subscribe(), list[Event]()
        while len(found) < count:
            news = reader.wait(60_000)
            assert news, f"{len(found)} events {name.value}, not {count}"
            found += [event for event in news if event.name is name]
        return found[:count]

    def serials(self, slot: int = 1) -> list[str | None]:
        """The certificates that the CA granted in a slot."""
        return [line.entry.serial for line in self.lab.ledger.lines(DEVICE, slot)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    clock = ScaledClock(rate=1800.0)
    authority = Authority.create("Lab CA", clock)
    with Lab(clock=clock, authority=authority, state=tmp_path / "lab", tls=dict.fromkeys(SERVICES, 0)) as lab:
        lab.place(DEVICE, ADDRESS)
        rig = Bench(lab, authority, clock)
        yield rig
        rig.ends.set()


def test_every_service_sees_the_certificate_of_the_profile_that_claims_it(bench: Bench) -> None:
    living = bench.live(**bench.told(SCEP_USAGE="SIP,ldap", SCEP_2_USAGE="All,!SIP,!LDAP,!XSI", MYCERTURL_2="told below"))
    shown = {event.details["service"]: event.details["serial"] for event in bench.handshakes(len(OFFERED))}
    bench.ends.set()
    living.join(30)
    [first], [second] = bench.serials(1), bench.serials(2)
    rest = dict.fromkeys(("PROVISIONING", "SYSLOG", "PUSH"), second)
    assert shown == {"SIP": first, "LDAP": first, "XSI": None, **rest}
    assert not [event for event in bench.lab.events.since() if event.details.get("step") == "service failed"]


def test_a_renewal_leaves_connections_up_and_new_ones_show_the_new_certificate(bench: Bench) -> None:
    living = bench.live(Issue(days=10, backdated=4.9), Issue(), **bench.told(MYCERTRENEW="50"))
    bench.handshakes(len(OFFERED))
    renewed = bench.lab.events.wait_for(
        lambda event: event.name is EventName.SCEP_ANSWER and len(bench.serials()) == 2, span=60_000
    )
    assert renewed is not None
    kept = {e.details["client"] for e in bench.handshakes(len(OFFERED)) if e.details["service"] in ("SIP", "LDAP")}
    since = bench.lab.events.cursor
    later = [
        bench.lab.events.wait_for(
            lambda event, client=client: event.name is EventName.TLS_REQUEST and event.details["client"] == client,  # type: ignore[misc]
            span=60_000,
            since=since,
        )
        for client in kept
    ]
    assert all(later)
    since = bench.lab.events.cursor
    bench.lab.hang_up("SYSLOG", [DEVICE])
    anew = bench.lab.events.wait_for(
        lambda event: event.name is EventName.TLS_HANDSHAKE and event.details["service"] == "SYSLOG", span=60_000, since=since
    )
    bench.ends.set()
    living.join(30)
    assert anew is not None
    old, new, *_ = bench.serials()
    assert (anew.details["serial"], old != new) == (new, True)


def test_it_is_at_no_service_whose_server_it_cannot_trust(bench: Bench) -> None:
    stranger = to_pem(Authority.create("Stranger", bench.clock).certificate)
    living = bench.live(trust=stranger, **bench.told())
    failures = [event for event in bench.seen(EventName.TLS_HANDSHAKE, len(OFFERED)) if "failure" in event.details]
    bench.ends.set()
    living.join(30)
    assert len(failures) == len(OFFERED)


def test_without_a_ca_to_trust_it_is_at_none(bench: Bench) -> None:
    living = bench.live(**(bench.told() | {"TRUSTCERTS": ""}))
    bench.seen(EventName.SCEP_ANSWER, 1)
    bench.ends.set()
    living.join(30)
    assert not [event for event in bench.lab.events.since() if event.name is EventName.TLS_HANDSHAKE]


def test_a_service_of_a_public_name_is_where_the_bench_says(bench: Bench) -> None:
    host, told = PUBLIC_HOSTS["RINGCENTRAL"], list[str]()
    there = Endpoint("RINGCENTRAL", host, bench.lab.tls_port("RINGCENTRAL"), lambda _: b"GET / HTTP/1.1\r\nHost: it\r\n\r\n")
    trust = to_pem(bench.authority.certificate).decode()
    services = Services([there], trust, lambda _: None, lambda step, _: told.append(step), ADDRESS, {host: "127.0.0.1"})
    services.attend()
    assert told == ["connected"]
    [asked] = bench.seen(EventName.TLS_REQUEST, 1)
    assert (asked.device, asked.details["service"]) == (DEVICE, "RINGCENTRAL")

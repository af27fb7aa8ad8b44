"""SCEP at the port of HTTP, in the clear and over TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hil.clock import ScaledClock
from hil.evidence import EventName, scep_path
from hil.reference.services import trusting
from hil.scep.authority import Authority, to_pem
from hil.scep.http import TlsFault, Transport
from hil.services.events import Event
from hil.services.lab import Lab

HOST = "127.0.0.1"
PHONE = "j179-1"


@dataclass(frozen=True)
class Bench:
    """A lab with a CA behind the phone's first slot, and whom its clients trust."""

    lab: Lab
    trust: str

    def url(self, scheme: str, port: int | None = None) -> str:
        return f"{scheme}://{HOST}:{port or self.lab.http_port}{scep_path(PHONE, 1)}"


def handshake(bench: Bench) -> Event:
    """The first one that the bench saw."""
    seen = bench.lab.events.wait_for(lambda event: event.name is EventName.TLS_HANDSHAKE, span=10)
    assert seen is not None
    return seen


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    authority = Authority.create("Lab CA", ScaledClock())
    with Lab(clock=ScaledClock(), authority=authority, state=tmp_path, tls={"PPM": 0}) as lab:
        lab.place(PHONE, HOST)
        lab.script(PHONE, 1)
        yield Bench(lab, to_pem(authority.certificate).decode())


def test_one_port_speaks_both(bench: Bench) -> None:
    with Transport(bench.url("http")) as plain, Transport(bench.url("https"), tls=trusting(bench.trust)) as sealed:
        assert plain.get_ca_cert("CAIdentifier") == sealed.get_ca_cert("CAIdentifier")
        assert plain.get_ca_caps("CAIdentifier") == sealed.get_ca_caps("CAIdentifier")
    shown = handshake(bench)
    assert (shown.device, shown.details["service"], shown.details["serial"]) == (PHONE, "SCEP", None)


def test_a_phone_that_comes_to_the_port_of_https_finds_its_ca_there(bench: Bench) -> None:
    with Transport(bench.url("https", bench.lab.tls_port("PPM")), tls=trusting(bench.trust)) as transport:
        assert transport.get_ca_cert("CAIdentifier")


def test_who_does_not_trust_the_bench_asks_nothing(bench: Bench) -> None:
    stranger = to_pem(Authority.create("Another CA", ScaledClock()).certificate).decode()
    with Transport(bench.url("https"), tls=trusting(stranger)) as transport, pytest.raises(TlsFault):
        transport.get_ca_cert("CAIdentifier")
    seen = handshake(bench)
    assert seen.details["alert"] == "client: unknown ca"


def test_the_secrets_of_scep_stand_in_the_devices_key_log(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / "boot.keys"
    with bench.lab.log_keys(file, [PHONE]), Transport(bench.url("https"), tls=trusting(bench.trust)) as transport:
        transport.get_ca_caps("CAIdentifier")
    assert "CLIENT_RANDOM " in file.read_text()


def test_who_says_nothing_or_leaves_holds_nobody_up(bench: Bench) -> None:
    with socket.create_connection((HOST, bench.lab.http_port)):
        socket.create_connection((HOST, bench.lab.http_port)).close()
        with Transport(bench.url("http")) as plain:
            assert plain.get_ca_caps("CAIdentifier")


def test_a_lab_that_stops_leaves_who_says_nothing(tmp_path: Path) -> None:
    authority = Authority.create("Lab CA", ScaledClock())
    with Lab(clock=ScaledClock(), authority=authority, state=tmp_path) as lab:
        silent = socket.create_connection((HOST, lab.http_port), timeout=10)
    with silent, contextlib.suppress(ConnectionResetError):  # where it was not even taken yet
        assert silent.recv(1) == b""


def test_tls_1_3_is_spoken_with_who_can(bench: Bench) -> None:
    context = trusting(bench.trust)
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    with Transport(bench.url("https"), tls=context) as transport:
        transport.get_ca_caps("CAIdentifier")
    assert handshake(bench).details["version"] == "TLSv1.3"

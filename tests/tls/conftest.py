"""Phones that open TLS connections to a lab: real sockets, certificates of the lab's CA and of others."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from hil.clock import ScaledClock
from hil.evidence import EventName
from hil.scep.algorithms import public_key_der
from hil.scep.authority import Authority, key_to_pem, to_pem
from hil.scep.csr import build_csr, read_csr
from hil.services.events import Event
from hil.services.lab import Lab
from hil.services.tls.services import SERVICES

PHONE, ADDRESS = "j179-1", "127.0.0.3"


@dataclass(frozen=True)
class Identity:
    """A phone's certificate, and the file that holds it with its key."""

    file: Path
    serial: str


class Desk:
    """Issues certificates as the lab's CA does."""

    def __init__(self, authority: Authority, folder: Path) -> None:
        self.authority = authority
        self._folder = folder
        self._key = rsa.generate_private_key(65537, 2048)

    @property
    def root(self) -> Path:
        """What phones trust."""
        file = self._folder / "root.pem"
        file.write_bytes(to_pem(self.authority.certificate))
        return file

    def issue(
        self, name: str, *, starts_in: float = -1.0, digest: str = "sha256", key: rsa.RSAPrivateKey | None = None
    ) -> Identity:
        """A certificate for a year from so many days on."""
        key = key or self._key
        start = ScaledClock().now() + timedelta(days=starts_in)
        csr = read_csr(build_csr(key, (("CN", name),), challenge_password=None))
        issued = self.authority.issue(csr, not_before=start, not_after=start + timedelta(days=365), digest=digest)
        return self._kept(name, key, to_pem(issued), issued.serial)

    def issue_for_servers(self, name: str) -> Identity:
        """A certificate that is for no client."""
        issued = self.authority.issue_server(public_key_der(self._key), ("127.0.0.1",))
        return self._kept(name, self._key, to_pem(issued), issued.serial)

    def _kept(self, name: str, key: rsa.RSAPrivateKey, pem: bytes, serial: int) -> Identity:
        file = self._folder / f"{name}.pem"
        file.write_bytes(key_to_pem(key) + pem)
        return Identity(file, f"{serial:x}")


@dataclass(frozen=True)
class Rig:
    """A lab with every service over TLS, and the phone that speaks with it."""

    lab: Lab
    desk: Desk

    def connect(self, service: str, identity: Identity | None = None, server_name: str = "127.0.0.1") -> ssl.SSLSocket:
        """A TLS connection of the phone, which holds the server to the CA and to `server_name`."""
        context = ssl.create_default_context(cafile=self.desk.root)
        if identity is not None:
            context.load_cert_chain(identity.file)
        raw = socket.create_connection(("127.0.0.1", self.lab.tls_port(service)), timeout=20, source_address=(ADDRESS, 0))
        return context.wrap_socket(raw, server_hostname=server_name)

    def openssl(self, service: str, *options: str, sends: bytes = b"") -> str:
        """What `openssl s_client` says of a connection."""
        if shutil.which("openssl") is None:
            pytest.skip("openssl is not installed")
        ends = ("-connect", f"127.0.0.1:{self.lab.tls_port(service)}", "-bind", f"{ADDRESS}:0")
        command = ("openssl", "s_client", *ends, "-CAfile", str(self.desk.root), *options)
        done = subprocess.run(command, input=sends, capture_output=True, timeout=60, check=False)
        return (done.stdout + done.stderr).decode(errors="replace")

    def seen(self, name: EventName, count: int = 1) -> Sequence[Event]:
        """The first `count` events of this name, once there are so many."""
        reader = self.lab.events.subscribe()
        found: list[Event] = []
        while len(found) < count:
            news = reader.wait(600)
            assert news, f"{len(found)} events {name.value}, not {count}"
            found += [event for event in news if event.name is name]
        return found[:count]


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority.create("Lab CA", ScaledClock())


@pytest.fixture
def rig(authority: Authority, tmp_path: Path) -> Iterator[Rig]:
    """A phone at its address, and the services on loopback in phone time that runs 30 times as fast."""
    with Lab(
        clock=ScaledClock(rate=30.0),
        authority=authority,
        state=tmp_path / "lab",
        tls=dict.fromkeys(SERVICES, 0),
        dns_names=("bench.example",),
    ) as lab:
        lab.place(PHONE, ADDRESS)
        yield Rig(lab, Desk(authority, tmp_path))


@pytest.fixture
def shared(authority: Authority, tmp_path: Path, own_port: int) -> Iterator[Rig]:
    """A phone at its address, and a bench that offers two services on one port."""
    ports = {"RINGCENTRAL": own_port, "PPM": own_port, "SIP": 0}
    with Lab(clock=ScaledClock(), authority=authority, state=tmp_path / "lab", tls=ports) as lab:
        lab.place(PHONE, ADDRESS)
        yield Rig(lab, Desk(authority, tmp_path))

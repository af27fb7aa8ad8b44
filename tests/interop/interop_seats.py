"""The servers of the matrix, in a network of their own: the bench's CA as each persona, and Debian's scepserver."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hil.clock import ScaledClock
from hil.evidence import scep_path
from hil.scenario import Answer, Issue
from hil.scep.personas import PERSONAS, Admission
from hil.scep.register import Register
from hil.scep.signers import EndEntities, OneTimeChallenges
from hil.secret import Secret
from hil.services.lab import Lab
from hil.services.ledger import LedgerLine

SCEPSERVER = "scepserver"
SERVERS = (*PERSONAS, SCEPSERVER)
PASSWORD, GUESSED = "made-up-swordfish", "made-up-herring"
CA_NAME = "CAIdentifier"
GATEWAY = "10.66.0.1"
"""The servers' address for phones, beside loopback."""
PYTHON = sys.executable
PATIENCE = 80.0
SCEPSERVER_PORT = "2016"


def run(*command: str | Path, folder: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    """A command's end, whatever it was."""
    words = list(map(str, command))
    return subprocess.run(words, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False)


def said(done: subprocess.CompletedProcess[bytes]) -> str:
    """All that a command said."""
    return (done.stderr + done.stdout).decode(errors="replace")


def must(*command: str | Path) -> bytes:
    """The output of a command that has to succeed."""
    done = run(*command)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {said(done)}")
    return done.stdout


@dataclass(frozen=True)
class Seat:
    """Where one client meets one server; `anchor` is the CA's certificate, `address` and `path` what the wire shows of the URL.

    `admit` lets the client in for one more request, and gives the password for it.
    """

    server: str
    url: str
    address: str
    path: str
    anchor: Path
    common_name: str
    admit: Callable[[], str]
    ledger: Callable[[], Sequence[LedgerLine]]
    revoke: Callable[[bytes], None]

    @property
    def identifier(self) -> str | None:
        """The CA's name, where it must be asked for."""
        return CA_NAME if self.server in PERSONAS and PERSONAS[self.server].named else None


class Servers:
    """All servers; a context manager. CA keys and certificates stand in `folder` / `ca` / server."""

    def __init__(self, folder: Path, *, key_bits: int = 2048) -> None:
        self._clock = ScaledClock()
        self._folder = folder
        self._key_bits = key_bits
        self._authorities = {
            name: persona.authority(f"{name} CA", self._clock, key_bits=key_bits) for name, persona in PERSONAS.items()
        }
        self._registers = {name: Register() for name in PERSONAS}
        for name, authority in self._authorities.items():
            authority.save(folder / "ca" / name)
        self.lab = Lab(
            clock=self._clock,
            authority=self._authorities["rfc8894"],
            state=folder / "lab",
            hosts=("127.0.0.1", GATEWAY),
            sntp_port=123,
        )
        self._addresses = (f"127.0.1.{number}" for number in itertools.count(1))
        self._running = ExitStack()

    def __enter__(self) -> Servers:
        self._running.enter_context(scepserver(self._folder / "ca" / SCEPSERVER, self._key_bits))
        self._running.enter_context(self.lab)
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def seat(
        self,
        server: str,
        name: str,
        *,
        answers: Sequence[Answer] = (Issue(),),
        host: str = "127.0.0.1",
        slot: int = 1,
        common_name: str | None = None,
    ) -> Seat:
        """A seat of its own for the client and what it is to do there, both told by `name`."""
        common_name = common_name or name
        if server == SCEPSERVER:
            return self._seat_at_scepserver(common_name, host)
        persona, authority = PERSONAS[server], self._authorities[server]
        entities, one_time = EndEntities(passwords={common_name: Secret(PASSWORD)}), OneTimeChallenges()
        service = persona.service(
            authority,
            Admission(Secret(PASSWORD), entities, one_time),
            clock=self._clock,
            identifier=CA_NAME,
            script=answers,
            register=self._registers[server],
        )
        device = f"{name}.{server}"
        self.lab.seat(device, slot, persona.endpoint(service))

        def admit() -> str:
            entities.set_new(common_name)
            return one_time.new(self._clock.now()).reveal() if server == "ndes" else PASSWORD

        def revoke(issuer_and_serial: bytes) -> None:
            certificate = self._registers[server].find(issuer_and_serial)
            assert certificate is not None
            self._registers[server].revoke(certificate, self._clock.now())

        path, address = scep_path(device, slot), f"{host}:{self.lab.http_port}"
        return Seat(
            server=server,
            url=f"http://{address}{path}",
            address=address,
            path=path,
            anchor=self._folder / "ca" / server / "ca.pem",
            common_name=common_name,
            admit=admit,
            ledger=lambda: self.lab.ledger.lines(device, slot),
            revoke=revoke,
        )

    def _seat_at_scepserver(self, common_name: str, host: str) -> Seat:
        """Every seat has an address of its own, since the path of its URL is always the same."""
        address = f"{next(self._addresses) if host == '127.0.0.1' else host}:{SCEPSERVER_PORT}"
        return Seat(
            server=SCEPSERVER,
            url=f"http://{address}/scep",
            address=address,
            path="/scep",
            anchor=self._folder / "ca" / SCEPSERVER / "ca.pem",
            common_name=common_name,
            admit=lambda: PASSWORD,
            ledger=tuple,
            revoke=lambda _: None,
        )


def make_scepserver_ca(depot: Path, key_bits: int = 2048) -> None:
    """A CA for scepserver, in a folder that is not there yet."""
    must("scepserver", "ca", "-init", "-organization", "Lab", "-keySize", str(key_bits), "-depot", depot)


@contextmanager
def scepserver(depot: Path, key_bits: int = 2048) -> Iterator[None]:
    """Debian's scepserver with the CA in `depot`, or a fresh one, once it says that it listens.

    What it says later is read, lest it block.
    """
    if not depot.exists():
        make_scepserver_ca(depot, key_bits)
    command = ["scepserver", "-depot", str(depot), "-port", SCEPSERVER_PORT, f"-challenge={PASSWORD}", "-allowrenew", "0"]
    command, nothing = ["setpriv", "--pdeathsig", "KILL", "--", *command], subprocess.DEVNULL
    with subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        if not any("listening" in line for line in server.stderr):
            raise RuntimeError(f"scepserver ended with {server.wait()}")
        reader = threading.Thread(target=server.stderr.read)
        reader.start()
        try:
            yield
        finally:
            server.terminate()
            reader.join(10)


def missing_programs() -> list[str]:
    """Programs of the matrix that are not installed."""
    peers = ("scepserver", "scepclient", "pki", "getcert", "dbus-run-session", "openssl")
    rig = ("dumpcap", "dnsmasq", "ip", "unshare", "nsenter", "setpriv")
    return [program for program in (*peers, *rig) if shutil.which(program) is None]

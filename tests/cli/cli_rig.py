"""A lab's CA, the command `hil` in this process or in one of its own, and what the CA's ledger says afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from typer.testing import CliRunner, Result

from hil.cli.main import app
from hil.clock import Clock, ManualClock, ScaledClock
from hil.evidence import EventName, scep_path
from hil.scenario import Answer, Issue
from hil.scep import signers
from hil.scep.authority import Authority
from hil.scep.ca import CaService
from hil.scep.certificate import Certificate
from hil.scep.csr import Csr
from hil.scep.endpoint import Endpoint
from hil.scep.signers import CertificateRequest, Signer
from hil.scep.trust import fingerprint
from hil.secret import Secret
from hil.services.events import Event
from hil.services.lab import Lab

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "only-for-this-test"
PATIENCE = 60.0
"""Seconds to wait for an event that comes at once unless something hangs."""


class PatientClock(ManualClock):
    """Lets no real time pass; `waits` are the pauses that somebody made."""

    def __init__(self) -> None:
        super().__init__(datetime.now(UTC))
        self.waits: list[float] = []

    def wait(self, event: threading.Event, span: float) -> bool:
        self.waits.append(span)
        return super().wait(event, span)


class Keeping:
    """Grants what bears the password, and renewals, and keeps the CSRs."""

    def __init__(self, authority: Authority) -> None:
        self._signer = signers.chain(signers.challenge(Secret(PASSWORD)), to=signers.issue(authority))
        self.csrs: list[Csr] = []

    def sign(self, request: CertificateRequest) -> Certificate:
        self.csrs.append(request.csr)
        return self._signer.sign(request)


class Server:
    """A lab with one CA behind one URL."""

    def __init__(self, lab: Lab, authority: Authority) -> None:
        self.lab, self.authority = lab, authority
        self.signer = Keeping(authority)
        self.url = f"http://127.0.0.1:{lab.http_port}{scep_path('plain', 1)}"
        self.fingerprint = fingerprint(authority.certificate)
        self.script(Issue())

    def script(self, *answers: Answer, signer: Signer | None = None, **options: Any) -> None:
        """Have a fresh CA answer so."""
        self.lab.script("plain", 1, answers=answers, signer=signer or self.signer, **options)

    def seat(self, authority: Authority, **options: Any) -> CaService:
        """Have a fresh CA of another kind answer."""
        service = CaService(authority, signers.issue(authority), clock=ScaledClock(), **options)
        self.lab.seat("plain", 1, Endpoint(service))
        return service

    @property
    def told(self) -> list[str | None]:
        """Types of the messages that the CA took, in their order."""
        return [line.entry.message_type for line in self.lab.ledger.lines()]

    @property
    def transactions(self) -> set[str | None]:
        """Their transactionIDs."""
        return {line.entry.transaction_id for line in self.lab.ledger.lines()}

    @property
    def operations(self) -> list[object]:
        """SCEP operations asked for, in their order."""
        return [event.details["operation"] for event in self.lab.events.since() if event.name is EventName.SCEP_REQUEST]

    def await_operation(self, number: int) -> None:
        """Return once PKIOperation was asked for that many times."""
        seen = 0

        def is_last(event: Event) -> bool:
            nonlocal seen
            seen += event.name is EventName.SCEP_REQUEST and event.details["operation"] == "PKIOperation"
            return seen == number

        assert self.lab.events.wait_for(is_last, span=PATIENCE)


def run(*arguments: str | Path, clock: Clock | None = None, env: dict[str, str] | None = None, stdin: str = "") -> Result:
    """`hil` in this process; its clock lets no real time pass."""
    environment = {"CHALLENGE": PASSWORD, **(env or {})}
    words, obj = [str(argument) for argument in arguments], clock or PatientClock()
    return CliRunner().invoke(app, words, input=stdin, env=environment, obj=obj)


def facts(result: Result) -> dict[str, Any]:
    """What `--json` said."""
    told: dict[str, Any] = json.loads(result.stdout)
    return told


def start(*arguments: str | Path, program: Sequence[str] = ("-m", "hil.cli")) -> subprocess.Popen[str]:
    """`hil`, or another program, as a process of its own."""
    command = [sys.executable, *program, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CHALLENGE": PASSWORD}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment)


def end(process: subprocess.Popen[str], by: signal.Signals) -> str:
    """End a process by a signal; what it said on stdout."""
    process.send_signal(by)
    said, _ = process.communicate(timeout=PATIENCE)
    return said


@contextmanager
def killing(*modules: str) -> Iterator[Callable[..., int]]:
    """Call with a folder, a step's number, and the arguments of `hil`: its exit code, killed there or ended before."""
    with start(*modules, program=(str(Path(__file__).with_name("killed_at.py")),)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        requests, answers = process.stdin, process.stdout

        def killed(folder: Path, step: int, *arguments: str | Path, stdin: str = "") -> int:
            requests.write(json.dumps([str(folder), step, list(map(str, arguments)), stdin]) + "\n")
            requests.flush()
            return int(answers.readline())

        yield killed
        requests.close()


def pair(folder: Path) -> tuple[x509.Certificate, Any]:
    """The certificate in a folder and its private key, which fit together."""
    certificate = x509.load_pem_x509_certificate((folder / "client.pem").read_bytes())
    key = load_pem_private_key((folder / "client.key").read_bytes(), None)
    assert key.public_key() == certificate.public_key()
    return certificate, key

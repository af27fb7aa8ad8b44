"""The bench's proxy before Debian's scepserver, played in a network namespace of its own: that server binds every interface.

Prints what `hil enroll` said and did, as JSON, and what the proxy told of it.
"""

from __future__ import annotations

import json
import ssl
import sys
from pathlib import Path

import typer
from cryptography.hazmat.primitives.asymmetric import rsa
from interop_seats import GUESSED, PASSWORD, SCEPSERVER_PORT, must, scepserver
from typer.testing import CliRunner

from hil.capture.keys import load_key
from hil.cli.enroll import enroll
from hil.clock import ScaledClock
from hil.evidence import EventName, scep_path
from hil.scenario import HttpError, Issue, Pend
from hil.scep.authority import Authority
from hil.scep.certificate import read_certificate
from hil.scep.client import Client, Pending
from hil.scep.csr import build_csr
from hil.scep.http import Transport
from hil.secret import Secret
from hil.services.lab import Lab
from hil.services.upstream import Upstream

SERVER = f"http://127.0.0.1:{SCEPSERVER_PORT}/scep"


def run(*arguments: str, url: str) -> dict[str, object]:
    app = typer.Typer()
    app.command()(enroll)
    done = CliRunner().invoke(app, [url, "--json", *arguments], env={"RIGHT": PASSWORD, "WRONG": GUESSED})
    return {"exit_code": done.exit_code, "said": json.loads(done.stdout)}


def through_a_proxy(folder: Path) -> dict[str, object]:
    """One enrolment whose first request meets an error, one that the server refuses, one that the proxy lets wait."""
    clock = ScaledClock()
    with Lab(clock=clock, authority=Authority.create("Not asked", clock), state=folder / "lab") as lab:
        url = f"http://127.0.0.1:{lab.http_port}{scep_path('phone', 1)}"
        lab.forward("phone", 1, Upstream(SERVER), answers=[HttpError(503), Issue()])
        right = ("--challenge-env", "RIGHT", "--out", str(folder / "proxied"))
        results: dict[str, object] = {
            "first": run("--cn", "proxied", *right, url=url),
            "second": run("--cn", "proxied", *right, url=url),
            "refused": run("--cn", "wrong", "--challenge-env", "WRONG", "--out", str(folder / "wrong"), url=url),
        }
        results["waits"] = wait(lab, url, folder / "depot")
        results["ledger"] = [line.to_json() for line in lab.ledger.lines()]
        results["faults"] = [event.to_json() for event in lab.events.since() if event.name is EventName.FAULT]
    return results


def wait(lab: Lab, url: str, depot: Path) -> list[str]:
    """What comes of a request and of its poll, where the proxy answers with the server's key what it lets wait."""
    certificate = read_certificate(ssl.PEM_cert_to_DER_cert((depot / "ca.pem").read_text()))
    speaker = (load_key(depot / "ca.key"), certificate)
    lab.forward("phone", 1, Upstream(SERVER), answers=[Pend(), Issue()], speaker=speaker)
    key = rsa.generate_private_key(65537, 2048)
    csr = build_csr(key, (("O", "Lab"), ("CN", "waits")), challenge_password=Secret(PASSWORD))
    with Transport(url) as transport:
        client = Client(transport)
        first = client.enrol(csr, key)
        return [type(first).__name__] + ([type(client.poll(first)).__name__] if isinstance(first, Pending) else [])


def main(folder: Path) -> None:
    must("ip", "link", "set", "lo", "up")
    with scepserver(folder / "depot"):
        sys.stdout.write(json.dumps(through_a_proxy(folder)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

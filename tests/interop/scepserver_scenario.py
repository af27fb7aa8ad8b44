"""What the test against Debian's scepserver plays in a network namespace of its own, since that server binds every interface.

The server's CA and challenge password are made anew; prints what `hil enroll` said and did, as JSON, and what a proxy
before the server told of it.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import typer
from cryptography.hazmat.primitives.asymmetric import rsa
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

PASSWORD, PORT = "only-for-this-test", "2016"


def serve(folder: Path) -> subprocess.Popen[str]:
    """The server, once it says that it listens; what it says later is read so that it never blocks."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["scepserver", "ca", "-init", "-organization", "Lab"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    command = ["scepserver", "-depot", "depot", "-port", PORT, f"-challenge={PASSWORD}", "-allowrenew", "0"]
    server = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    for line in server.stderr:
        if "listening" in line:
            threading.Thread(target=server.stderr.read, daemon=True).start()
            return server
    raise AssertionError(f"scepserver ended with {server.wait()}")


SERVER = f"http://127.0.0.1:{PORT}/scep"


def run(*arguments: str, url: str = SERVER) -> dict[str, object]:
    app = typer.Typer()
    app.command()(enroll)
    done = CliRunner().invoke(app, [url, "--json", *arguments], env={"RIGHT": PASSWORD, "WRONG": "guessed"})
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
    server = serve(folder)
    try:
        results = {}
        for cipher in ("des", "3des", "aes128", "aes256"):
            subject = ("--cn", cipher, "--dn", "/C=US/O=Lab")
            results[cipher] = run(*subject, "--challenge-env", "RIGHT", "--cipher", cipher, "--out", str(folder / cipher))
        results["wrong password"] = run("--cn", "wrong", "--challenge-env", "WRONG", "--out", str(folder / "wrong"))
        results["proxy"] = through_a_proxy(folder)
    finally:
        server.terminate()
        server.wait(10)
    sys.stdout.write(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

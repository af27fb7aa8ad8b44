"""What the test of the key log plays in a network namespace of its own: an enrolment through a proxy to https, recorded.

Prints as JSON the requests that tshark finds in the recording, with the proxy's key log and without.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from proxied import CSR, KEY, Server, by_endpoint, tls_server, url

from hil.capture.recorder import Recorder, Source
from hil.clock import ScaledClock
from hil.scep import signers
from hil.scep.ca import Authority, CaService
from hil.scep.client import Client, Issued
from hil.scep.endpoint import Endpoint
from hil.scep.http import Transport
from hil.services.lab import Lab
from hil.services.upstream import Upstream

PORT = 8443


def enrol(folder: Path) -> None:
    tls, trust = tls_server(folder, "127.0.0.1")
    authority = Authority.create("Real CA", ScaledClock())
    service = CaService(authority, signers.issue(authority), clock=ScaledClock())
    recorder = Recorder([Source("lo", f"tcp port {PORT}")], folder / "upstream.pcapng", "dumpcap")
    with (
        Server(by_endpoint(Endpoint(service)), tls=tls, port=PORT) as server,
        Lab(clock=ScaledClock(), authority=authority, state=folder / "lab") as lab,
        Transport(url(lab)) as transport,
    ):
        lab.forward("j179-1", 1, Upstream(server.url, trust))
        recorder.start()
        outcome = Client(transport).enrol(CSR, KEY)
        summary = recorder.stop()
    assert isinstance(outcome, Issued)
    assert summary.complete, summary


def requests(folder: Path, *options: str) -> list[str]:
    """Method and target of each HTTP request in the recording."""
    fields = ("-T", "fields", "-e", "http.request.method", "-e", "http.request.uri")
    command = ("tshark", "-n", "-r", str(folder / "upstream.pcapng"), *options, "-Y", "http.request", *fields)
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()


def main(folder: Path) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    enrol(folder)
    log = folder / "lab" / "proxy" / "j179-1-1" / "tls-keys.log"
    told = {"with the key log": requests(folder, "-o", f"tls.keylog_file:{log}"), "without": requests(folder)}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""A phone renews while a connection is open: recorded on loopback, in a network of its own.

unshare -n python tls_recording.py FOLDER leaves capture.pcapng, keys.log and what the events say, events.json.
"""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from hil.capture.recorder import Recorder, Source
from hil.clock import ScaledClock
from hil.evidence import EventName
from hil.scep.authority import Authority, key_to_pem, to_pem
from hil.scep.csr import build_csr, read_csr
from hil.services.lab import Lab

PHONE = "127.0.0.3"


def identity(authority: Authority, name: str, folder: Path) -> tuple[Path, str]:
    """A file with key and certificate, and the serial number."""
    key = rsa.generate_private_key(65537, 2048)
    start = ScaledClock().now() - timedelta(days=1)
    csr = read_csr(build_csr(key, (("CN", name),), challenge_password=None))
    issued = authority.issue(csr, not_before=start, not_after=start + timedelta(days=9))
    file = folder / f"{name}.pem"
    file.write_bytes(key_to_pem(key) + to_pem(issued))
    return file, f"{issued.serial:x}"


def connect(port: int, identity: Path, version: ssl.TLSVersion) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = version
    context.load_cert_chain(identity)
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(PHONE, 0)))


def ping(connection: ssl.SSLSocket) -> None:
    connection.sendall(b"\r\n\r\n")
    assert connection.recv(10) == b"\r\n"


def main(folder: Path) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True, timeout=20)
    authority = Authority.create("Lab CA", ScaledClock())
    (before, first), (after, second) = identity(authority, "before", folder), identity(authority, "after", folder)
    recorder = Recorder([Source("lo", f"host {PHONE}")], folder / "capture.pcapng")
    with Lab(clock=ScaledClock(), authority=authority, state=folder / "lab", tls={"SIP": 5061}) as lab:
        lab.place("j179-1", PHONE)
        recorder.start()
        with lab.log_keys(folder / "keys.log", ["j179-1"]):
            with connect(5061, before, ssl.TLSVersion.TLSv1_2) as old:
                ping(old)
                with connect(5061, after, ssl.TLSVersion.TLSv1_3) as new:
                    ping(new)
                ping(old)
            closed = lab.events.wait_for(lambda event: event.name is EventName.TLS_CLOSED, span=20)
            lab.events.wait_for(lambda event: event.name is EventName.TLS_CLOSED and event is not closed, span=20)
        summary = recorder.stop()
        assert summary.complete, summary.problems
        events = [event.to_json() for event in lab.events.since()]
    (folder / "events.json").write_text(json.dumps({"serials": [first, second], "events": events}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

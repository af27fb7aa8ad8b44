"""Plays one scenario of the RADIUS server in a network of its own: `python radius_scenario.py NAME`, a JSON object on stdout."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from hil.clock import ScaledClock
from hil.evidence import EventName
from hil.reference.eapol import Credentials, RadiusClient
from hil.scep.authority import Authority
from hil.scep.csr import build_csr, read_csr
from hil.secret import Secret
from hil.services.events import EventStream
from hil.services.radius.server import RadiusPlan, RadiusServer
from hil.services.roster import Roster

MAC = "c8:1f:ea:83:e8:5a"
REFERENCE = "127.77.1.1"
PORT = 1812
SECRET = Secret("of loopback")


def authority(name: str) -> Authority:
    return Authority.create(name, ScaledClock())


def holder(ca: Authority, identity: str = "c81fea83e85a", *, key_bits: int = 2048, digest: str = "sha256") -> Credentials:
    """Credentials whose certificate is not yet valid: time on a bench is not the PC's."""
    key = rsa.generate_private_key(65537, key_bits)
    csr = read_csr(build_csr(key, (("C", "US"), ("CN", "19WZ1234567A")), challenge_password=None, digest="sha256"))
    begins = ScaledClock().now() + timedelta(days=400)
    certificate = ca.issue(csr, not_before=begins, not_after=begins + timedelta(days=365), digest=digest)
    return Credentials(identity, certificate, key)


def plan() -> RadiusPlan:
    return RadiusPlan(Path(tempfile.mkdtemp()), PORT, {"127.0.0.0/8": SECRET}, {MAC: "j179-1"})


def roster() -> Roster:
    known = Roster()
    known.place("j179-1.reference", REFERENCE)
    return known


def asks(address: str, credentials: Credentials, secret: Secret = SECRET) -> bool:
    return RadiusClient("127.0.0.1", PORT, address, secret).authenticate(MAC, credentials)


def certificates() -> dict[str, object]:
    """A switch's address asks for a holder of a good certificate, then for a stranger's; then the reference asks."""
    ca, events = authority("Lab CA"), EventStream(ScaledClock())
    good = holder(ca)
    with RadiusServer(plan(), ca, events, roster()):
        let_through = [
            asks("127.0.0.9", good),
            asks("127.0.0.9", holder(authority("Stranger CA"))),
            asks(REFERENCE, holder(ca, key_bits=1024, digest="sha1")),
        ]
    return {
        "let_through": let_through,
        "serial": f"{good.certificate.serial:x}",
        "events": [event.to_json() for event in events.since()],
    }


def wrong_secret() -> dict[str, object]:
    ca, events = authority("Lab CA"), EventStream(ScaledClock())
    client = RadiusClient("127.0.0.1", PORT, "127.0.0.9", Secret("another"), patience=1)
    with RadiusServer(plan(), ca, events, roster()):
        let_through = client.authenticate(MAC, holder(ca))
        event = events.wait_for(lambda event: event.name is EventName.STRAY, span=10)
    return {"let_through": let_through, "event": event and event.to_json()}


def killed() -> dict[str, object]:
    events = EventStream(ScaledClock())
    with RadiusServer(plan(), authority("Lab CA"), events, roster()) as server:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        event = events.wait_for(lambda event: event.name is EventName.FAULT, span=10)
    return {"event": event and event.to_json()}


def files() -> dict[str, object]:
    its = plan()
    with RadiusServer(its, authority("Lab CA"), EventStream(ScaledClock()), roster()):
        modes = {file.name: f"{file.stat().st_mode & 0o777:o}" for file in its.folder.iterdir()}
    return {"modes": modes, "secret_in": [f.name for f in its.folder.iterdir() if SECRET.reveal() in f.read_text()]}


if __name__ == "__main__":
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    scenarios = {"certificates": certificates, "wrong_secret": wrong_secret, "killed": killed, "files": files}
    sys.stdout.write(json.dumps(scenarios[sys.argv[1]]()))

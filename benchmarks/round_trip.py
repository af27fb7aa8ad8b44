"""A client's enrolment with a key at hand, against the bench's CA: ours in process, and beside it clients that are programs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from statistics import median

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from benchmarks.enrolments import CHALLENGE, KEY_BITS, certificate_of, new_keys
from benchmarks.measure import Claim, Scale, cores, kept_on, spend
from benchmarks.servers import our_lab
from hil.capture.keys import load_key
from hil.errors import LabFault
from hil.scep.authority import to_pem
from hil.scep.client import Client, Issued
from hil.scep.csr import build_csr
from hil.scep.http import Transport
from hil.secret import Secret

NEEDS = {"scepclient": "scep", "pki": "strongswan-pki"}
TARGET = 1.0
Enrol = Callable[[Path, str], float]
"""Enrols with the key in a folder for a common name, and tells the seconds that it took."""


def measure(scale: Scale, folder: Path) -> Iterator[Claim]:
    """Each round has every client in turn, on a core that the server does not have."""
    server_core, client_core = cores()
    homes = [_home(folder / f"phone-{number}", key) for number, key in enumerate(new_keys(scale.trips))]
    names = (f"phone {number}" for number in count())
    with our_lab(folder / "lab", server_core) as (url, _), kept_on(client_core):
        clients = _clients(url, folder)
        taken: dict[str, list[float]] = {name: [] for name in clients}
        for _ in range(scale.rounds):
            for name, enrol in clients.items():
                taken[name].append(1000 * median(enrol(home, next(names)) for home in homes))
    for peer in ("scepclient", "pki --scep"):
        yield Claim(
            "Client, enrolment in process",
            "ms",
            peer,
            taken["ours"],
            taken[peer],
            target=TARGET,
            how=f"discovery, CSR, request and reply with an RSA {KEY_BITS} key given; the peer is a process for each",
            less_is_better=True,
        )
        yield Claim(
            "Client, hil enroll",
            "ms",
            peer,
            taken["hil enroll"],
            taken[peer],
            target=None,
            how="each a process from start to end; hil enroll makes its key besides",
            less_is_better=True,
        )


def _home(folder: Path, key: RSAPrivateKey) -> Path:
    folder.mkdir()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    (folder / "client.key").write_bytes(pem)
    return folder


def _clients(url: str, folder: Path) -> dict[str, Enrol]:
    ca = folder / "ca.pem"
    ca.write_bytes(to_pem(certificate_of(url)))
    password = folder / "password"
    password.touch(mode=0o600)
    password.write_text(CHALLENGE)
    files = ("-private-key", "client.key", "-certificate", "client.pem")
    scepclient = ("scepclient", "-server-url", url, "-challenge", CHALLENGE, *files)
    trust = ("--cacert-enc", str(ca), "--cacert-sig", str(ca))
    pki = ("pki", "--scep", "--url", url, "--in", "client.key", "--password", CHALLENGE, "--cipher", "des3", *trust)
    hil = (sys.executable, "-m", "hil.cli", "enroll", url, "--challenge-file", str(password))
    return {
        "ours": _in_process(url),
        "scepclient": lambda home, name: _run(home, (*scepclient, "-cn", name)),
        "pki --scep": lambda home, name: _run(home, (*pki, "--dn", f"C=US, O=Lab, CN={name}")),
        "hil enroll": lambda home, name: _run(home, (*hil, "--cn", name, "--out", name)),
    }


def _in_process(url: str) -> Enrol:
    def enrol(home: Path, name: str) -> float:
        key = load_key(home / "client.key")
        begun = time.perf_counter()
        csr = build_csr(key, (("C", "US"), ("O", "Lab"), ("CN", name)), challenge_password=Secret(CHALLENGE))
        with Transport(url) as transport:
            outcome = Client(transport).enrol(csr, key)
        span = time.perf_counter() - begun
        if not isinstance(outcome, Issued):
            raise LabFault("an enrolment did not succeed", tried=url, seen=repr(outcome))
        return span

    return enrol


def _run(home: Path, command: Sequence[str]) -> float:
    (home / "csr.pem").unlink(missing_ok=True)  # scepclient would send that of the name before
    return spend(command, folder=home).seconds

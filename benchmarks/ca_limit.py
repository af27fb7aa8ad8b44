"""The bench's CA beside what the core can do at most: `openssl speed` for as many private RSA operations as an enrolment has."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from benchmarks.enrolments import CHALLENGE, CLIENTS, CURRENT, KEY_BITS, applicants, new_keys, play, requests
from benchmarks.measure import Claim, Scale, cores, kept_on, on_core
from benchmarks.servers import our_lab
from hil.clock import ScaledClock
from hil.scep import signers
from hil.scep.authority import Authority
from hil.scep.ca import CaService
from hil.scep.public_key import PublicKey
from hil.secret import Secret

NEEDS = {"openssl": "openssl"}
TARGET = 0.5


def measure(scale: Scale, folder: Path) -> Iterator[Claim]:
    """Each round asks OpenSSL before and after the load, on the core that the server has."""
    server_core, load_core = cores()
    done = operations()
    private = done["decrypt"] + done["sign"]
    keys = new_keys(scale.enrolments)
    ours, limits = [], []
    for number in range(scale.rounds):
        with our_lab(folder / str(number), server_core) as (url, pid), kept_on(load_core):
            play(url, pid, applicants(keys[:CLIENTS], CURRENT), CURRENT)
            before = private_rate(server_core)
            ours.append(1 / play(url, pid, applicants(keys, CURRENT), CURRENT).cpu)
            limits.append((before + private_rate(server_core)) / 2 / private)
    how = (
        f"as counted, an enrolment takes {private} private RSA operations, {done['decrypt']} to open the envelope and"
        f" {done['sign']} to sign certificate and reply, and {done['verify'] + done['encrypt']} public ones, {done['verify']}"
        f" to check signatures and {done['encrypt']} to make the reply's envelope; the limit is of the private ones alone."
        f" RSA {KEY_BITS}, AES-128-CBC, SHA-256, {CLIENTS} clients at once"
    )
    yield Claim("CA, enrolments in a CPU second", "1/s", "RSA limit by openssl speed", ours, limits, TARGET, how)


def private_rate(core: int) -> float:
    """Private operations in a CPU second by `openssl speed` on that core."""
    command = on_core(core, "openssl", "speed", "-mr", "-seconds", "1", f"rsa{KEY_BITS}")
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    result = next(line for line in said.splitlines() if line.startswith("+F2:"))
    return float(result.split(":")[3])


def operations() -> Counter[str]:
    """How many RSA operations of each kind the CA does to grant one request, as counted while it does."""
    done: Counter[str] = Counter()
    authority = Authority.create("Lab CA", ScaledClock())
    watched = replace(authority, key=cast(RSAPrivateKey, _Watched(authority.key, done)))
    asked = signers.challenge(Secret(CHALLENGE))
    service = CaService(watched, signers.chain(asked, to=signers.issue(watched)), clock=ScaledClock())
    [message] = requests(applicants(new_keys(1), CURRENT), authority.certificate, CURRENT)
    with (
        patch.object(PublicKey, "verifies", _counted(PublicKey.verifies, "verify", done)),
        patch.object(PublicKey, "encrypt_key", _counted(PublicKey.encrypt_key, "encrypt", done)),
    ):
        service.answer(message)
    return done


class _Watched:
    """A private key that counts what it is used for."""

    def __init__(self, key: RSAPrivateKey, done: Counter[str]) -> None:
        self._key = key
        self.sign = _counted(key.sign, "sign", done)
        self.decrypt = _counted(key.decrypt, "decrypt", done)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._key, name)


def _counted(operation: Callable[..., Any], name: str, done: Counter[str]) -> Callable[..., Any]:
    def counted(*arguments: Any, **named: Any) -> Any:
        done[name] += 1
        return operation(*arguments, **named)

    return counted

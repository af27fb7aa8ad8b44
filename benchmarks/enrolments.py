"""Enrolments made beforehand and sent as fast as a server takes them, by so many clients at once, a connection for each."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPResponse
from io import BytesIO
from itertools import count
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from benchmarks.measure import cpu_seconds
from hil.clock import ScaledClock
from hil.errors import LabFault
from hil.scep import build
from hil.scep.authority import self_signed
from hil.scep.certificate import Certificate
from hil.scep.csr import build_csr, read_csr
from hil.scep.http import Transport
from hil.scep.messages import MessageType, PkiStatus, leaf_for, read_message
from hil.secret import Secret

CHALLENGE = "only-for-this-run"
CLIENTS = 4
KEY_BITS = 2048
_numbers = count(1)


@dataclass(frozen=True)
class Suite:
    """Digest and content cipher of the requests; a server's replies follow them, or it has no other."""

    digest: str
    cipher: str


OLD, CURRENT = Suite("sha1", "des-cbc"), Suite("sha256", "aes-128-cbc")


@dataclass(frozen=True)
class Applicant:
    """A key of its own, with a CSR and a self-signed certificate of a name that no other has."""

    key: RSAPrivateKey
    csr: bytes
    certificate: Certificate


@dataclass(frozen=True)
class Load:
    """What a load showed: certificates in a second as the clients saw it, the server's CPU seconds for each, and refusals."""

    rate: float
    cpu: float
    refused: int


def new_keys(number: int) -> list[RSAPrivateKey]:
    """So many keys, made on all cores."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda _: rsa.generate_private_key(65537, KEY_BITS), range(number)))


def applicants(keys: Sequence[RSAPrivateKey], suite: Suite) -> list[Applicant]:
    """A fresh applicant for each key."""
    return [_applicant(key, suite) for key in keys]


def _applicant(key: RSAPrivateKey, suite: Suite) -> Applicant:
    subject = (("C", "US"), ("O", "Lab"), ("CN", f"phone {next(_numbers)}"))
    csr = build_csr(key, subject, challenge_password=Secret(CHALLENGE), digest=suite.digest)
    return Applicant(key, csr, self_signed(read_csr(csr).subject_der, key, ScaledClock().now(), digest=suite.digest))


def certificate_of(url: str) -> Certificate:
    """The CA's certificate, asked of the server."""
    with Transport(url) as transport:
        return transport.get_ca_cert("")[0]


def requests(who: Sequence[Applicant], recipient: Certificate, suite: Suite) -> list[bytes]:
    """A PKCSReq of each applicant."""
    return [
        build.build_request(
            MessageType.PKCSReq,
            one.csr,
            signer=one.certificate,
            key=one.key,
            recipient=recipient,
            transaction_id=os.urandom(16).hex().upper(),
            sender_nonce=build.new_nonce(),
            digest=suite.digest,
            cipher=suite.cipher,
        )
        for one in who
    ]


def play(url: str, pid: int, who: Sequence[Applicant], suite: Suite) -> Load:
    """Enrol all with the server of that process; `LabFault` where all, or more than one and one in a hundred, are refused."""
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or 80)
    calls = [_call(url, message) for message in requests(who, certificate_of(url), suite)]
    with ThreadPoolExecutor(CLIENTS) as clients:
        begun, used = time.perf_counter(), cpu_seconds(pid)
        answers = list(clients.map(lambda call: _answer(address, call), calls))
        span, cpu = time.perf_counter() - begun, cpu_seconds(pid) - used
    granted = sum(map(_is_granted, who, map(_body, answers)))
    if not granted or len(who) - granted > max(1, len(who) // 100):
        raise LabFault("a CA refuses what it should grant", tried=url, seen=f"{granted} of {len(who)} certificates")
    return Load(granted / span, cpu / granted, len(who) - granted)


def _call(url: str, message: bytes) -> bytes:
    parts = urlsplit(url)
    head = (
        f"POST {parts.path}?operation=PKIOperation HTTP/1.1",
        f"Host: {parts.netloc}",
        "Content-Type: application/x-pki-message",
        f"Content-Length: {len(message)}",
        "Connection: close",
    )
    return "\r\n".join((*head, "", "")).encode() + message


def _answer(address: tuple[str, int], call: bytes) -> bytes:
    """All octets that come back; reading them as HTTP is left for later, so that the clients take little of the machine."""
    with socket.create_connection(address, timeout=30) as sock:
        sock.sendall(call)
        return b"".join(iter(lambda: sock.recv(65_536), b""))


def _body(answer: bytes) -> bytes:
    response = HTTPResponse(_Received(answer))  # type: ignore[arg-type]  # of a socket it needs no more
    response.begin()
    return response.read()


class _Received:
    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def makefile(self, _: str) -> BytesIO:
        return BytesIO(self._octets)


def _is_granted(one: Applicant, answer: bytes) -> bool:
    """Whether the reply opens with the applicant's key and has its certificate."""
    reply = read_message(answer, keys=(one.key,))
    return reply.status is PkiStatus.SUCCESS and leaf_for(reply.issued, one.certificate.public_key_der) is not None

"""Which CA a client means: known beforehand by its fingerprint, or by its certificate (RFC 8894 section 2.2)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from hil.errors import LabFault, Misuse
from hil.scep.certificate import Certificate
from hil.scep.client import ServerView

_DIGEST_OF_LENGTH = {40: "sha1", 64: "sha256", 96: "sha384", 128: "sha512"}


class UntrustedCa(LabFault):
    """The server shows another CA than the one that is meant; it was told nothing."""


class Pin(Protocol):
    """What is known of a CA beforehand."""

    @property
    def kind(self) -> str:
        """`sha256` or another digest, or `file`."""

    @property
    def complete(self) -> bool:
        """Whether an RA that the pin does not cover is a stranger even if the CA issued its certificate."""

    def covers(self, certificate: Certificate) -> bool:
        """Whether this is a certificate that is meant."""


@dataclass(frozen=True)
class Fingerprint:
    """A digest over a certificate's DER."""

    kind: str
    octets: bytes
    complete = False

    def covers(self, certificate: Certificate) -> bool:
        return hashlib.new(self.kind, certificate.der).digest() == self.octets


@dataclass(frozen=True)
class KnownCertificates:
    """Certificates at hand; where an RA's is among them, no other RA will do."""

    certificates: Sequence[Certificate]
    kind = "file"

    @property
    def complete(self) -> bool:
        return not all(map(_issues, self.certificates))

    def covers(self, certificate: Certificate) -> bool:
        return any(certificate.der == known.der for known in self.certificates)


def read_fingerprint(text: str) -> Fingerprint:
    """A fingerprint from hexadecimal digits in any case, with or without colons; their number tells the digest."""
    digits = re.sub(r"[:\s]", "", text)
    kind = _DIGEST_OF_LENGTH.get(len(digits))
    if kind is None or not re.fullmatch(r"[0-9A-Fa-f]*", digits):
        remedy = "64 hexadecimal digits of SHA-256, or 40 of SHA-1"
        raise Misuse(f"{text!r} is no fingerprint", key="--fingerprint", remedy=remedy)
    return Fingerprint(kind, bytes.fromhex(digits))


def fingerprint(certificate: Certificate, digest: str = "sha256") -> str:
    """The certificate's fingerprint as other tools show it: upper case, with colons."""
    return hashlib.new(digest, certificate.der).digest().hex(":").upper()


def trusted(server: ServerView, pin: Pin) -> ServerView:
    """The server's view reduced to what the pin covers and what was issued below; `UntrustedCa` where it covers no CA."""
    believed = [certificate for certificate in server.certificates if pin.covers(certificate)]
    if not any(map(_issues, believed)):
        seen = f"{server.ca.subject}, SHA-256 fingerprint {fingerprint(server.ca)}"
        problem = (
            "the fingerprint is that of an RA, not of its CA" if believed else "the server shows another CA than the one meant"
        )
        raise UntrustedCa(problem, tried=f"compare by {pin.kind}", seen=seen)
    for _ in server.certificates:  # once for each level there can be
        believed += [c for c in server.certificates if c not in believed and _vouched_for(c, believed, pin)]
    return replace(server, certificates=tuple(c for c in server.certificates if c in believed))


def chain_above(leaf: Certificate, pool: Sequence[Certificate]) -> tuple[Certificate, ...]:
    """The certificates above `leaf` as far as `pool` has them, each verified by the next."""
    chain: list[Certificate] = []
    below = leaf
    for _ in pool:
        issuer = next((c for c in pool if below.signed_by(c)), None)
        if issuer is None or issuer in chain:
            break
        chain.append(issuer)
        below = issuer
    return tuple(chain)


def _issues(certificate: Certificate) -> bool:
    return certificate.is_ca or certificate.self_signed


def _vouched_for(certificate: Certificate, believed: Sequence[Certificate], pin: Pin) -> bool:
    if pin.complete and not _issues(certificate):
        return False
    return any(_issues(issuer) and certificate.signed_by(issuer) for issuer in believed)

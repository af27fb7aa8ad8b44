"""A certification authority's keys and certificates, in memory and in a folder."""

from __future__ import annotations

import hashlib
import os
import secrets
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache, lru_cache
from ipaddress import ip_address
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.x509 import load_pem_x509_certificates

from hil import asn1
from hil.clock import Clock
from hil.errors import Misuse
from hil.scep import algorithms, names
from hil.scep.certificate import (
    BASIC_CONSTRAINTS,
    KEY_USAGE,
    SUBJECT_KEY_IDENTIFIER,
    Certificate,
    Extension,
    read_certificate,
    write_certificate,
    write_extension,
)
from hil.scep.csr import Csr
from hil.scep.kept_key import read_kept_key

AUTHORITY_KEY_IDENTIFIER = "2.5.29.35"
EXTENDED_KEY_USAGE = "2.5.29.37"
SUBJECT_ALT_NAME = "2.5.29.17"
_SERVER_AUTH, _CLIENT_AUTH = "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"
_DNS_NAME, _IP_ADDRESS = 0x82, 0x87
_KEY, _CERTIFICATE, _CHAIN = "ca.key", "ca.pem", "chain.pem"
_RA_KEY, _RA_CERTIFICATE = "ra.key", "ra.pem"
_RECEIVER_KEY, _RECEIVER_CERTIFICATE = "ra-encryption.key", "ra-encryption.pem"
_REMEDY = "remove the folder to have a CA made anew"


@dataclass(frozen=True)
class RegistrationAuthority:
    """The key and certificate that speak SCEP where the CA's own do not (RFC 8894 section 2.1.3).

    `receiver` is a second pair for the envelopes, where the first only signs, as NDES has it.
    """

    key: RSAPrivateKey = field(repr=False)
    certificate: Certificate
    receiver: RegistrationAuthority | None = None


@dataclass(frozen=True)
class Authority:
    """A CA: its key, its certificate, the certificates above it, and an RA if it has one."""

    key: RSAPrivateKey = field(repr=False)
    certificate: Certificate
    chain: tuple[Certificate, ...] = ()
    ra: RegistrationAuthority | None = None

    @property
    def speaker(self) -> tuple[RSAPrivateKey, Certificate]:
        """Who signs replies: the RA if there is one, else the CA."""
        return (self.ra.key, self.ra.certificate) if self.ra else (self.key, self.certificate)

    @property
    def receiver_key(self) -> RSAPrivateKey:
        """What opens requests: the key of the RA's receiver, of the RA, or of the CA."""
        return self.ra.receiver.key if self.ra and self.ra.receiver else self.speaker[0]

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """What GetCACert answers: RA, its receiver, CA and chain, those that exist."""
        speakers = (self.ra, self.ra.receiver) if self.ra else ()
        return (*(speaker.certificate for speaker in speakers if speaker), self.certificate, *self.chain)

    @classmethod
    def create(
        cls,
        name: str,
        clock: Clock,
        *,
        key_bits: int = 2048,
        ra: bool = False,
        receiver: bool = False,
        above: Authority | None = None,
        years: int = 30,
        organization: str = "J100 bench",
    ) -> Authority:
        """A fresh CA, self-signed or under the authority `above`, with an RA if asked, and a `receiver` beside it.

        It is valid from three years ago, so that certificates issued backdated lie within its time.
        """
        key = rsa.generate_private_key(65537, key_bits)
        subject = names.write_name((("O", organization), ("CN", name)))
        not_before = clock.now() - timedelta(days=3 * 365)
        not_after = not_before + timedelta(days=365 * years)
        usage = write_extension(KEY_USAGE, _bits("digitalSignature", "keyEncipherment", "keyCertSign", "cRLSign"), critical=True)
        constraints = write_extension(BASIC_CONSTRAINTS, asn1.sequence(asn1.boolean(True)), critical=True)
        public = algorithms.public_key_der(key)
        certificate = write_certificate(
            subject_der=subject,
            issuer_der=above.certificate.subject_der if above else subject,
            serial=new_serial(),
            not_before=not_before,
            not_after=not_after,
            public_key_der=public,
            extensions=(constraints, usage, *_key_identifiers(public, above.certificate.public_key_der if above else public)),
            key=above.key if above else key,
        )
        authority = cls(key, certificate, (above.certificate, *above.chain) if above else ())
        if not ra:
            return authority
        if not receiver:
            both = ("digitalSignature", "keyEncipherment")
            return replace(authority, ra=authority._new_ra(f"{name} RA", organization, key_bits, both))
        enveloped = authority._new_ra(f"{name} RA encryption", organization, key_bits, ("keyEncipherment",))
        signing = authority._new_ra(f"{name} RA", organization, key_bits, ("digitalSignature",))
        return replace(authority, ra=replace(signing, receiver=enveloped))

    def _new_ra(self, name: str, organization: str, key_bits: int, usages: Sequence[str]) -> RegistrationAuthority:
        key = rsa.generate_private_key(65537, key_bits)
        public = algorithms.public_key_der(key)
        certificate = write_certificate(
            subject_der=names.write_name((("O", organization), ("CN", name))),
            issuer_der=self.certificate.subject_der,
            serial=new_serial(),
            not_before=self.certificate.not_before,
            not_after=self.certificate.not_after,
            public_key_der=public,
            extensions=(
                write_extension(KEY_USAGE, _bits(*usages), critical=True),
                *_key_identifiers(public, self.certificate.public_key_der),
            ),
            key=self.key,
        )
        return RegistrationAuthority(key, certificate)

    def issue(self, csr: Csr, *, not_before: datetime, not_after: datetime, digest: str = "sha256") -> Certificate:
        """An end entity's certificate for the CSR's subject and key, octet for octet as asked, for TLS clients."""
        return write_certificate(
            subject_der=csr.subject_der,
            issuer_der=self.certificate.subject_der,
            serial=new_serial(),
            not_before=not_before,
            not_after=not_after,
            public_key_der=csr.public_key_der,
            extensions=(
                *_end_entity(_CLIENT_AUTH),
                *_key_identifiers(csr.public_key_der, self.certificate.public_key_der),
            ),
            key=self.key,
            digest=digest,
        )

    def issue_server(self, public_key_der: bytes, addresses: Sequence[str], dns_names: Sequence[str] = ()) -> Certificate:
        """A TLS server's certificate, valid as long as the CA's own; subjectAltName has an entry for each address and name."""
        alternatives = [asn1.tlv(_IP_ADDRESS, ip_address(address).packed) for address in addresses]
        alternatives += [asn1.tlv(_DNS_NAME, name.encode("ascii")) for name in dns_names]
        return write_certificate(
            subject_der=names.write_name((("CN", [*dns_names, *addresses][0]),)),
            issuer_der=self.certificate.subject_der,
            serial=new_serial(),
            not_before=self.certificate.not_before,
            not_after=self.certificate.not_after,
            public_key_der=public_key_der,
            extensions=(
                *_end_entity(_SERVER_AUTH),
                write_extension(SUBJECT_ALT_NAME, asn1.sequence(*alternatives)),
                *_key_identifiers(public_key_der, self.certificate.public_key_der),
            ),
            key=self.key,
        )

    def save(self, folder: Path) -> None:
        """Write keys (mode 600) and certificates as PEM; the folder is made if need be."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_key(folder / _KEY, self.key)
        _write_certificates(folder / _CERTIFICATE, (self.certificate,))
        if self.chain:
            _write_certificates(folder / _CHAIN, self.chain)
        if self.ra:
            _write_key(folder / _RA_KEY, self.ra.key)
            _write_certificates(folder / _RA_CERTIFICATE, (self.ra.certificate,))
        if self.ra and self.ra.receiver:
            _write_key(folder / _RECEIVER_KEY, self.ra.receiver.key)
            _write_certificates(folder / _RECEIVER_CERTIFICATE, (self.ra.receiver.certificate,))

    @classmethod
    def load(cls, folder: Path) -> Authority:
        """The authority that `save` wrote; `Misuse` names the file that is missing or wrong."""
        chain = _read_certificates(folder / _CHAIN) if (folder / _CHAIN).exists() else ()
        receiver = _read_speaker(folder / _RECEIVER_KEY, folder / _RECEIVER_CERTIFICATE)
        ra = _read_speaker(folder / _RA_KEY, folder / _RA_CERTIFICATE)
        ra = replace(ra, receiver=receiver) if ra else None
        return cls(_read_key(folder / _KEY), _read_certificates(folder / _CERTIFICATE)[0], chain, ra)


def new_serial() -> int:
    """A positive serial number of at most 16 octets, too random to meet twice."""
    return secrets.randbits(126) | 1 << 126


def self_signed(subject_der: bytes, key: RSAPrivateKey, now: datetime, *, digest: str = "sha256") -> Certificate:
    """A certificate that a client signs its first request with (RFC 8894 section 2.3), valid around `now`."""
    usage = write_extension(KEY_USAGE, _bits("digitalSignature", "keyEncipherment"), critical=True)
    return write_certificate(
        subject_der=subject_der,
        issuer_der=subject_der,
        serial=new_serial(),
        not_before=now - timedelta(days=1),
        not_after=now + timedelta(days=30),
        public_key_der=algorithms.public_key_der(key),
        extensions=(usage,),
        key=key,
        digest=digest,
    )


def _bits(*usages: str) -> bytes:
    places = {"digitalSignature": 0, "keyEncipherment": 2, "keyCertSign": 5, "cRLSign": 6}
    value = 0
    for usage in usages:
        value |= 0x80 >> places[usage]
    return asn1.bit_string(bytes((value,)), unused=7 - max(places[usage] for usage in usages))


@cache
def _end_entity(purpose: str) -> Sequence[Extension]:
    return (
        write_extension(BASIC_CONSTRAINTS, asn1.sequence(), critical=True),
        write_extension(KEY_USAGE, _bits("digitalSignature", "keyEncipherment"), critical=True),
        write_extension(EXTENDED_KEY_USAGE, asn1.sequence(asn1.oid(purpose))),
    )


def _key_identifiers(subject_public_key: bytes, issuer_public_key: bytes) -> Sequence[Extension]:
    own = write_extension(SUBJECT_KEY_IDENTIFIER, asn1.octet_string(_identifier(subject_public_key)))
    return own, _authority_key_identifier(issuer_public_key)


@lru_cache(maxsize=64)
def _authority_key_identifier(public_key: bytes) -> Extension:
    return write_extension(AUTHORITY_KEY_IDENTIFIER, asn1.sequence(asn1.tlv(0x80, _identifier(public_key))))


def _identifier(public_key: bytes) -> bytes:
    return hashlib.sha1(public_key, usedforsecurity=False).digest()


def key_to_pem(key: RSAPrivateKey) -> bytes:
    """The private key in PEM, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _write_key(path: Path, key: RSAPrivateKey) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(key_to_pem(key))


def _write_certificates(path: Path, certificates: Sequence[Certificate]) -> None:
    path.write_bytes(b"".join(to_pem(certificate) for certificate in certificates))


def to_pem(certificate: Certificate) -> bytes:
    """The certificate in PEM."""
    return ssl.DER_cert_to_PEM_cert(certificate.der).encode()


def _read_speaker(key: Path, certificate: Path) -> RegistrationAuthority | None:
    return RegistrationAuthority(_read_key(key), _read_certificates(certificate)[0]) if key.exists() else None


def _read_key(path: Path) -> RSAPrivateKey:
    try:
        return read_kept_key(path.read_bytes())
    except (OSError, ValueError, TypeError) as error:
        raise Misuse(
            f"no private key can be read ({error})", file=path, remedy="remove the folder to have a CA made anew"
        ) from error


def _read_certificates(path: Path) -> tuple[Certificate, ...]:
    try:
        loaded = load_pem_x509_certificates(path.read_bytes())
        return tuple(read_certificate(certificate.public_bytes(serialization.Encoding.DER)) for certificate in loaded)
    except (OSError, ValueError) as error:
        raise Misuse(
            f"no certificate can be read ({error})", file=path, remedy="remove the folder to have a CA made anew"
        ) from error

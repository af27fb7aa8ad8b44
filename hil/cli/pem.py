"""Certificates, with or without their keys, and CRLs as files; and a certificate's facts."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from pathlib import Path

from hil.asn1 import Malformed
from hil.capture.keys import load_key
from hil.errors import Misuse
from hil.scep.authority import to_pem
from hil.scep.certificate import Certificate, read_certificate
from hil.scep.client import Holder
from hil.scep.crl import Crl
from hil.scep.trust import fingerprint

_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)


def read_certificates(file: Path, option: str) -> tuple[Certificate, ...]:
    """The certificates of a PEM or DER file, at least one; `Misuse` names file and option."""
    try:
        data = file.read_bytes()
        blocks = [base64.b64decode(block) for block in _BLOCK.findall(data)]
        return tuple(map(read_certificate, blocks or [data]))
    except OSError as error:
        raise Misuse(f"cannot be read ({error.strerror})", file=file, key=option, remedy="a PEM file") from error
    except (Malformed, binascii.Error) as error:
        raise Misuse("holds no certificate, or a damaged one", file=file, key=option, remedy="a PEM file") from error


def read_holder(certificate: Path, key: Path) -> Holder:
    """A certificate and its private key; `Misuse` where they are not a pair."""
    held, private = read_certificates(certificate, "--cert")[0], load_key(key)
    numbers = private.public_key().public_numbers()
    if held.public_key.rsa != (numbers.n, numbers.e):
        raise Misuse(f"is not the key of {certificate}", file=key, key="--key", remedy="name the key that belongs to it")
    return held, private


def crl_pem(crl: Crl) -> bytes:
    """A CRL in PEM (RFC 7468 section 6)."""
    text = base64.encodebytes(crl.der).replace(b"\n", b"")
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return b"\n".join((b"-----BEGIN X509 CRL-----", *lines, b"-----END X509 CRL-----", b""))


def certificate_facts(certificate: Certificate) -> dict[str, object]:
    """What a person compares, and what a program looks up."""
    return {
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "serial": f"{certificate.serial:x}",
        "not_before": certificate.not_before.isoformat(),
        "not_after": certificate.not_after.isoformat(),
        "key_bits": certificate.key_bits,
        "sha256": fingerprint(certificate),
        "sha1": fingerprint(certificate, "sha1"),
    }


def pem_of(certificates: Iterable[Certificate]) -> bytes:
    """The certificates in PEM, one after the other."""
    return b"".join(map(to_pem, certificates))

"""The reader of SCEP messages: any octets are read or `Malformed`, and what a signature covers cannot be changed."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import TypeVar

from asn1crypto import parser as other_parser
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.utils import CryptographyDeprecationWarning

from hil import asn1
from hil.asn1 import Malformed
from hil.capture.as_json import message_json
from hil.scep import build
from hil.scep.certificate import read_certificate
from hil.scep.crl import read_crl
from hil.scep.csr import read_csr
from hil.scep.messages import (
    PkiMessage,
    read_capabilities,
    read_certificates,
    read_issuer_and_serial,
    read_message,
    read_next_ca,
)
from targets import lab, pki
from targets.changes import flipped, rebuilt
from targets.draw import Draw

_Result = TypeVar("_Result")
SIGNED = ("message_type", "transaction_id", "sender_nonce", "recipient_nonce", "status", "fail_info", "fail_info_text")
_INSIDE = {"decrypted", "content", "csr", "issued", "crls", "issuer_and_serial", "problems", "notes"}


def run(data: bytes) -> None:
    """One input: its first octet says how the rest is taken."""
    draw = Draw(data)
    draw.choice(_WAYS)(draw)


def seeds() -> Iterator[tuple[str, bytes]]:
    """Name and octets of inputs to begin with."""
    for kind in range(5):
        for cipher in (0, 4, 5, 6):
            drawn = bytes((kind, 0, 0, *((0, 3, 0) if kind < 2 else ()), cipher, 0, 3))
            octets = pki.request(Draw(drawn), lab.authority()).octets
            if cipher in (0, 6) or not kind:
                yield f"request-{kind}-{cipher}", b"\0" + octets
            yield f"sealed-{kind}-{cipher}", b"\x02" + drawn
    for status in range(3):
        yield f"reply-{status}", b"\0" + pki.reply(Draw(bytes((0, status))))
    yield "certificate", b"\x01" + lab.held("phone").der
    yield "certificates", b"\x01" + build.degenerate((lab.held("phone"), lab.authority().certificate))
    yield "csr", b"\x01" + lab.csr_der("phone")
    yield "crl", b"\x01" + pki.crl().der
    yield "serial", b"\x01" + lab.held("phone").issuer_and_serial
    version, number = asn1.explicit(0, asn1.integer(2)), asn1.explicit(0, asn1.integer(1 << 15_000))
    element = asn1.read(lab.held("phone").der)
    found = next(child for child in element.children[0].children if child.raw == version)
    yield "long-version", b"\x01" + rebuilt(element, found, number)
    yield "capabilities", b"\x01AES\nDES3\r\nPOSTPKIOperation\n"
    for layer in range(1, 6):
        yield f"changed-{layer}", bytes((2, 0, layer, 0, 0, 3, 0, 1, 5, 3, 9, 3, 4))
        yield f"reply-changed-{layer}", bytes((3, layer, 0, 2, 6, 9, 3, 7, 3, 1))
    yield "flipped", bytes((4, 0, 0, 0, 0, 3, 0, 4, 3, 1, 120, 3))


def _message(draw: Draw) -> None:
    data = draw.rest()
    message = _read(lambda: read_message(data, keys=(lab.key("ca"), lab.key("phone"))))
    unopened = _read(lambda: read_message(data))
    assert (message is None) == (unopened is None), "keys decide whether octets are a message"
    if message and unopened:
        _check(message)
        for name in {field.name for field in fields(PkiMessage)} - _INSIDE:
            assert getattr(message, name) == getattr(unopened, name), f"{name} depends on keys"
        assert not unopened.decrypted


def _parts(draw: Draw) -> None:
    data = draw.rest()
    _compare_elements(data)
    known = (lab.authority().certificate,)
    for read in (read_certificates, read_capabilities, read_issuer_and_serial, lambda octets: read_next_ca(octets, known)):
        try:
            repr(read(data))
        except Malformed:
            continue
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        _compare_certificate(data)
        _compare_csr(data)
        _compare_crl(data)


def _sealed(draw: Draw) -> None:
    request = pki.request(draw, lab.authority())
    message = _read(lambda: read_message(request.octets, keys=(lab.key("ca"),)))
    if message is None:
        assert request.layer in ("attributes", "certificate", "whole"), "a sound message is Malformed"
        return
    _check(message)
    if request.layer in ("none", "content"):
        assert message.signature_valid
        assert message.message_type is request.kind
        assert (message.transaction_id, message.sender_nonce) == (pki.TRANSACTION_ID, pki.NONCE)
        assert message.content is None or message.content == request.content
    if request.layer == "none":
        assert message.decrypted
        assert not message.problems


def _reply(draw: Draw) -> None:
    octets = pki.reply(draw)
    message = _read(lambda: read_message(octets, keys=(lab.key("phone"),)))
    if message is not None:
        _check(message)


def _flipped(draw: Draw) -> None:
    request = pki.request(draw, lab.authority())
    before = _read(lambda: read_message(request.octets, keys=(lab.key("ca"),)))
    after = _read(lambda: read_message(flipped(request.octets, draw), keys=(lab.key("ca"),)))
    if before is not None and before.signature_valid and after is not None and after.signature_valid:
        for name in (*SIGNED, "content_cipher", "decrypted", "content"):
            assert getattr(before, name) == getattr(after, name), f"{name} changed under a signature that verifies"


_WAYS = (_message, _parts, _sealed, _reply, _flipped)


def _read(read: Callable[[], _Result]) -> _Result | None:
    try:
        return read()
    except Malformed:
        return None


def _check(message: PkiMessage) -> None:
    """What is read can be shown."""
    json.dumps(message_json(message, show_secrets=True), ensure_ascii=False).encode()
    json.dumps([message.problems, message.notes, message.fail_info_text], ensure_ascii=False).encode()
    repr(message)


def _compare_elements(data: bytes) -> None:
    """asn1crypto finds the same first element, wherever both read one."""
    try:
        _, _, _, header, content, trailer = other_parser.parse(data)
    except ValueError:
        return
    element = _read(lambda: asn1.read(data))
    if element is not None:
        assert (element.raw, element.content) == (header + content + trailer, content), "asn1crypto reads another element"


def _compare_certificate(data: bytes) -> None:
    ours = _read(lambda: read_certificate(data))
    repr(ours)
    try:
        theirs = x509.load_der_x509_certificate(data)
        key = theirs.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        told = (theirs.serial_number, theirs.not_valid_before_utc, theirs.not_valid_after_utc, theirs.tbs_certificate_bytes, key)
        theirs.subject, theirs.issuer, theirs.extensions  # noqa: B018 - raise where they cannot be read
    except Exception:  # noqa: BLE001 - what it refuses, for whatever reason, is no oracle
        return
    assert ours is not None, "cryptography reads this certificate"
    assert (ours.serial, ours.not_before, ours.not_after, ours.signed_part, ours.public_key_der) == told


def _compare_csr(data: bytes) -> None:
    ours = _read(lambda: read_csr(data))
    repr(ours)
    try:
        theirs = x509.load_der_x509_csr(data)
        valid = theirs.is_signature_valid
        theirs.subject, theirs.extensions, theirs.attributes  # noqa: B018 - raise where they cannot be read
    except Exception:  # noqa: BLE001 - what it refuses, for whatever reason, is no oracle
        return
    assert ours is not None, "cryptography reads this CSR"
    assert ours.signature_valid == valid


def _compare_crl(data: bytes) -> None:
    ours = _read(lambda: read_crl(data))
    repr(ours)
    try:
        theirs = x509.load_der_x509_crl(data)
        revoked = {entry.serial_number: entry.revocation_date_utc for entry in theirs}
        theirs.issuer, theirs.extensions  # noqa: B018 - raise where they cannot be read
    except Exception:  # noqa: BLE001 - what it refuses, for whatever reason, is no oracle
        return
    assert ours is not None, "cryptography reads this CRL"
    assert ours.revoked == revoked

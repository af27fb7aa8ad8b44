"""Judges a cell by what was issued, by the CA's ledger, and by what crossed the wire; the client's word alone proves nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID
from interop_cells import BAD_PASSWORD, ENROL, GET_CERT, GET_CRL, NEEDS_A_CERTIFICATE, RENEW, Cell, Played
from interop_known import KNOWN, Wire, expected
from interop_seats import SCEPSERVER

from hil.capture.keys import load_key
from hil.capture.transcript import Exchange
from hil.scep.messages import PkiMessage

_REFUSED: Mapping[str, str] = {
    "scepclient": r"request failed, failInfo: badRequest",
    "pki": r"failInfo: +badRequest",
    "certmonger": r"status: CA_REJECTED",
    "hil enroll": r"fail info: badRequest",
    "hil client": r"FailInfo\.badRequest",
    "virtual phone": r"the CA refused the request, failInfo 2",
}
"""How a client says that its password was refused."""


class Astray(Exception):
    """A cell that is not as it is expected to be."""


@dataclass(frozen=True)
class Judge:
    """All cells that were played, and all exchanges that were recorded meanwhile."""

    played: Mapping[Cell, Played]
    exchanges: Sequence[Exchange]

    def marks(self, cells: Iterable[Cell]) -> dict[Cell, str | Astray]:
        """`ok`, or the tag of the peculiarity that was met, or how the cell went astray."""
        return {cell: self._mark_or_astray(cell) for cell in cells}

    def _mark_or_astray(self, cell: Cell) -> str | Astray:
        try:
            return self._mark(cell)
        except Astray as astray:
            return astray

    def _mark(self, cell: Cell) -> str:
        tag, wire = expected(cell)
        if cell not in self.played:
            return self._not_reached(cell)
        played = self.played[cell]
        seen = [exchange for exchange in self.exchanges if _of(played, exchange)]
        self._compare(played, wire, seen, again=tag is not None and KNOWN[tag].again)
        _demand(played.code is None or (played.code == 0) is (played.got is not None), f"it ended with {played.code}")
        failing = None if tag is None else KNOWN[tag].said
        if failing is not None:
            _demand(played.got is None, "it got something although it is known to fail")
            _demand(re.search(failing, played.said) is not None, f"it does not fail as it is known to: {played.said[-300:]}")
        elif cell.operation == BAD_PASSWORD:
            _demand(played.got is None, "it got a certificate by a wrong password")
            _demand(re.search(_REFUSED[cell.client], played.said) is not None, f"it does not say so: {played.said[-300:]}")
        else:
            _demand(played.got is not None, f"it got nothing: {played.said[-300:]}")
            self._prove(played, seen)
        return tag or "ok"

    def _not_reached(self, cell: Cell) -> str:
        """What needs a certificate fails by what kept the client from one."""
        _demand(cell.operation in NEEDS_A_CERTIFICATE, "it was not played")
        mark = self._mark(cell._replace(operation=ENROL))
        _demand(mark != "ok" and KNOWN[mark].said is not None, "it was not played, although there is a certificate")
        return mark

    def _compare(self, played: Played, wire: Wire, seen: Sequence[Exchange], *, again: bool) -> None:
        words = wire_of(seen)
        asked_again = words[len(wire) :] if again else ()
        _demand(words == (*wire, *asked_again), f"on the wire {words}, not {wire}")
        _demand(set(asked_again) <= set(wire[-1:]), f"on the wire {words}, and not {wire} with only its last word again")
        if played.cell.server != SCEPSERVER:
            ledger = tuple(words for words, _ in played.ledger)
            answered = tuple(word.partition(" ")[2] for word in words if word[-1].isalpha())
            _demand(ledger == answered, f"the CA's ledger has {ledger}, the wire {answered}")

    def _prove(self, played: Played, seen: Sequence[Exchange]) -> None:
        """That what the client got is the CA's, is what the last reply carried, and is what the ledger says."""
        assert played.got is not None
        ca = x509.load_pem_x509_certificate(Path(played.anchor).read_bytes())
        if played.cell.operation == GET_CRL:
            self._prove_crl(x509.load_der_x509_crl(Path(played.got).read_bytes()), ca, played.cell)
            return
        got = _certificate(played.got)
        try:
            got.verify_directly_issued_by(ca)
        except (InvalidSignature, ValueError) as error:
            raise Astray(f"the certificate is not the CA's: {error!r}") from error
        assert played.key is not None
        _demand(_key(played.key).public_key() == got.public_key(), "the certificate is not for the client's key")
        [name] = got.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        _demand(name.value == played.common_name, f"the certificate is for {name.value!r}")
        serial = got.serial_number
        if played.cell.operation == GET_CERT:
            _demand(serial == self._enrolled(played.cell).serial_number, "the certificate is another")
        elif played.cell.server != SCEPSERVER:
            _demand(played.ledger[-1][1] == f"{serial:x}", f"the CA's ledger has {played.ledger[-1]}, the certificate {serial:x}")
        request, reply = _last_sound(seen)
        _demand(serial in [certificate.serial for certificate in reply.issued], "the last reply carries another certificate")
        if played.cell.operation == RENEW:
            old = self._enrolled(played.cell).serial_number
            _demand(serial != old, "the certificate is the old one")
            signer = request.signer
            _demand(signer is not None and signer.serial == old, "the request is not signed with the old certificate")

    def _prove_crl(self, crl: x509.CertificateRevocationList, ca: x509.Certificate, cell: Cell) -> None:
        key = ca.public_key()
        assert isinstance(key, RSAPublicKey)
        _demand(crl.is_signature_valid(key) and crl.issuer == ca.subject, "the CRL is not the CA's")
        revoked = crl.get_revoked_certificate_by_serial_number(self._enrolled(cell).serial_number)
        _demand(revoked is not None, "the certificate that was revoked is not on the CRL")

    def _enrolled(self, cell: Cell) -> x509.Certificate:
        first = self.played[cell._replace(operation=ENROL)].got
        assert first is not None
        return _certificate(first)


def keys(played: Iterable[Played], folder: Path) -> list[RSAPrivateKey]:
    """The private keys of all CAs and all clients, each once."""
    found = [load_key(file) for file in folder.glob("ca/*/*.key")] + [_key(one.key) for one in played if one.key]
    return list({key.private_numbers().public_numbers.n: key for key in found}.values())


def wire_of(seen: Iterable[Exchange]) -> Wire:
    """What crossed the wire, in words: every PKIOperation, and discoveries that were answered with an error, each once."""
    words: list[str] = []
    for exchange in seen:
        if exchange.operation != "PKIOperation":
            word = f"{exchange.operation} {exchange.status}"
            if exchange.status != 200 and exchange.operation in ("GetCACaps", "GetCACert") and word not in words:
                words.append(word)
            continue
        request, reply = exchange.request, exchange.reply
        kind = request.message_type.name if request and request.message_type else "?"
        if reply is None:
            words.append(f"{exchange.method} {kind} {exchange.status}")
        else:
            status = reply.status.name if reply.status is not None else "?"
            reason = "" if reply.fail_info is None else f" {reply.fail_info.name}"
            words.append(f"{exchange.method} {kind} {status}{reason}")
    return tuple(words)


def _of(played: Played, exchange: Exchange) -> bool:
    place = exchange.server == played.address and exchange.path == played.path
    return place and played.began <= exchange.request_time <= played.ended


def _last_sound(seen: Sequence[Exchange]) -> tuple[PkiMessage, PkiMessage]:
    """Request and reply of the last PKIOperation, once each is shown to be read whole: signatures, envelopes, CSR."""
    for exchange in seen:
        _demand(not exchange.problems, f"it is not decoded without problems: {exchange.problems}")
        request, reply = exchange.request, exchange.reply
        if exchange.operation == "PKIOperation":
            _demand(request is not None and request.signature_valid and request.decrypted, "a request is not opened")
            _demand(reply is not None and reply.signature_valid, "a reply is not verified")
    assert request is not None
    assert reply is not None
    return request, reply


def _key(file: str) -> RSAPrivateKey:
    """A key whose soundness is not the question: to check it takes longer than all else."""
    key = load_pem_private_key(Path(file).read_bytes(), None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, RSAPrivateKey)
    return key


def _certificate(file: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(Path(file).read_bytes())


def _demand(fulfilled: bool, otherwise: str) -> None:
    if not fulfilled:
        raise Astray(otherwise)

"""pkiMessages as they are read (RFC 8894 section 3), leniently, each departure noted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hil import asn1
from hil.asn1 import Element, Fields, Malformed
from hil.scep import algorithms, cms
from hil.scep.algorithms import Undecryptable
from hil.scep.certificate import Certificate, certificate_of, leaf_for
from hil.scep.cms import SignedData, SignerInfo
from hil.scep.csr import CHALLENGE_PASSWORD, Csr, read_csr

__all__ = [
    "Certificate",
    "Csr",
    "FailInfo",
    "MessageType",
    "PkiMessage",
    "PkiStatus",
    "leaf_for",
    "read_capabilities",
    "read_certificates",
    "read_csr",
    "read_message",
]

MESSAGE_TYPE = "2.16.840.1.113733.1.9.2"
PKI_STATUS = "2.16.840.1.113733.1.9.3"
FAIL_INFO = "2.16.840.1.113733.1.9.4"
SENDER_NONCE = "2.16.840.1.113733.1.9.5"
RECIPIENT_NONCE = "2.16.840.1.113733.1.9.6"
TRANSACTION_ID = "2.16.840.1.113733.1.9.7"
FAIL_INFO_TEXT = "1.3.6.1.5.5.7.24.1"
_MAX_CAPABILITIES = 64


class MessageType(IntEnum):
    """messageType, RFC 8894 section 3.2.1.2; the member's name is the field's name for it."""

    CertRep = 3
    RenewalReq = 17
    PKCSReq = 19
    CertPoll = 20
    GetCert = 21
    GetCRL = 22


class PkiStatus(IntEnum):
    """pkiStatus, RFC 8894 section 3.2.1.3."""

    SUCCESS = 0
    FAILURE = 2
    PENDING = 3


class FailInfo(IntEnum):
    """failInfo, RFC 8894 section 3.2.1.4."""

    badAlg = 0  # noqa: N815 - the names of the standard
    badMessageCheck = 1  # noqa: N815
    badRequest = 2  # noqa: N815
    badTime = 3  # noqa: N815
    badCertId = 4  # noqa: N815


@dataclass(frozen=True)
class PkiMessage:
    """A pkiMessage as far as it could be read.

    `certificates` are those carried outside the envelope. `signer` is the certificate that the
    signature names, from the message or from those given. `content` is what the envelope held once
    a key opened it and its structure was seen; `issued` the certificates of a CertRep SUCCESS.
    `problems` say what is wrong with the message, `notes` which departures the reading had to allow.
    """

    message_type: MessageType | None
    transaction_id: str | None
    sender_nonce: bytes | None
    recipient_nonce: bytes | None
    status: PkiStatus | None
    fail_info: FailInfo | None
    fail_info_text: str | None
    digest: str
    signature_valid: bool
    signer: Certificate | None
    certificates: tuple[Certificate, ...]
    content_cipher: str | None = None
    key_transport: str | None = None
    decrypted: bool = False
    content: bytes | None = field(default=None, repr=False)
    csr: Csr | None = None
    issued: tuple[Certificate, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_message(data: bytes, *, keys: Sequence[RSAPrivateKey] = (), certificates: Sequence[Certificate] = ()) -> PkiMessage:
    """A pkiMessage from its DER or BER; raises `Malformed` where the octets are no signed message at all.

    `keys` are tried on the envelope, `certificates` where the message does not carry its signer's.
    What is wrong further in is one of the message's `problems`.
    """
    element = asn1.read(data)
    signed = cms.read_signed_data(element)
    if not signed.signers:
        raise Malformed("a SignedData without a signature is no pkiMessage")
    remarks = _Remarks()
    if element.end != len(data):
        remarks.notes.append(f"{len(data) - element.end} octets after the message")
    if len(signed.signers) > 1:
        remarks.problems.append(f"{len(signed.signers)} signatures; the first is read")
    message = _outside(signed, certificates, remarks)
    if signed.content:
        message = _inside(message, signed.content, keys, remarks)
    elif message.message_type is not MessageType.CertRep or message.status is PkiStatus.SUCCESS:
        remarks.problems.append("no pkcsPKIEnvelope")
    return replace(message, problems=tuple(remarks.problems), notes=tuple(remarks.notes))


def read_certificates(data: bytes) -> tuple[Certificate, ...]:
    """The answer to GetCACert: one bare certificate, or a degenerate SignedData (RFC 8894 section 4.2)."""
    element = asn1.read(data)
    first = Fields(element).take()
    if first.tag != asn1.OID:
        return (certificate_of(element),)
    return tuple(map(certificate_of, cms.read_signed_data(element).certificates))


def read_capabilities(body: bytes) -> tuple[str, ...]:
    """The keywords of a GetCACaps answer (RFC 8894 section 3.5.2), as spelled, however its lines end."""
    lines = (line.strip() for line in body[:65536].decode("ascii", "replace").splitlines())
    return tuple(line for line in lines if line)[:_MAX_CAPABILITIES]


class _Remarks:
    """Problems and notes as they gather while a message is read."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.notes: list[str] = []


def _outside(signed: SignedData, given: Iterable[Certificate], remarks: _Remarks) -> PkiMessage:
    """All that is signed in the open: attributes, certificates, signature."""
    signer_info = signed.signers[0]
    carried = _certificates(signed.certificates, remarks)
    attributes = _Attributes(signer_info.attributes, remarks)
    signer, valid = _verify(signed, signer_info, carried, tuple(given), attributes, remarks)
    message_type = attributes.member(MESSAGE_TYPE, MessageType, "messageType")
    reply = message_type is MessageType.CertRep
    status = attributes.member(PKI_STATUS, PkiStatus, "pkiStatus", required=reply)
    if attributes.has(CHALLENGE_PASSWORD):
        remarks.notes.append("challengePassword stands among the signed attributes")
    return PkiMessage(
        message_type=message_type,
        transaction_id=attributes.text(TRANSACTION_ID, "transactionID", required=True),
        sender_nonce=attributes.octets(SENDER_NONCE, "senderNonce", required=True),
        recipient_nonce=attributes.octets(RECIPIENT_NONCE, "recipientNonce", required=reply),
        status=status,
        fail_info=attributes.member(FAIL_INFO, FailInfo, "failInfo", required=status is PkiStatus.FAILURE),
        fail_info_text=attributes.text(FAIL_INFO_TEXT, "failInfoText"),
        digest=signer_info.digest,
        signature_valid=valid,
        signer=signer,
        certificates=carried,
    )


def _inside(message: PkiMessage, content: bytes, keys: Sequence[RSAPrivateKey], remarks: _Remarks) -> PkiMessage:
    """What the envelope says, opened if one of the keys is its recipient's."""
    try:
        envelope = cms.read_enveloped_data(asn1.read(content))
        transports = {recipient.key_transport for recipient in envelope.recipients}
        message = replace(message, content_cipher=envelope.content_cipher, key_transport=",".join(sorted(transports)) or None)
        if len(envelope.recipients) != 1:
            remarks.notes.append(f"{len(envelope.recipients)} recipients")
        if not keys:
            return message
        inner = envelope.open(keys, _is_believable)
    except Undecryptable:
        remarks.problems.append("none of the keys given opens the pkcsPKIEnvelope")
        return message
    except Malformed as error:
        remarks.problems.append(f"pkcsPKIEnvelope: {error}")
        return message
    return _content(replace(message, decrypted=True, content=inner), inner, remarks)


def _content(message: PkiMessage, inner: bytes, remarks: _Remarks) -> PkiMessage:
    """CSR or certificates out of a decrypted envelope, by the message's type."""
    try:
        if message.message_type in (MessageType.PKCSReq, MessageType.RenewalReq, None):
            csr = read_csr(inner)
            if not csr.signature_valid:
                remarks.problems.append("the CSR's signature does not verify")
            return replace(message, csr=csr)
        if message.message_type is MessageType.CertRep:
            carried = cms.read_signed_data(asn1.read(inner)).certificates
            if message.status is PkiStatus.SUCCESS:
                return replace(message, issued=_certificates(carried, remarks))
    except Malformed as error:
        remarks.problems.append(f"content of the pkcsPKIEnvelope: {error}")
    return message


def _is_believable(content: bytes) -> bool:
    """Whether decrypted octets are one whole structure that SCEP encloses, so that a wrong key cannot pass.

    These are a CertificationRequest, a ContentInfo with certificates, an IssuerAndSubject and an
    IssuerAndSerialNumber (RFC 8894 section 3.3).
    """
    try:
        element = asn1.read(content).expect(asn1.SEQUENCE)
        if element.end != len(content):
            return False
        shape = tuple(child.tag for child in element.children)
        if shape == (asn1.OID, asn1.CONTEXT_0):
            cms.content_of(element, cms.SIGNED_DATA).expect(asn1.SEQUENCE)
        elif shape == (asn1.SEQUENCE, asn1.SEQUENCE, asn1.BIT_STRING):
            signed, algorithm, _ = element.children
            Fields(algorithm).take(asn1.OID).oid()
            return len(signed.children) >= 3
        elif shape in ((asn1.SEQUENCE, asn1.SEQUENCE), (asn1.SEQUENCE, asn1.INTEGER)):
            return all(rdn.tag == asn1.SET for rdn in element.children[0].children)
        else:
            return False
    except Malformed:
        return False
    return True


def _certificates(elements: Iterable[Element], remarks: _Remarks) -> tuple[Certificate, ...]:
    certificates = []
    for element in elements:
        try:
            certificates.append(certificate_of(element))
        except Malformed as error:
            remarks.problems.append(f"certificate: {error}")
    return tuple(certificates)


_Member = TypeVar("_Member", bound=IntEnum)


class _Attributes:
    """The signed attributes by OID; what cannot be read or is missing though required becomes a problem."""

    def __init__(self, element: Element | None, remarks: _Remarks) -> None:
        self._remarks = remarks
        self._values: dict[str, Element] = {}
        if element is None:
            remarks.problems.append("no signed attributes")
            return
        for attribute in element.children:
            fields = Fields(attribute)
            dotted = fields.take(asn1.OID).oid()
            values = fields.take(asn1.SET).children
            if dotted in self._values or len(values) != 1:
                remarks.problems.append(f"signed attribute {dotted} has not exactly one value")
            if values:
                self._values.setdefault(dotted, values[0])

    def has(self, dotted: str) -> bool:
        return dotted in self._values

    def octets(self, dotted: str, name: str, *, required: bool = False) -> bytes | None:
        value = self._value(dotted, name, required)
        if value is None:
            return None
        if value.tag != asn1.OCTET_STRING:
            self._remarks.problems.append(f"{name} is no OCTET STRING")
            return value.content
        try:
            return value.octets()
        except Malformed as error:
            self._remarks.problems.append(f"{name}: {error}")
            return None

    def text(self, dotted: str, name: str, *, required: bool = False) -> str | None:
        value = self._value(dotted, name, required)
        if value is None:
            return None
        try:
            return value.text()
        except Malformed as error:
            self._remarks.problems.append(f"{name}: {error}")
            return None

    def member(self, dotted: str, kind: type[_Member], name: str, *, required: bool = True) -> _Member | None:
        text = self.text(dotted, name, required=required)
        if text is None:
            return None
        for member in kind:
            if text == str(member.value):
                return member
        self._remarks.problems.append(f"{name} {text[:40]!r} is unknown")
        return None

    def _value(self, dotted: str, name: str, required: bool) -> Element | None:
        value = self._values.get(dotted)
        if value is None and required:
            self._remarks.problems.append(f"no {name}")
        return value


def _verify(
    signed: SignedData,
    info: SignerInfo,
    carried: tuple[Certificate, ...],
    given: tuple[Certificate, ...],
    attributes: _Attributes,
    remarks: _Remarks,
) -> tuple[Certificate | None, bool]:
    """The signer's certificate and whether digest and signature are right."""
    candidates = [certificate for certificate in carried + given if info.names(certificate)]
    if not candidates:
        remarks.problems.append("no certificate for the signer")
        return None, False
    if not any(info.names(certificate) for certificate in carried):
        remarks.notes.append("the signer's certificate is not in the message")
    if info.digest not in algorithms.DIGESTS:
        remarks.problems.append(f"digest {info.digest} is unknown")
        return candidates[0], False
    signer = next((c for c in candidates if _signature_matches(signed, info, c, remarks)), None)
    if signer is None:
        remarks.problems.append("the signature does not verify")
        return candidates[0], False
    return signer, _digest_matches(signed, info, attributes, remarks)


def _digest_matches(signed: SignedData, info: SignerInfo, attributes: _Attributes, remarks: _Remarks) -> bool:
    if info.attributes is None:
        return True  # the signature is over the content itself
    expected = attributes.octets(cms.MESSAGE_DIGEST, "messageDigest", required=True)
    if expected != algorithms.digest_of(info.digest, signed.content or b""):
        remarks.problems.append("messageDigest is not the digest of the content")
        return False
    return True


def _signature_matches(signed: SignedData, info: SignerInfo, certificate: Certificate, remarks: _Remarks) -> bool:
    """RFC 5652 section 5.4 has the attributes signed in DER's order; some sign the order they send."""
    digest = algorithms.signature_digest(info.signature_algorithm) or info.digest
    if digest != info.digest:
        remarks.notes.append(f"the signature is over {digest}, the content over {info.digest}")
    verifies = certificate.public_key.verifies
    if info.attributes is None:
        return verifies(digest, info.signature, signed.content or b"")
    received = [child.raw for child in info.attributes.children]
    if verifies(digest, info.signature, asn1.set_of(received)):
        return True
    if verifies(digest, info.signature, asn1.tlv(0x31, *received)):
        remarks.notes.append("the signature is over the attributes in the order sent, which is not DER's")
        return True
    return False

"""pkiMessages as they are read (RFC 8894 section 3), leniently, each departure noted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hil import asn1
from hil.asn1 import Element, Fields, Malformed
from hil.frozen import frozen
from hil.scep import algorithms, cms, envelope
from hil.scep.algorithms import Undecryptable
from hil.scep.attributes import Attributes, Remarks
from hil.scep.certificate import Certificate, certificate_of, leaf_for
from hil.scep.cms import SignedData
from hil.scep.crl import Crl, crl_of
from hil.scep.csr import CHALLENGE_PASSWORD, Csr, csr_of, read_csr
from hil.scep.envelope import EnvelopedData
from hil.scep.signature import verify
from hil.secret import Secret

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
    "read_next_ca",
]

MESSAGE_TYPE = "2.16.840.1.113733.1.9.2"
PKI_STATUS = "2.16.840.1.113733.1.9.3"
FAIL_INFO = "2.16.840.1.113733.1.9.4"
SENDER_NONCE = "2.16.840.1.113733.1.9.5"
RECIPIENT_NONCE = "2.16.840.1.113733.1.9.6"
TRANSACTION_ID = "2.16.840.1.113733.1.9.7"
FAIL_INFO_TEXT = "1.3.6.1.5.5.7.24.1"
CAPABILITIES = ("AES", "DES3", "GetNextCACert", "POSTPKIOperation", "Renewal", "SHA-1", "SHA-256", "SHA-512", "SCEPStandard")
_MAX_CAPABILITIES, _MAX_CAPABILITY = 64, 40


class MessageType(IntEnum):
    """messageType, RFC 8894 section 3.2.1.2; the member's name is the field's name for it."""

    CertRep = 3
    RenewalReq = 17
    UpdateReq = 18  # of the drafts alone
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


@frozen
class _Outside:
    """What a PkiMessage says of what is signed in the open."""

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
    challenge_password: Secret | None = None


@frozen
class _Inside:
    """What a PkiMessage says of its envelope."""

    content_cipher: str | None = None
    key_transport: str | None = None
    decrypted: bool = False
    content: bytes | None = field(default=None, repr=False)
    csr: Csr | None = None
    issued: tuple[Certificate, ...] = ()
    crls: tuple[Crl, ...] = ()
    issuer_and_serial: bytes | None = None


@frozen
class PkiMessage(_Inside, _Outside):
    """A pkiMessage as far as it could be read.

    `certificates` are those carried outside the envelope, where no `challenge_password` should be
    and one client puts it. `signer` is the certificate that the
    signature names, from the message or from those given. `content` is what the envelope held once
    a key opened it and its structure was seen; `issued` and `crls` are those of a CertRep SUCCESS,
    `issuer_and_serial` what GetCert and GetCRL ask about, to be compared by octets.
    `problems` say what is wrong with the message, `notes` which departures the reading had to allow.
    """

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
    remarks = Remarks()
    if len(signed.signers) > 1:
        remarks.problems.append(f"{len(signed.signers)} signatures; the first with a messageType is read")
    outside = _outside(signed, certificates, remarks)
    if signed.content == b"":
        remarks.notes.append("empty content where there should be none")
    if signed.content and outside.status in (PkiStatus.FAILURE, PkiStatus.PENDING):
        remarks.problems.append(f"a CertRep {outside.status.name} with content")
    inside = _Inside()
    if signed.content:
        inside = _inside(outside, signed.content, keys, (*outside.certificates, *certificates), remarks)
    elif outside.message_type is not MessageType.CertRep or outside.status is PkiStatus.SUCCESS:
        remarks.problems.append("no pkcsPKIEnvelope")
    _note_form(element, data, remarks)
    problems, notes = tuple(remarks.problems), tuple(dict.fromkeys(remarks.notes))
    return PkiMessage(**vars(outside), **vars(inside), problems=problems, notes=notes)


def read_certificates(data: bytes, remarks: Remarks | None = None) -> tuple[Certificate, ...]:
    """The answer to GetCACert: one bare certificate, or a degenerate SignedData (RFC 8894 section 4.2).

    Raises `Malformed`, also where one of them cannot be read; with `remarks` that is a problem, and departures are notes.
    """
    element = asn1.read(data)
    first = Fields(element).take()
    found = (element,) if first.tag != asn1.OID else cms.read_signed_data(element).certificates
    if remarks is None:
        return tuple(map(certificate_of, found))
    certificates = _certificates(found, remarks)
    remarks.notes += [f"{certificate.subject}: {oddity}" for certificate in certificates for oddity in certificate.oddities]
    _note_form(element, data, remarks)
    return certificates


@dataclass(frozen=True)
class NextCa:
    """The answer to GetNextCACert: the `certificates` to come, and who vouches for them."""

    certificates: tuple[Certificate, ...]
    signer: Certificate | None
    signature_valid: bool
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_next_ca(data: bytes, certificates: Sequence[Certificate]) -> NextCa:
    """The answer to GetNextCACert (RFC 8894 section 4.7.1); raises `Malformed`.

    `certificates` are the current CA's, where the answer does not carry its signer's.
    """
    element = asn1.read(data)
    signed = cms.read_signed_data(element)
    if not signed.signers:
        raise Malformed("the next CA's certificates are not signed")
    remarks = Remarks()
    info = signed.signers[0]
    remarks.notes += info.notes
    carried = _certificates(signed.certificates, remarks)
    signer, valid = verify(signed, info, carried, tuple(certificates), Attributes(info.attributes, remarks), remarks)
    told = read_certificates(signed.content) if signed.content else ()
    _note_form(element, data, remarks)
    return NextCa(told, signer, valid, tuple(remarks.problems), tuple(remarks.notes))


def read_issuer_and_serial(content: bytes) -> bytes:
    """The IssuerAndSerialNumber that GetCert and GetCRL enclose, its parts as received; raises `Malformed`."""
    element = asn1.read(content)
    fields = Fields(element)
    fields.take(asn1.SEQUENCE)
    fields.take(asn1.INTEGER)
    return cms.issuer_and_serial_of(element)


def read_capabilities(body: bytes) -> tuple[str, ...]:
    """The keywords of a GetCACaps answer (RFC 8894 section 3.5.2), as spelled, however its lines end."""
    lines = (line.strip() for line in body[:65536].decode("ascii", "replace").splitlines())
    return tuple(line for line in lines if line)[:_MAX_CAPABILITIES]


def capability_notes(capabilities: Iterable[str]) -> tuple[str, ...]:
    """Keywords that RFC 8894 section 3.5.2 does not have, or spells otherwise."""
    spelled = {name.lower(): name for name in CAPABILITIES}
    notes = []
    for capability in capabilities:
        known = spelled.get(capability.lower())
        if known is None:
            notes.append(f"capability {capability[:_MAX_CAPABILITY]!r} is none of RFC 8894's")
        elif known != capability:
            notes.append(f"capability {known} is written {capability!r}")
    return tuple(notes)


def _note_form(element: Element, data: bytes, remarks: Remarks) -> None:
    """What BER an answer needed, and what follows it."""
    if element.end != len(data):
        remarks.notes.append(f"{len(data) - element.end} octets after the message")
    if element.liberties:
        remarks.notes.append(f"BER: {', '.join(element.liberties)}")


def _outside(signed: SignedData, given: Iterable[Certificate], remarks: Remarks) -> _Outside:
    """All that is signed in the open: attributes, certificates, signature."""
    signer_info = signed.signers[0]
    if len(signed.signers) > 1:
        signer_info = next((info for info in signed.signers if info.has(MESSAGE_TYPE)), signer_info)
    carried = _certificates(signed.certificates, remarks)
    remarks.notes += signer_info.notes
    attributes = Attributes(signer_info.attributes, remarks)
    signer, valid = verify(signed, signer_info, carried, tuple(given), attributes, remarks)
    if signer_info.attributes is not None and not attributes.has(cms.CONTENT_TYPE):
        remarks.problems.append("no contentType among the signed attributes")
    message_type = attributes.member(MESSAGE_TYPE, MessageType, "messageType")
    reply = message_type is MessageType.CertRep
    status = attributes.member(PKI_STATUS, PkiStatus, "pkiStatus", required=reply)
    challenge = attributes.text(CHALLENGE_PASSWORD, "challengePassword", kind=None)
    if challenge is not None:
        remarks.notes.append("challengePassword stands among the signed attributes")
    sender_nonce = attributes.nonce(SENDER_NONCE, "senderNonce", required=True)
    recipient_nonce = attributes.nonce(RECIPIENT_NONCE, "recipientNonce", required=reply)
    if reply and sender_nonce is not None and sender_nonce == recipient_nonce:
        remarks.notes.append("senderNonce echoes the client's")
    if signer is not None:
        remarks.notes += [f"the signer's certificate: {oddity}" for oddity in signer.oddities]
    return _Outside(
        message_type=message_type,
        transaction_id=attributes.text(TRANSACTION_ID, "transactionID", required=True),
        sender_nonce=sender_nonce,
        recipient_nonce=recipient_nonce,
        status=status,
        fail_info=attributes.member(FAIL_INFO, FailInfo, "failInfo", required=status is PkiStatus.FAILURE),
        fail_info_text=attributes.text(FAIL_INFO_TEXT, "failInfoText", kind=asn1.UTF8_STRING),
        digest=signer_info.digest,
        signature_valid=valid,
        signer=signer,
        certificates=carried,
        challenge_password=None if challenge is None else Secret(challenge),
    )


def _inside(
    outside: _Outside, content: bytes, keys: Sequence[RSAPrivateKey], known: Sequence[Certificate], remarks: Remarks
) -> _Inside:
    """What the envelope says, opened if one of the keys is its recipient's."""
    found = _Inside()
    try:
        element = asn1.read(content)
        sealed = envelope.read_envelope(element)
        transports = {recipient.key_transport for recipient in sealed.recipients}
        found = _Inside(sealed.content_cipher, ",".join(sorted(transports)) or None)
        remarks.notes += sealed.notes
        if element.liberties:
            remarks.notes.append(f"BER in the pkcsPKIEnvelope: {', '.join(element.liberties)}")
        if len(sealed.recipients) + sealed.others != 1:
            remarks.notes.append(f"{len(sealed.recipients) + sealed.others} recipients")
        if not keys:
            return found
        inner = sealed.open(keys, _believed)
    except Undecryptable:
        _explain(sealed, keys, known, remarks)
        return found
    except Malformed as error:
        remarks.problems.append(f"pkcsPKIEnvelope: {error}")
        return found
    return _content(outside, replace(found, decrypted=True, content=inner.data), inner, remarks)


def _explain(sealed: EnvelopedData, keys: Sequence[RSAPrivateKey], known: Sequence[Certificate], remarks: Remarks) -> None:
    """Why no key opened the envelope: that its recipient's key is not at hand is no fault of the message."""
    if not sealed.readable:
        remarks.notes.append(f"content cipher {sealed.content_cipher} cannot be decrypted here")
        return
    numbers = (key.public_key().public_numbers() for key in keys)
    given = {(number.n, number.e) for number in numbers}
    for recipient in sealed.recipients:
        holder = next((certificate for certificate in known if recipient.names(certificate)), None)
        if holder is None:
            remarks.notes.append(f"sealed for {recipient.name}; none of the keys given opens it")
        elif holder.public_key.rsa not in given:
            remarks.notes.append(f"sealed for {holder.subject}, whose key is not given")
        else:
            remarks.problems.append(f"the key of {holder.subject}, its recipient, does not open the pkcsPKIEnvelope")


def _content(outside: _Outside, found: _Inside, inner: Element, remarks: Remarks) -> _Inside:
    """CSR or certificates out of a decrypted envelope, by the message's type."""
    if after := len(inner.data) - inner.end:
        remarks.notes.append(f"{after} octets after the content of the pkcsPKIEnvelope")
    try:
        if outside.message_type in (MessageType.PKCSReq, MessageType.RenewalReq, MessageType.UpdateReq, None):
            csr = csr_of(inner)
            if not csr.signature_valid:
                remarks.problems.append("the CSR's signature does not verify")
            return replace(found, csr=csr)
        if outside.message_type is MessageType.CertRep:
            carried = cms.read_signed_data(inner)
            if outside.status is PkiStatus.SUCCESS:
                crls = tuple(map(crl_of, carried.crls))
                return replace(found, issued=_certificates(carried.certificates, remarks), crls=crls)
        if outside.message_type in (MessageType.GetCert, MessageType.GetCRL):
            return replace(found, issuer_and_serial=read_issuer_and_serial(inner.raw))
    except Malformed as error:
        remarks.problems.append(f"content of the pkcsPKIEnvelope: {error}")
    return found


def _believed(content: bytes) -> Element | None:
    """The one whole structure that SCEP encloses and that decrypted octets begin with; None of others: a wrong key cannot pass.

    These are a CertificationRequest, a ContentInfo with certificates, an IssuerAndSubject and an
    IssuerAndSerialNumber (RFC 8894 section 3.3).
    """
    try:
        element = asn1.read(content).expect(asn1.SEQUENCE)
        shape = tuple(child.tag for child in element.children)
        if shape == (asn1.OID, asn1.CONTEXT_0):
            believable = cms.content_of(element, cms.SIGNED_DATA).tag == asn1.SEQUENCE
        elif shape == (asn1.SEQUENCE, asn1.SEQUENCE, asn1.BIT_STRING):
            signed, algorithm, _ = element.children
            algorithms.named_oid(algorithm)
            believable = len(signed.children) >= 3
        elif shape in ((asn1.SEQUENCE, asn1.SEQUENCE), (asn1.SEQUENCE, asn1.INTEGER)):
            believable = all(rdn.tag == asn1.SET for rdn in element.children[0].children)
        else:
            believable = False
    except Malformed:
        return None
    return element if believable else None


def _certificates(elements: Iterable[Element], remarks: Remarks) -> tuple[Certificate, ...]:
    certificates = []
    for element in elements:
        try:
            certificates.append(certificate_of(element))
        except Malformed as error:
            remarks.problems.append(f"certificate: {error}")
    return tuple(certificates)

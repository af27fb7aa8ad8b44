"""pkiMessages as they are written (RFC 8894 section 3): requests and CertReps."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hil import asn1
from hil.asn1 import Fields
from hil.scep import cms, envelope, messages
from hil.scep.certificate import Certificate
from hil.scep.cms import degenerate
from hil.scep.messages import FailInfo, MessageType, PkiStatus

__all__ = [
    "build_cert_rep",
    "build_request",
    "degenerate",
    "issuer_and_subject",
    "new_nonce",
    "read_issuer_and_subject",
    "sign_again",
]


def new_nonce() -> bytes:
    """16 fresh octets (RFC 8894 section 3.2.1.5)."""
    return os.urandom(16)


def issuer_and_subject(issuer: bytes, subject: bytes) -> bytes:
    """IssuerAndSubject of a CertPoll from two encoded Names (RFC 8894 section 3.3.3)."""
    return asn1.sequence(issuer, subject)


def read_issuer_and_subject(content: bytes) -> tuple[bytes, bytes]:
    """The two encoded Names of a CertPoll's content; raises `Malformed`."""
    fields = Fields(asn1.read(content))
    return fields.take(asn1.SEQUENCE).raw, fields.take(asn1.SEQUENCE).raw


def build_request(
    message_type: MessageType,
    content: bytes,
    *,
    signer: Certificate,
    key: RSAPrivateKey,
    recipient: Certificate,
    transaction_id: str,
    sender_nonce: bytes,
    digest: str = "sha256",
    cipher: str = "aes-128-cbc",
) -> bytes:
    """A request: `content` (a CSR, an IssuerAndSubject, ...) enveloped for `recipient`, signed with the signer's key."""
    attributes = [
        _number(messages.MESSAGE_TYPE, message_type.value),
        _text(messages.TRANSACTION_ID, transaction_id),
        cms.attribute(messages.SENDER_NONCE, asn1.octet_string(sender_nonce)),
    ]
    sealed = envelope.write_enveloped_data(content, recipient, cipher)
    return cms.write_signed_data(sealed, attributes, signer=signer, key=key, digest=digest, certificates=(signer,))


def build_cert_rep(
    status: PkiStatus,
    *,
    transaction_id: str,
    recipient_nonce: bytes,
    signer: Certificate,
    key: RSAPrivateKey,
    sender_nonce: bytes | None = None,
    digest: str = "sha256",
    cipher: str = "aes-128-cbc",
    issued: Sequence[Certificate] = (),
    crls: Sequence[bytes] = (),
    recipient: Certificate | None = None,
    fail_info: FailInfo | None = None,
    fail_info_text: str | None = None,
    empty_content: bool = False,
) -> bytes:
    """A CertRep; `issued` and encoded `crls` are enveloped for `recipient` where there is one.

    Else there is no content, or one of no octets with `empty_content`.

    `recipient_nonce` is the senderNonce of the request answered; `sender_nonce` is fresh unless given.
    """
    attributes = [
        _number(messages.MESSAGE_TYPE, MessageType.CertRep.value),
        _number(messages.PKI_STATUS, status.value),
        _text(messages.TRANSACTION_ID, transaction_id),
        cms.attribute(messages.RECIPIENT_NONCE, asn1.octet_string(recipient_nonce)),
        cms.attribute(messages.SENDER_NONCE, asn1.octet_string(new_nonce() if sender_nonce is None else sender_nonce)),
    ]
    if fail_info is not None:
        attributes.append(_number(messages.FAIL_INFO, fail_info.value))
    if fail_info_text is not None:
        attributes.append(cms.attribute(messages.FAIL_INFO_TEXT, asn1.tlv(asn1.UTF8_STRING, fail_info_text.encode())))
    without = b"" if empty_content else None
    sealed = without if recipient is None else envelope.write_enveloped_data(degenerate(issued, crls), recipient, cipher)
    return cms.write_signed_data(sealed, attributes, signer=signer, key=key, digest=digest, certificates=(signer,))


def sign_again(
    cert_rep: bytes,
    *,
    transaction_id: str,
    recipient_nonce: bytes,
    signer: Certificate,
    key: RSAPrivateKey,
    certificates: Sequence[Certificate],
) -> bytes:
    """A CertRep, whose signature is valid, signed anew for this transactionID and nonce; `certificates` go beside the signer's.

    Content and all other attributes stay octet for octet.
    """
    signed = cms.read_signed_data(asn1.read(cert_rep))
    info = signed.signers[0]
    told = (
        _text(messages.TRANSACTION_ID, transaction_id),
        cms.attribute(messages.RECIPIENT_NONCE, asn1.octet_string(recipient_nonce)),
    )
    replaced = {messages.TRANSACTION_ID, messages.RECIPIENT_NONCE, cms.CONTENT_TYPE, cms.MESSAGE_DIGEST}
    attributes = info.attributes.children if info.attributes else ()
    kept = (each.raw for each in attributes if Fields(each).take(asn1.OID).oid() not in replaced)
    return cms.write_signed_data(
        signed.content, (*kept, *told), signer=signer, key=key, digest=info.digest, certificates=(signer, *certificates)
    )


@cache
def _number(dotted: str, number: int) -> bytes:
    return _text(dotted, str(number))


def _text(dotted: str, text: str) -> bytes:
    return cms.attribute(dotted, asn1.printable_or_utf8(text))

"""pkiMessages that are sound but for one layer: what lies deep within is changed before it is sealed and signed."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1

from hil import asn1
from hil.scep import algorithms, build, cms, envelope, messages
from hil.scep.authority import Authority
from hil.scep.certificate import Certificate
from hil.scep.crl import Crl, write_crl
from hil.scep.messages import MessageType, PkiStatus
from hil.secret import Secret
from targets import lab
from targets.changes import changed
from targets.draw import Draw

TRANSACTION_ID = "1D6FFBE8B6EF"
NONCE = bytes(range(16))
_AES_256_GCM = "2.16.840.1.101.3.4.1.46"
_CIPHERS = (*algorithms.CIPHERS, "gcm", "gcm in EnvelopedData")
_REQUESTS = (MessageType.PKCSReq, MessageType.RenewalReq, MessageType.CertPoll, MessageType.GetCert, MessageType.GetCRL)
_PASSWORDS = (lab.PASSWORD, None, Secret("wrong"))
_LAYERS = ("none", "content", "envelope", "attributes", "certificate", "whole")


@dataclass(frozen=True)
class Request:
    """A request as it is sent; `layer` is where it may have been changed, `content` what its envelope encloses."""

    octets: bytes
    kind: MessageType
    phone: str
    layer: str
    content: bytes


def request(draw: Draw, authority: Authority, *, phone: str | None = None) -> Request:
    """A request to the authority, changed in one drawn layer."""
    kind, layer = draw.choice(_REQUESTS), draw.choice(_LAYERS)
    phone = phone or draw.choice(lab.PHONES)
    signer = lab.held(phone) if kind is MessageType.RenewalReq else lab.certificate(phone)
    content = _in_layer("content", layer, _content(kind, phone, draw), draw)
    attributes = [
        _text(messages.MESSAGE_TYPE, str(kind.value)),
        _text(messages.TRANSACTION_ID, TRANSACTION_ID),
        cms.attribute(messages.SENDER_NONCE, asn1.octet_string(NONCE)),
    ]
    recipient = authority.certificates[1] if authority.ra else authority.certificate
    octets = _message(content, recipient, attributes, signer, phone, layer, draw)
    return Request(octets, kind, phone, layer, content)


def crl() -> Crl:
    """A CRL of the CA."""
    ca, now = lab.authority(), lab.NOW
    return write_crl(ca.certificate, ca.key, {7: now}, number=1, this_update=now, next_update=now)


def reply(draw: Draw) -> bytes:
    """A CertRep of the CA to the phone, changed in one drawn layer."""
    layer = draw.choice(_LAYERS)
    status = draw.choice(tuple(PkiStatus))
    authority = lab.authority()
    content = _in_layer("content", layer, cms.degenerate((lab.held("phone"), authority.certificate), (crl().der,)), draw)
    attributes = [
        _text(messages.MESSAGE_TYPE, str(MessageType.CertRep.value)),
        _text(messages.PKI_STATUS, str(status.value)),
        _text(messages.TRANSACTION_ID, TRANSACTION_ID),
        cms.attribute(messages.RECIPIENT_NONCE, asn1.octet_string(NONCE)),
        cms.attribute(messages.SENDER_NONCE, asn1.octet_string(NONCE[::-1])),
    ]
    return _message(content, lab.certificate("phone"), attributes, authority.certificate, "ca", layer, draw)


def _content(kind: MessageType, phone: str, draw: Draw) -> bytes:
    ca = lab.authority().certificate
    match kind:
        case MessageType.CertPoll:
            return build.issuer_and_subject(ca.subject_der, lab.certificate(phone).subject_der)
        case MessageType.GetCert | MessageType.GetCRL:
            return ca.issuer_and_serial
        case _:
            owner = draw.choice((phone, *lab.PHONES))
            return lab.csr_der(owner, draw.choice(algorithms.DIGESTS), draw.choice(_PASSWORDS))


def _message(
    content: bytes, recipient: Certificate, attributes: list[bytes], signer: Certificate, key: str, layer: str, draw: Draw
) -> bytes:
    sealed = _in_layer("envelope", layer, _sealed(content, recipient, draw), draw)
    if layer == "attributes":
        changing = draw.number(len(attributes))
        attributes[changing] = changed(attributes[changing], draw)
    sent = replace(signer, der=_in_layer("certificate", layer, signer.der, draw))
    digest = draw.choice(algorithms.DIGESTS)
    octets = cms.write_signed_data(sealed, attributes, signer=signer, key=lab.key(key), digest=digest, certificates=(sent,))
    return _in_layer("whole", layer, octets, draw)


def _in_layer(this: str, layer: str, data: bytes, draw: Draw) -> bytes:
    return changed(data, draw) if this == layer else data


def _sealed(content: bytes, recipient: Certificate, draw: Draw) -> bytes:
    cipher = draw.choice(_CIPHERS)
    if cipher in algorithms.CIPHERS:
        return envelope.write_enveloped_data(content, recipient, cipher)
    return _sealed_with_gcm(content, recipient, authenticated=cipher == "gcm", oaep=bool(draw.number(2)))


def _sealed_with_gcm(content: bytes, recipient: Certificate, *, authenticated: bool, oaep: bool) -> bytes:
    """AuthEnvelopedData (RFC 5083), or AES-GCM in an EnvelopedData as the pkcs7 libraries of Go write it."""
    key, nonce = os.urandom(32), os.urandom(12)
    encrypted = AESGCM(key).encrypt(nonce, content, None)
    assert recipient.public_key.rsa is not None
    transport = algorithms.rsa_identifier()
    encrypted_key = recipient.public_key.encrypt_key(key)
    if oaep:
        transport = asn1.sequence(asn1.oid(algorithms.RSAES_OAEP))
        public = next(
            lab.key(name) for name in ("ca", "receiver", *lab.PHONES) if lab.certificate(name) == recipient
        ).public_key()
        encrypted_key = public.encrypt(key, padding.OAEP(padding.MGF1(SHA1()), SHA1(), None))
    info = asn1.sequence(asn1.integer(0), recipient.issuer_and_serial, transport, asn1.octet_string(encrypted_key))
    parameters = asn1.sequence(asn1.octet_string(nonce), asn1.integer(16))
    body = encrypted[:-16] if authenticated else encrypted
    sealed = asn1.sequence(asn1.oid(cms.DATA), asn1.sequence(asn1.oid(_AES_256_GCM), parameters), asn1.tlv(asn1.CONTEXT_0, body))
    mac = asn1.octet_string(encrypted[-16:]) if authenticated else b""
    kind = cms.AUTH_ENVELOPED_DATA if authenticated else cms.ENVELOPED_DATA
    return asn1.sequence(asn1.oid(kind), asn1.explicit(0, asn1.sequence(asn1.integer(0), asn1.tlv(0x31, info), sealed, mac)))


def _text(dotted: str, text: str) -> bytes:
    return cms.attribute(dotted, asn1.printable_or_utf8(text))

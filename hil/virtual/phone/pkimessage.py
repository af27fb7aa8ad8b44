"""SCEP's pkiMessage (RFC 8894 section 3), over asn1crypto and the primitives of cryptography."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from asn1crypto import algos, cms, core, parser, pem, x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers import algorithms, modes

from hil.virtual.phone import pkcs10
from hil.virtual.phone.errors import Refused
from hil.virtual.phone.habits import Cipher, Digest, intact

PKCS_REQ, CERT_POLL, CERT_REP = "19", "20", "3"
SUCCESS, FAILURE, PENDING = "0", "2", "3"
_VERISIGN = "2.16.840.1.113733.1.9."
MESSAGE_TYPE, PKI_STATUS, FAIL_INFO = _VERISIGN + "2", _VERISIGN + "3", _VERISIGN + "4"
SENDER_NONCE, RECIPIENT_NONCE, TRANSACTION_ID = _VERISIGN + "5", _VERISIGN + "6", _VERISIGN + "7"
# Key and block length in bytes.
_CIPHERS = {"des": (8, 8), "tripledes_3key": (24, 8), "aes128_cbc": (16, 16), "aes192_cbc": (24, 16), "aes256_cbc": (32, 16)}


@dataclass(frozen=True)
class Signer:
    """A private key with its certificate (asn1crypto's), and how it signs; `finish` has the last word on a signature."""

    key: rsa.RSAPrivateKey = field(repr=False)
    certificate: Any
    digest: Digest
    names_digest: bool
    finish: Callable[[bytes], bytes] = intact


@dataclass(frozen=True)
class Sent:
    """What a reply must answer to."""

    transaction_id: str
    nonce: bytes


@dataclass(frozen=True)
class CertRep:
    """A reply that passed every check: pkiStatus, failInfo ("" where absent), the certificates it issued."""

    status: str
    fail_info: str
    certificates: tuple[Any, ...]


def build(message_type: str, sent: Sent, content: bytes, recipient: Any, cipher: Cipher, signer: Signer) -> bytes:
    """DER of a pkiMessage with `content` enveloped for `recipient` and signed by `signer`."""
    enveloped = envelope(content, recipient, cipher)
    hasher = hashes.Hash(pkcs10.hash_named(signer.digest))
    hasher.update(enveloped)
    attributes = cms.CMSAttributes(
        [
            cms.CMSAttribute({"type": "content_type", "values": ["data"]}),
            cms.CMSAttribute({"type": "message_digest", "values": [hasher.finalize()]}),
            _attribute(MESSAGE_TYPE, core.PrintableString(message_type)),
            _attribute(TRANSACTION_ID, core.PrintableString(sent.transaction_id)),
            _attribute(SENDER_NONCE, core.OctetString(sent.nonce)),
        ]
    )
    digest = algos.DigestAlgorithm({"algorithm": signer.digest, "parameters": core.Null()})
    named = f"{signer.digest}_rsa" if signer.names_digest else "rsassa_pkcs1v15"
    info = cms.SignerInfo(
        {
            "version": "v1",
            "sid": _identifier(signer.certificate),
            "digest_algorithm": digest,
            "signed_attrs": attributes,
            "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": named, "parameters": core.Null()}),
            "signature": signer.finish(pkcs10.signed(signer.key, attributes.dump(), signer.digest)),
        }
    )
    content_info = {"content_type": "data", "content": core.OctetString(enveloped)}
    signed = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [digest],
            "encap_content_info": content_info,
            "certificates": [signer.certificate],
            "signer_infos": [info],
        }
    )
    return bytes(cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump())


def envelope(content: bytes, recipient: Any, cipher: Cipher) -> bytes:
    """DER of a pkcsPKIEnvelope that only `recipient` (asn1crypto's Certificate) opens."""
    key_length, block = _CIPHERS[cipher]
    key, start = secrets.token_bytes(key_length), secrets.token_bytes(block)
    fill = block - len(content) % block
    encryptor = _block_cipher(cipher, key, start).encryptor()
    encrypted = encryptor.update(content + bytes([fill]) * fill) + encryptor.finalize()
    transport = {
        "version": "v0",
        "rid": cms.RecipientIdentifier(name="issuer_and_serial_number", value=_issuer_and_serial(recipient)),
        "key_encryption_algorithm": {"algorithm": "rsaes_pkcs1v15", "parameters": core.Null()},
        "encrypted_key": _public_key(recipient).encrypt(key, padding.PKCS1v15()),
    }
    enveloped = cms.EnvelopedData(
        {
            "version": "v0",
            "recipient_infos": [cms.RecipientInfo(name="ktri", value=cms.KeyTransRecipientInfo(transport))],
            "encrypted_content_info": {
                "content_type": "data",
                "content_encryption_algorithm": {"algorithm": cipher, "parameters": core.OctetString(start)},
                "encrypted_content": encrypted,
            },
        }
    )
    return bytes(cms.ContentInfo({"content_type": "enveloped_data", "content": enveloped}).dump())


def issuer_and_subject(issuer: Any, subject: Any) -> bytes:
    """DER of a CertPoll's content: the CA's subject, the request's subject."""
    return bytes(core.SequenceOf([issuer.subject, subject], spec=x509.Name).dump())


def read_certificates(body: bytes) -> tuple[Any, ...]:
    """The certificates of a GetCACert answer, one alone or a degenerate SignedData. Refused where it is neither."""
    try:
        try:
            certificate = x509.Certificate.load(body, strict=True)
            _public_key(certificate)
        except (ValueError, TypeError):
            return _bag(body)
        return (certificate,)
    except (ValueError, TypeError, KeyError) as problem:
        raise Refused(f"GetCACert gave no certificate: {problem}") from problem


def recipient_of(certificates: Sequence[Any]) -> Any:
    """Whom to envelope a request for: an RA's encryption certificate where there is one, else the first."""
    try:
        for certificate in certificates:
            usage = certificate.key_usage_value
            if not certificate.ca and usage is not None and "key_encipherment" in usage.native:
                return certificate
    except (ValueError, TypeError) as problem:
        raise Refused(f"the CA's certificate cannot be read: {problem}") from problem
    return certificates[0]


def read_reply(body: bytes, sent: Sent, signers: Sequence[Any], key: rsa.RSAPrivateKey) -> CertRep:
    """Reads a CertRep: signed by one of `signers`, answering `sent`, enveloped for `key`. Refused otherwise."""
    try:
        return _reply(body, sent, signers, key)
    except (ValueError, TypeError, KeyError, IndexError) as problem:
        raise Refused(f"not a CertRep: {problem}") from problem


def pem_of(certificate: Any) -> str:
    return bytes(pem.armor("CERTIFICATE", certificate.dump())).decode("ascii")


def _reply(body: bytes, sent: Sent, signers: Sequence[Any], key: rsa.RSAPrivateKey) -> CertRep:
    signed = _content(body, "signed_data")
    info = signed["signer_infos"][0]
    content = signed["encap_content_info"]["content"].native or b""
    _check_signature(info, content, signers)
    attributes = {each["type"].dotted: each["values"][0] for each in info["signed_attrs"]}
    if _text(attributes, MESSAGE_TYPE) != CERT_REP:
        raise Refused("the answer is not a CertRep")
    if _text(attributes, TRANSACTION_ID) != sent.transaction_id:
        raise Refused("the CertRep is of another transaction")
    if RECIPIENT_NONCE not in attributes or attributes[RECIPIENT_NONCE].parse(core.OctetString).native != sent.nonce:
        raise Refused("the CertRep does not return the nonce")
    status = _text(attributes, PKI_STATUS)
    if status not in (SUCCESS, FAILURE, PENDING):
        raise Refused(f"unknown pkiStatus {status!r}")
    certificates = _bag(_opened(content, key)) if status == SUCCESS else ()
    return CertRep(status, _text(attributes, FAIL_INFO) if FAIL_INFO in attributes else "", certificates)


def _check_signature(info: Any, content: bytes, signers: Sequence[Any]) -> None:
    wanted = info["sid"].chosen
    digest = pkcs10.hash_named(info["digest_algorithm"]["algorithm"].native)
    hasher = hashes.Hash(digest)
    hasher.update(content)
    claimed = [each["values"][0].native for each in info["signed_attrs"] if each["type"].native == "message_digest"]
    if claimed != [hasher.finalize()]:
        raise Refused("the CertRep's digest is not that of its content")
    for certificate in signers:
        if info["sid"].name == "issuer_and_serial_number" and wanted.dump() != _issuer_and_serial(certificate).dump():
            continue
        try:
            _public_key(certificate).verify(
                info["signature"].native, info["signed_attrs"].untag().dump(), padding.PKCS1v15(), digest
            )
        except InvalidSignature:
            continue
        return
    raise Refused("the CertRep is not signed by the CA")


def _opened(body: bytes, key: rsa.RSAPrivateKey) -> bytes:
    enveloped = _content(body, "enveloped_data")
    secret = key.decrypt(enveloped["recipient_infos"][0].chosen["encrypted_key"].native, padding.PKCS1v15())
    inner = enveloped["encrypted_content_info"]
    algorithm = inner["content_encryption_algorithm"]
    name = algorithm["algorithm"].native
    if name not in _CIPHERS or len(secret) != _CIPHERS[name][0]:
        raise Refused(f"the CertRep's envelope cannot be opened ({name})")
    decryptor = _block_cipher(name, secret, algorithm["parameters"].native).decryptor()
    padded = decryptor.update(_encrypted_content(inner)) + decryptor.finalize()
    fill = padded[-1]
    if not 1 <= fill <= _CIPHERS[name][1] or padded[-fill:] != bytes([fill]) * fill:
        raise Refused("the CertRep's envelope does not decrypt")
    return padded[:-fill]


def _encrypted_content(inner: Any) -> bytes:
    """The ciphertext, whole or in segments: asn1crypto takes only the first, Go's and Java's peers send the second."""
    for tag_class, method, tag, content in _elements(inner.contents):
        if (tag_class, tag) == (2, 0):
            return b"".join(segment for *_, segment in _elements(content)) if method else content
    raise ValueError("no encrypted content")


def _elements(contents: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Class, method (1 is constructed), tag and contents of each element."""
    at = 0
    while at < len(contents):
        tag_class, method, tag, head, content, trail = parser.parse(contents[at:])
        yield tag_class, method, tag, content
        at += len(head) + len(content) + len(trail)


def _block_cipher(name: str, key: bytes, start: bytes) -> BlockCipher[modes.CBC]:
    # Single DES is triple DES with one key three times over.
    algorithm = TripleDES(key * 3 if name == "des" else key) if _CIPHERS[name][1] == 8 else algorithms.AES(key)
    return BlockCipher(algorithm, modes.CBC(start))


def _content(body: bytes, kind: str) -> Any:
    outer = cms.ContentInfo.load(body, strict=True)
    if outer["content_type"].native != kind:
        raise ValueError(f"{outer['content_type'].native} where {kind} belongs")
    return outer["content"]


def _bag(body: bytes) -> tuple[Any, ...]:
    certificates = tuple(choice.chosen for choice in _content(body, "signed_data")["certificates"])
    if not certificates:
        raise ValueError("no certificate")
    for certificate in certificates:
        _public_key(certificate)
    return certificates


def _public_key(certificate: Any) -> rsa.RSAPublicKey:
    try:
        key = serialization.load_der_public_key(certificate.public_key.dump())
    except UnsupportedAlgorithm as problem:
        raise ValueError(str(problem)) from problem
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("the certificate's key is not RSA")
    return key


def _issuer_and_serial(certificate: Any) -> Any:
    return cms.IssuerAndSerialNumber({"issuer": certificate.issuer, "serial_number": certificate.serial_number})


def _identifier(certificate: Any) -> Any:
    return cms.SignerIdentifier(name="issuer_and_serial_number", value=_issuer_and_serial(certificate))


def _attribute(oid: str, value: Any) -> Any:
    return cms.CMSAttribute({"type": oid, "values": cms.SetOfAny([core.Any(value)])})


def _text(attributes: dict[str, Any], oid: str) -> str:
    return str(attributes[oid].parse(core.PrintableString).native)

"""The certificate request and the signer's own certificate (PKCS #10, X.509), over asn1crypto."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from asn1crypto import algos, core, csr, keys, x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from hil.virtual.phone.habits import Digest, Rdn

_PRINTABLE = re.compile(r"[A-Za-z0-9 '()+,./:=?-]*")
_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "md5": hashes.MD5,
    "sha1": hashes.SHA1,
    "sha224": hashes.SHA224,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
_TYPES = {
    "C": "country_name",
    "ST": "state_or_province_name",
    "S": "state_or_province_name",
    "L": "locality_name",
    "O": "organization_name",
    "OU": "organizational_unit_name",
    "CN": "common_name",
    "E": "email_address",
    "EMAILADDRESS": "email_address",
    "DC": "domain_component",
    "UID": "user_id",
    "STREET": "street_address",
    "SN": "serial_number",
    "SERIALNUMBER": "serial_number",
}


def hash_named(name: str) -> hashes.HashAlgorithm:
    """The hash that CMS calls `name`. ValueError for one the phone does not know."""
    if name not in _HASHES:
        raise ValueError(f"unknown digest {name}")
    return _HASHES[name]()


def generate_key(bits: int) -> rsa.RSAPrivateKey:
    """A new RSA key; the length of a firmware gone wrong may be 1024."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def public_key_info(key: rsa.RSAPrivateKey) -> bytes:
    """DER of the SubjectPublicKeyInfo."""
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def private_key_pem(key: rsa.RSAPrivateKey) -> str:
    """PKCS #8, not encrypted."""
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form).decode("ascii")


def read_key(text: str) -> rsa.RSAPrivateKey:
    """The key that `private_key_pem` wrote; no phone proves at each boot that its primes are prime."""
    key = serialization.load_pem_private_key(text.encode("ascii"), None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("not an RSA key")
    return key


def signed(key: rsa.RSAPrivateKey, data: bytes, digest: str) -> bytes:
    """PKCS #1 v1.5 signature of `data`."""
    return key.sign(data, padding.PKCS1v15(), hash_named(digest))


def name(subject: Sequence[Rdn], utf8: bool) -> Any:
    """An X.509 Name with the parts of `subject` in their order; parts of unknown type are left out."""
    parts = []
    for kind, value in subject:
        if kind not in _TYPES:
            continue
        text = core.IA5String(value) if kind in ("E", "EMAILADDRESS", "DC") else _directory_string(value, utf8 and kind != "C")
        parts.append(x509.RelativeDistinguishedName([x509.NameTypeAndValue({"type": _TYPES[kind], "value": text})]))
    return x509.Name(name="", value=x509.RDNSequence(parts))


def with_common_name(subject: Any, latter: Any) -> Any:
    """The Name `subject` with the common name of `latter`."""
    others = [part for part in subject.chosen if part[0]["type"].native != "common_name"]
    names = [part for part in latter.chosen if part[0]["type"].native == "common_name"]
    return x509.Name(name="", value=x509.RDNSequence([*others, *names]))


def certification_request(
    subject: Any,
    key: rsa.RSAPrivateKey,
    challenge: str | None,
    digest: Digest,
    utf8: bool,
    finish: Callable[[bytes], bytes],
) -> bytes:
    """DER of a PKCS #10 request; `finish` has the last word on the signature's bytes."""
    attributes = []
    if challenge is not None:
        attributes.append({"type": "challenge_password", "values": [_directory_string(challenge, utf8)]})
    info = csr.CertificationRequestInfo(
        {
            "version": "v1",
            "subject": subject,
            "subject_pk_info": keys.PublicKeyInfo.load(public_key_info(key)),
            "attributes": csr.CRIAttributes(attributes),
        }
    )
    request = csr.CertificationRequest(
        {
            "certification_request_info": info,
            "signature_algorithm": _signature_algorithm(digest),
            "signature": finish(signed(key, info.dump(), digest)),
        }
    )
    return bytes(request.dump())


def self_signed(subject: Any, key: rsa.RSAPrivateKey, digest: Digest, now: float) -> Any:
    """The certificate that signs a first pkiMessage (RFC 8894 section 2.3): asn1crypto's Certificate."""
    at = datetime.fromtimestamp(int(now), UTC)
    usage = {"extn_id": "key_usage", "critical": True, "extn_value": x509.KeyUsage({"digital_signature", "key_encipherment"})}
    body = x509.TbsCertificate(
        {
            "version": "v3",
            "serial_number": secrets.randbits(63) | 1,
            "signature": _signature_algorithm(digest),
            "issuer": subject,
            "validity": {"not_before": _time(at - timedelta(days=1)), "not_after": _time(at + timedelta(days=30))},
            "subject": subject,
            "subject_public_key_info": keys.PublicKeyInfo.load(public_key_info(key)),
            "extensions": [usage],
        }
    )
    signature = signed(key, body.dump(), digest)
    return x509.Certificate(
        {"tbs_certificate": body, "signature_algorithm": _signature_algorithm(digest), "signature_value": signature}
    )


def _directory_string(value: str, utf8: bool) -> Any:
    if not utf8 and _PRINTABLE.fullmatch(value):
        return x509.DirectoryString(name="printable_string", value=core.PrintableString(value))
    return x509.DirectoryString(name="utf8_string", value=core.UTF8String(value))


def _signature_algorithm(digest: str) -> Any:
    return algos.SignedDigestAlgorithm({"algorithm": f"{digest}_rsa", "parameters": core.Null()})


def _time(at: datetime) -> Any:
    """UTCTime where it reaches (1950 to 2049), else GeneralizedTime."""
    kind = ("utc_time", core.UTCTime) if 1950 <= at.year < 2050 else ("general_time", core.GeneralizedTime)
    return x509.Time(name=kind[0], value=kind[1](at))

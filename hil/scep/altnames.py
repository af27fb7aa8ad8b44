"""Subject alternative names (RFC 5280 section 4.2.1.6): written from texts, and taken from a certificate."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from hil import asn1
from hil.asn1 import Fields
from hil.errors import Misuse
from hil.scep.certificate import Certificate, read_extensions

SUBJECT_ALT_NAME = "2.5.29.17"
_TEXTS = {"email": 0x81, "dns": 0x82, "uri": 0x86}
_ADDRESS = 0x87
_REMEDY = "for example dns:phone.example, ip:192.0.2.1, email:a@b.example or uri:urn:x"


def general_names(texts: Iterable[str]) -> bytes | None:
    """GeneralNames of these `kind:value`, None where there are none; `Misuse` names the one that is wrong."""
    names = [_general_name(text) for text in texts]
    return asn1.sequence(*names) if names else None


def alternative_names(certificate: Certificate) -> bytes | None:
    """The GeneralNames of a certificate, octet for octet; None where it has none."""
    body = Fields(asn1.read(certificate.der)).take(asn1.SEQUENCE)
    extensions = next((part for part in body.children if part.tag == asn1.CONTEXT_3), None)
    return dict(read_extensions(extensions.only_child())).get(SUBJECT_ALT_NAME) if extensions else None


def _general_name(text: str) -> bytes:
    kind, _, value = text.partition(":")
    try:
        if kind.lower() == "ip":
            return asn1.tlv(_ADDRESS, ip_address(value).packed)
        if value and value.isascii() and value.isprintable() and " " not in value:
            return asn1.tlv(_TEXTS[kind.lower()], value.encode("ascii"))
    except (ValueError, KeyError):
        pass
    raise Misuse(f"{text!r} is no subject alternative name", key="--san", remedy=_REMEDY)

"""Whether a SignedData is signed by one of the certificates at hand (RFC 5652 section 5.4), leniently, each departure noted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hil import asn1
from hil.asn1 import Fields, Malformed
from hil.scep import algorithms, cms, names
from hil.scep.attributes import Attributes, Remarks
from hil.scep.certificate import Certificate
from hil.scep.cms import SignedData, SignerInfo

# Each costs RSA operations, and a digest of all that is signed.
MAX_CANDIDATES = 10


def verify(
    signed: SignedData,
    info: SignerInfo,
    carried: tuple[Certificate, ...],
    given: tuple[Certificate, ...],
    attributes: Attributes,
    remarks: Remarks,
) -> tuple[Certificate | None, bool]:
    """The signer's certificate and whether digest and signature are right."""
    named = {certificate.der: certificate for certificate in carried + given if info.names(certificate)}
    candidates = list(named.values())[:MAX_CANDIDATES]
    if not candidates:
        candidates = _meant(info, carried + given)
        remarks.notes += ["the signer is named in another encoding than its certificate has"] if candidates else []
    if not candidates:
        remarks.problems.append("no certificate for the signer")
        return None, False
    if not any(certificate in carried for certificate in candidates):
        remarks.notes.append("the signer's certificate is not in the message")
    if info.digest not in algorithms.READABLE_DIGESTS:
        remarks.problems.append(f"digest {info.digest} is not one that can be computed")
        return candidates[0], False
    signer = next((c for c in candidates if _signature_matches(_covered(signed, info), info, c, remarks)), None)
    if signer is None:
        remarks.problems.append("the signature does not verify")
        return candidates[0], False
    return signer, _digest_matches(signed, info, attributes, remarks)


def _meant(info: SignerInfo, certificates: tuple[Certificate, ...]) -> list[Certificate]:
    """Those whose issuer and serial number are the signer's however both are encoded (RFC 5280 section 7.1)."""
    if info.issuer_and_serial is None:
        return []
    fields = Fields(asn1.read(info.issuer_and_serial))
    try:
        issuer = names.folded(names.read_name(fields.take(asn1.SEQUENCE)).text)
        serial = fields.take(asn1.INTEGER).integer()
    except Malformed:
        return []
    alike = [one for one in certificates if one.serial == serial][:MAX_CANDIDATES]
    return [one for one in alike if names.folded(one.issuer) == issuer]


def _digest_matches(signed: SignedData, info: SignerInfo, attributes: Attributes, remarks: Remarks) -> bool:
    if info.attributes is None:
        return True  # the signature is over the content itself
    expected = attributes.octets(cms.MESSAGE_DIGEST, "messageDigest", required=True)
    if expected != algorithms.digest_of(info.digest, signed.content or b""):
        remarks.problems.append("messageDigest is not the digest of the content")
        return False
    return True


def _covered(signed: SignedData, info: SignerInfo) -> Iterator[bytes]:
    """What may be signed: RFC 5652 section 5.4 has the attributes in DER's order, and some sign the order they send."""
    if info.attributes is None:
        yield signed.content or b""
        return
    received = [child.raw for child in info.attributes.children]
    yield asn1.set_of(received)
    yield asn1.tlv(0x31, *received)


def _signature_matches(covered: Iterable[bytes], info: SignerInfo, certificate: Certificate, remarks: Remarks) -> bool:
    scheme = info.scheme.over(info.digest)
    if scheme.digest != info.digest:
        remarks.notes.append(f"the signature is over {scheme.digest}, the content over {info.digest}")
    for place, octets in enumerate(covered):
        if certificate.public_key.verifies(scheme, info.signature, octets):
            if place:
                remarks.notes.append("the signature is over the attributes in the order sent, which is not DER's")
            return True
    return False

"""What is known to go wrong in the matrix, or otherwise than RFC 8894 has it: each with where it is written, and how it looks.

A cell that goes wrong otherwise, or no longer, fails its test.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from interop_cells import BAD_PASSWORD, CIPHERS, ENROL, GET_CERT, GET_CRL, POLL, RENEW, Cell
from interop_seats import SCEPSERVER

from hil.scep.personas import PERSONAS

Wire = tuple[str, ...]
"""Words of `wire_of`, one for each message that a client sent, and for each discovery that failed."""


@dataclass(frozen=True)
class Known:
    """A peculiarity of a peer. With `said`, a pattern of what the client says then, the client fails by it; else it succeeds.

    `again` is whether the client then takes the CA for out of reach, and after a while asks it the same again.
    """

    what: str
    source: str
    said: str | None = None
    again: bool = False


KNOWN: Mapping[str, Known] = {
    "s1": Known(
        "scepclient knows no cipher but DES and no digest but SHA-1",
        "micromdm/scep pull requests 252 and 253; RFC 8894 section 2.9 wants AES and SHA-256",
        r"request failed, failInfo: badAlg",
    ),
    "s2": Known(
        "scepclient reads no reply signed with MD5, and calls that a decryption problem",
        "its pkcs7 library for Go, getHashForOID",
        r"parsing pkiMessage response .*: pkcs7: cannot decrypt data",
    ),
    "s3": Known(
        "scepclient names no CA to GetCACaps, takes EJBCA's 400 for no capabilities, and sends base64url by GET",
        "micromdm/scep client/client.go, and EncodeSCEPRequest in server/transport.go; RFC 8894 section 4.1 has base64",
    ),
    "s4": Known("scepclient polls by the same PKCSReq, octet for octet", "micromdm/scep issue 171"),
    "p1": Known(
        "pki tests the numbers of capabilities as if they were bits: AES needs SHA-384, DES3 AES, SHA-256 DES3",
        "strongSwan issue 1607, mended since; where it can pass it is told --cipher des3",
        r"not supported by CA",
    ),
    "p2": Known(
        "pki sends no message= and EJBCA wants one",
        "scep_http_request in strongSwan src/pki/scep/scep.c; EJBCA 4",
        r"did not receive a valid SCEP response: HTTP 400",
    ),
    "p3": Known(
        "pki gives up where GetCACaps is not there",
        "strongSwan src/pki/commands/scep.c; a CA of the drafts may have no GetCACaps, and then offers nothing",
        r"did not receive a valid scep response: HTTP 404",
    ),
    "p4": Known(
        "pki verifies a signature only if it says rsaEncryption, and scepserver's says sha1WithRSA",
        "strongSwan src/libstrongswan/plugins/openssl/openssl_pkcs7.c",
        r"only RSA digest encryption supported",
    ),
    "c1": Known(
        "certmonger opens no single DES: OpenSSL 3 has it in its legacy provider alone, which the daemon does not load",
        "OpenSSL's OSSL_PROVIDER-legacy(7); certmonger keeps no OPENSSL_CONF",
        r"digital envelope routines::unsupported",
        again=True,
    ),
    "c2": Known(
        "certmonger verifies no CertRep without content, and takes FAILURE for a CA out of reach",
        "OpenSSL's PKCS7_verify(3) wants data to verify; RFC 8894 sections 3.3.2.2 and 3.3.2.3 have none",
        r"failed to verify signature on server response.*no content",
        again=True,
    ),
    "c3": Known(
        "certmonger polls by a fresh PKCSReq of the same transactionID",
        "certmonger src/scep.c: to poll it takes what it took to submit; RFC 8894 section 3.3.3 has CertPoll",
    ),
    "c4": Known(
        "certmonger knows no POST",
        "certmonger src/scep.c; RFC 8894 section 4.1 wants POST where it is offered",
        r"Server reply was of unexpected MIME type",
    ),
    "c5": Known(
        "certmonger renews by PKCSReq signed with the old certificate, as the drafts had it, though Renewal is offered",
        "certmonger src/scepgen-o.c; RFC 8894 section 3.3.1.1 has RenewalReq",
    ),
    "m1": Known(
        "scepserver answers GetCert and GetCRL with HTTP 500, not implemented",
        "errNotImplemented in micromdm/scep scep/scep.go",
        r"500 not implemented",
    ),
    "e1": Known(
        "no fault: EJBCA has no GetCert, and its personas refuse it",
        "EJBCA's maintainers on its mailing list, 27 September 2013, the persona's source",
        r"badRequest",
    ),
    "n1": Known(
        "no fault: a CA that takes only what RFC 8894 makes mandatory refuses DES and triple DES",
        "RFC 8894 section 2.9, the persona's source",
        r"badAlg",
    ),
}

_OF_EJBCA = ("ejbca", "system-manager")
_EXPECTED: dict[Cell, tuple[str, Wire]] = {}


def _expect(tag: str, client: str, servers: Iterable[str], wires: Mapping[str, Wire]) -> None:
    for server in servers:
        for operation, wire in wires.items():
            _EXPECTED[Cell(client, server, operation)] = (tag, wire)


_BAD_ALG = ("POST PKCSReq FAILURE badAlg",)
_expect("s1", "scepclient", ["modern"], {ENROL: _BAD_ALG, POLL: _BAD_ALG, BAD_PASSWORD: _BAD_ALG})
_NO_CAPS = "GetCACaps 404"
_expect(
    "s2",
    "scepclient",
    ["draft"],
    {
        ENROL: (_NO_CAPS, "GET PKCSReq SUCCESS"),
        POLL: (_NO_CAPS, "GET PKCSReq PENDING"),
        BAD_PASSWORD: (_NO_CAPS, "GET PKCSReq FAILURE badRequest"),
    },
)
_expect(
    "s3",
    "scepclient",
    _OF_EJBCA,
    {
        ENROL: ("GetCACaps 400", "GET PKCSReq SUCCESS"),
        POLL: ("GetCACaps 400", "GET PKCSReq PENDING", "GET PKCSReq SUCCESS"),
        RENEW: ("GetCACaps 400", "GET RenewalReq SUCCESS"),
        BAD_PASSWORD: ("GetCACaps 400", "GET PKCSReq FAILURE badRequest"),
    },
)
_expect("s4", "scepclient", ["rfc8894", "ndes"], {POLL: ("POST PKCSReq PENDING", "POST PKCSReq SUCCESS")})
_expect("p1", "pki", ["ndes", "modern"], {ENROL: (), POLL: (), BAD_PASSWORD: ()})
_NO_CERT = ("GetCACert 400",)
_expect("p2", "pki", _OF_EJBCA, {ENROL: _NO_CERT, POLL: _NO_CERT, BAD_PASSWORD: _NO_CERT})
_expect("p3", "pki", ["draft"], {ENROL: (_NO_CAPS,), POLL: (_NO_CAPS,), BAD_PASSWORD: (_NO_CAPS,)})
_expect("p4", "pki", [SCEPSERVER], {ENROL: ("POST PKCSReq SUCCESS",), BAD_PASSWORD: ("POST PKCSReq FAILURE badRequest",)})
_ISSUED, _POLLED = ("GET PKCSReq SUCCESS",), ("GET PKCSReq PENDING", "GET PKCSReq SUCCESS")
_expect("c1", "certmonger", _OF_EJBCA, {ENROL: _ISSUED, POLL: _POLLED})
_expect("c1", "certmonger", ["draft"], {ENROL: (_NO_CAPS, *_ISSUED), POLL: (_NO_CAPS, *_POLLED)})
_expect("c1", "certmonger", [SCEPSERVER], {ENROL: _ISSUED})
_REFUSED = "GET PKCSReq FAILURE badRequest"
_expect("c2", "certmonger", ["rfc8894", "ndes"], {BAD_PASSWORD: (_REFUSED,)})
_expect("c2", "certmonger", ["draft"], {BAD_PASSWORD: (_NO_CAPS, _REFUSED)})
_expect("c3", "certmonger", ["rfc8894", "ndes"], {POLL: _POLLED})
_GET = "GET PKCSReq 405"
_expect("c4", "certmonger", ["modern"], {ENROL: (_GET,), POLL: (_GET, _GET), BAD_PASSWORD: (_GET,)})
_expect("c5", "certmonger", ["rfc8894", "ndes"], {RENEW: _ISSUED})
_expect("m1", "hil client", [SCEPSERVER], {GET_CERT: ("POST GetCert 500",), GET_CRL: ("POST GetCRL 500",)})
_expect("e1", "hil client", _OF_EJBCA, {GET_CERT: ("POST GetCert FAILURE badRequest",)})
_expect("n1", "hil client", ["modern"], dict.fromkeys(CIPHERS[:2], _BAD_ALG))


def expected(cell: Cell) -> tuple[str | None, Wire]:
    """The tag of what is known of a cell, None where all should be as RFC 8894 has it; and what is to cross the wire."""
    known = _EXPECTED.get(cell)
    return known or (None, _as_it_should(cell))


def _as_it_should(cell: Cell) -> Wire:
    capabilities = PERSONAS[cell.server].capabilities if cell.server in PERSONAS else ("POSTPKIOperation", "Renewal")
    method = "POST" if "POSTPKIOperation" in capabilities and cell.client != "certmonger" else "GET"
    match cell.operation:
        case "poll":
            words = ["PKCSReq PENDING", "CertPoll SUCCESS"]
        case "renew":
            words = ["RenewalReq SUCCESS" if "Renewal" in capabilities else "PKCSReq SUCCESS"]
        case "bad password":
            words = ["PKCSReq FAILURE badRequest"]
        case "GetCert" | "GetCRL":
            words = [f"{cell.operation} SUCCESS"]
        case _:
            words = ["PKCSReq SUCCESS"]
    discovery = () if capabilities else (_NO_CAPS,)
    return (*discovery, *(f"{method} {word}" for word in words))

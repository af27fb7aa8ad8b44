"""The numbers of docs/robustness.md are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

from hil import asn1
from hil.bench.power import shell, snmp_session
from hil.bench.tables import cli, lldpdu
from hil.capture import bodies, dhcp, exchange, files, fragments, http, streams, transcript
from hil.scep import answered, ca, cms, endpoint, envelope, names, public_key, query, register, signature
from hil.services import quick
from hil.settings import interpret, language

PAGE = Path(__file__).parents[2] / "docs" / "robustness.md"
KIB, MIB = 2**10, 2**20
BOUNDS = {
    "BER": (
        asn1.MAX_SIZE // MIB, asn1.MAX_DEPTH, asn1.MAX_ELEMENTS, asn1.MAX_OID, asn1.MAX_INTEGER, public_key._MAX_RSA,
    ),
    "a public exponent": (public_key._MAX_EXPONENT,),
    "a name": (names.MAX_NAME,),
    "a SignedData": (cms.MAX_CERTIFICATES, cms.MAX_CRLS, cms.MAX_SIGNERS),
    "certificates that one signature names": (signature.MAX_CANDIDATES,),
    "an envelope": (envelope.MAX_RECIPIENTS, envelope.MAX_DECRYPTED // MIB),
    "a request to the CA": (endpoint.LONGEST_TARGET // KIB, query.MOST_PARAMETERS),
    "what a CA remembers": (answered.MOST_ANSWERS, ca.MOST_PENDING, register.MOST_ISSUED),
    "a request for a file that is answered at once": (quick.LONGEST_HEAD // KIB,),
    "offers of DHCP servers": (dhcp.MOST_OFFERS,),
    "an LLDP data unit": (lldpdu.MOST_ITEMS,),
    "what a switch tells of its ports": (
        snmp_session.MOST_ROWS, shell.LONGEST_ANSWER // MIB, cli.LONGEST_LINE, cli.MOST_PORTS,
    ),
    "a settings file": (language.MAX_FILE // MIB, language.MAX_STATEMENTS, language.MAX_LINE),
    "a reading of settings": (interpret.MAX_FILES, interpret.MAX_IGNORED),
    "a capture": (files.MAX_PACKET // KIB, files.MAX_INTERFACES, files.MAX_INFLATED // MIB),
    "TCP": (
        streams.MAX_CONNECTIONS, streams.MAX_HELD, streams.MAX_HELD_BYTES // MIB, streams.MAX_HELD_IN_ALL // MIB,
    ),
    "IP packets in parts": (fragments.MAX_WAITING, fragments.MAX_PARTS),
    "HTTP": (http.MAX_HEAD // KIB, http.MAX_LINE // KIB),
    "a body that is compressed": (bodies.MAX_DECODED // MIB, bodies.MAX_RATIO, bodies.LEAST_DECODED // KIB),
    "a transcript": (
        transcript.MAX_ENTRIES, transcript.MAX_BODY // MIB, transcript.MAX_BODIES // MIB, transcript.MAX_PROBLEMS,
        exchange.MAX_KNOWN,
    ),
}  # fmt: skip


def test_the_page_has_every_bound() -> None:
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| [^|]*`hil/", PAGE.read_text(), re.MULTILINE)
    told = {what: tuple(int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", most)) for what, most in rows}
    assert told == BOUNDS

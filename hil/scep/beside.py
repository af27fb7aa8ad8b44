"""Where a request carries what no document gives a place to: in its query, among its header fields, or in its CSR."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import unquote_plus

from hil.scep.csr import Csr
from hil.scep.query import parameters

Beside = Mapping[str, str]
"""What an HTTP request has beside its SCEP message: by `query NAME` and `header NAME`, names in lower case."""

NOTHING: Beside = MappingProxyType({})
SUBJECT, ATTRIBUTES = "CSR subject", "CSR attributes"
PLACE = re.compile(rf"{SUBJECT}|{ATTRIBUTES}|(query|header) [!-@\[-~]{{1,64}}")
"""The name of one place, as a testbed has it."""
PLACES = f"{SUBJECT}, {ATTRIBUTES}, query NAME or header NAME with the name in lower case"

_OF_SCEP = ("operation", "message")


def beside(target: str, fields: Mapping[str, str]) -> Beside:
    """What a request for `target` has beside its message; `fields` are its header fields by their names in lower case."""
    query = {f"query {name}": unquote_plus(value) for name, value in parameters(target).items() if name not in _OF_SCEP}
    return {**query, **{f"header {name}": value for name, value in fields.items()}}


def places(text: str, asked: Beside, csr: Csr | None) -> frozenset[str]:
    """Where `text` stands in a request."""
    found = {place for place, value in asked.items() if text in value}
    if csr is not None:
        octets = text.encode()
        found |= {SUBJECT} if octets in csr.subject_der else set()
        found |= {ATTRIBUTES} if octets in csr.der.replace(csr.subject_der, b"") else set()
    return frozenset(found)

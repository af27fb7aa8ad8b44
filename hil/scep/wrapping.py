"""Structures that come as text, PEM or bare base64, where their octets should stand."""

from __future__ import annotations

import base64
import binascii
import re

from hil.asn1 import Malformed

_PEM = re.compile(rb"-----BEGIN [A-Z0-9 #]+-----([A-Za-z0-9+/=\s]+)-----END")
_BLANKS = b" \t\r\n\v\f"
_SEQUENCE = b"\x30"


def unwrapped(data: bytes) -> tuple[bytes, str | None]:
    """The octets of a structure and what they were wrapped in, if in anything; `Malformed` for text that is neither."""
    if data.startswith(_SEQUENCE) or not data:
        return data, None
    pem = _PEM.search(data)
    try:
        octets = base64.b64decode((pem[1] if pem else data).translate(None, _BLANKS), validate=True)
    except binascii.Error as error:
        raise Malformed(f"neither DER nor base64: {error}") from error
    return octets, "PEM" if pem else "base64"

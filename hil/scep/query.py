"""The query of a SCEP request's URL, read as tolerantly as the most tolerant server (RFC 8894 section 4.1)."""

from __future__ import annotations

import binascii
from urllib.parse import unquote_to_bytes

from hil.asn1 import Malformed

MOST_PARAMETERS = 64


def parameters(target: str) -> dict[str, str]:
    """The first `MOST_PARAMETERS` of the query, undecoded, by their names in lower case; the first of a name counts.

    A fragment is no part of them, and `&amp;`, as HTML writes it, parts them too.
    """
    found: dict[str, str] = {}
    for pair in target.partition("#")[0].partition("?")[2].split("&", MOST_PARAMETERS)[:MOST_PARAMETERS]:
        name, _, value = pair.partition("=")
        found.setdefault(name.lower().removeprefix("amp;"), value)
    return found


def oddities(target: str) -> tuple[str, ...]:
    """What `parameters` had to allow."""
    query = target.partition("?")[2].lower()
    return ("the URL has a fragment",) * ("#" in query) + ("`&amp;` stands for `&` in the URL",) * ("&amp;" in query)


def decode_url_message(value: str) -> tuple[bytes, tuple[str, ...]]:
    """The pkiMessage in a GET's `message`, and which tolerances its base64 needed; Malformed if it is none.

    Accepted: percent escapes, also twice, a literal `+`, a blank where a `+` was, line breaks, base64url, missing padding.
    """
    notes = []
    text = unquote_to_bytes(value.encode("utf-8", "replace"))  # octets beyond UTF-8 come as lone surrogates
    if "+" in value:
        notes.append("a `+` is not percent-escaped in the URL")
    if b"%" in text:
        notes.append("the URL is percent-escaped twice")
        text = unquote_to_bytes(text)
    if b" " in text:
        notes.append("a blank stands for `+` in the base64")
        text = text.replace(b" ", b"+")
    if b"\n" in text or b"\r" in text:
        notes.append("the base64 has line breaks")
        text = text.replace(b"\r", b"").replace(b"\n", b"")
    if b"-" in text or b"_" in text:
        notes.append("the base64 is in its URL alphabet")
        text = text.replace(b"-", b"+").replace(b"_", b"/")
    if len(text) % 4:
        notes.append("the base64 lacks padding")
        text = text.rstrip(b"=") + b"=" * (-len(text.rstrip(b"=")) % 4)
    try:
        return binascii.a2b_base64(text, strict_mode=True), tuple(notes)
    except binascii.Error as error:
        raise Malformed(f"the message in the URL is not base64: {error}") from error

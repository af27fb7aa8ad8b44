"""Bodies of HTTP messages as the octets that they stand for: content encodings undone (RFC 9110 section 8.4.1), within bounds."""

from __future__ import annotations

import zlib
from typing import Final

from hil.capture.http import Message

MAX_DECODED: Final = 4 * 2**20
MAX_RATIO, LEAST_DECODED = 32, 16 * 2**10  # noise and base64 compress by a third, the text of an error tenfold
_WINDOWS: Final = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}  # some send deflate without zlib's header


def decoded(message: Message) -> tuple[bytes, str | None, str | None]:
    """The body, a note of the encoding that was undone, and the problem where that cannot be done."""
    body = bytes(message.body)
    encoding = message.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity") or not body:
        return body, None, None
    most = min(MAX_DECODED, max(LEAST_DECODED, MAX_RATIO * len(body)))
    for window in _WINDOWS.get(encoding, ()):
        inflater = zlib.decompressobj(window)
        try:
            plain = inflater.decompress(body, most)
        except zlib.error:
            continue
        if inflater.unconsumed_tail:
            return body, None, f"more than {most} bytes once {encoding} is undone"
        return plain, f"Content-Encoding {encoding} was undone", None
    return body, None, f"Content-Encoding {encoding[:20]} cannot be undone"

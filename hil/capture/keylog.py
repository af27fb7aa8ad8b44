"""The secrets of TLS connections, from files of the format of SSLKEYLOGFILE or from a capture that brings them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

KeyLog = Mapping[bytes, Mapping[str, bytes]]
"""By the client's random what is secret of its connection, by label."""

NO_SECRETS: Final[KeyLog] = {}
MAX_KEY_LOG = 64 * 2**20


def read_key_log(file: Path) -> KeyLog:
    """The secrets in `file`, none where there is no such file."""
    try:
        with file.open("rb") as log:
            return secrets_in(log.read(MAX_KEY_LOG))
    except FileNotFoundError:
        return NO_SECRETS


def secrets_in(text: bytes) -> dict[bytes, dict[str, bytes]]:
    """The secrets in the text of a key log; lines that tell none are passed over."""
    found: dict[bytes, dict[str, bytes]] = {}
    for line in text.splitlines():
        words = line.decode("latin-1").split()
        try:
            label, random, secret = words
            found.setdefault(bytes.fromhex(random), {})[label] = bytes.fromhex(secret)
        except ValueError:
            continue
    return found

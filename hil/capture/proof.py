"""The proof that a recorder hears its sources: markers are sent until each is in the file."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil.capture.marker import NONCE, Marker

POLL: Final = 0.02
RESEND: Final = 10  # polls between two markers of a source
LONGEST_MARKER: Final = 256


@dataclass(frozen=True)
class Proof:
    """The markers that did not come, what kept them, and when each that was sent left (nanoseconds since 1970, this PC's)."""

    missing: tuple[Marker, ...]
    why: str
    sent: Mapping[bytes, int]


def prove(markers: Sequence[Marker], file: Path, alive: Callable[[], bool], patience: float) -> Proof:
    """Send the markers until each is in `file`, the recorder is no longer `alive`, or `patience` is over [real s]."""
    wanted: dict[bytes, Marker] = {}
    sent: dict[bytes, int] = {}
    pause, deadline, why, polls = threading.Event(), time.monotonic() + patience, "", 0
    pending = set(markers)
    with file.open("rb") as written:
        written.seek(0, 2)
        tail = b""
        while pending and alive() and time.monotonic() < deadline:
            if polls % RESEND == 0:
                try:
                    for marker in pending:
                        now = time.time_ns()
                        body = marker.send(secrets.token_bytes(NONCE))
                        wanted[body], sent[body] = marker, now
                except OSError as error:
                    why = f"the marker cannot be sent: {error.strerror or error}"
            polls += 1
            pause.wait(POLL)
            tail = tail[-LONGEST_MARKER:] + written.read()
            pending -= {marker for body, marker in wanted.items() if body in tail}
    return Proof(tuple(marker for marker in markers if marker in pending), why, sent)

"""The cells of the matrix: which client does what at which server, and what came of it when it was played."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from interop_seats import SCEPSERVER, SERVERS

ENROL, POLL, RENEW, BAD_PASSWORD, GET_CERT, GET_CRL = "enrol", "poll", "renew", "bad password", "GetCert", "GetCRL"
CIPHERS = ("des-cbc", "des-ede3-cbc", "aes-128-cbc", "aes-256-cbc")
"""Property of a test's report that holds the matrix as it is to be printed."""
NEEDS_A_CERTIFICATE = (RENEW, GET_CERT, GET_CRL)
_COMMON = (ENROL, POLL, RENEW, BAD_PASSWORD)
OPERATIONS: Mapping[str, tuple[str, ...]] = {
    "scepclient": _COMMON,
    "pki": _COMMON,
    "certmonger": _COMMON,
    "hil enroll": (ENROL, BAD_PASSWORD),
    "hil client": (*_COMMON, GET_CERT, GET_CRL, *CIPHERS),
    "virtual phone": (ENROL, POLL, BAD_PASSWORD),
}
"""What each client can do. An operation that is a cipher is an enrolment with it."""


class Cell(NamedTuple):
    """One client that does one thing at one server."""

    client: str
    server: str
    operation: str

    def __str__(self) -> str:
        return f"{self.client}-{self.operation}-{self.server}".replace(" ", "_")


def cells() -> Iterator[Cell]:
    """All of them; scepserver has no PENDING."""
    for client, operations in OPERATIONS.items():
        for operation in operations:
            for server in SERVERS:
                if (server, operation) != (SCEPSERVER, POLL):
                    yield Cell(client, server, operation)


@dataclass(frozen=True)
class Played:
    """What came of a cell: how the client ended, what it said, the files with what it got and with its key.

    The wire shows it at `address` and `path` between `began` and `ended`. `ledger` are message type, status
    and failInfo as the CA has them, and the serial number of what it issued in hex.
    """

    cell: Cell
    code: int | None
    said: str
    got: str | None
    key: str | None
    address: str
    path: str
    anchor: str
    common_name: str
    began: datetime
    ended: datetime
    ledger: tuple[tuple[str, str | None], ...]


def save(played: list[Played], file: Path) -> None:
    """Write them as JSON."""
    file.write_text(json.dumps([asdict(one) for one in played], default=datetime.isoformat))


def load(file: Path) -> dict[Cell, Played]:
    """What `save` wrote."""
    loaded = {}
    for values in json.loads(file.read_text()):
        values["cell"] = cell = Cell(*values["cell"])
        values |= {name: datetime.fromisoformat(values[name]) for name in ("began", "ended")}
        values["ledger"] = tuple((words, serial) for words, serial in values["ledger"])
        loaded[cell] = Played(**values)
    return loaded

"""What a CA service gives to whoever serves it: a reply, a refusal by HTTP, and a line for the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hil.scenario import Answer
from hil.scep.messages import PkiStatus


@dataclass(frozen=True)
class LedgerEntry:
    """One PKIOperation as the CA saw it; `at` is phone time, `serial` hex, `answer` None where there was no CertRep.

    `problem` then says why: an HTTP refusal, or a request that came again octet for octet. `scripted`
    shows the script's answer where it was more than to issue, pend or reject.
    """

    at: datetime
    transaction_id: str | None
    message_type: str | None
    answer: str | None
    fail_info: str | None = None
    subject: str | None = None
    serial: str | None = None
    issued_der: bytes | None = None
    problem: str | None = None
    scripted: str | None = None


@dataclass(frozen=True)
class ScriptedReply:
    """A CertRep, empty where the script has none sent, and the script's answer that it came by, if any.

    What that answer does on the wire is left to the server. `entry` is what the ledger was told.
    """

    cert_rep: bytes
    script: Answer | None
    status: PkiStatus | None
    entry: LedgerEntry


class ScepRefusal(Exception):
    """What a real server answers with an HTTP error and no SCEP message; `entry` is what the ledger was told, if anything."""

    def __init__(self, http_status: int, text: str, entry: LedgerEntry | None = None) -> None:
        self.http_status = http_status
        self.text = text
        self.entry = entry
        super().__init__(f"HTTP {http_status}: {text}")

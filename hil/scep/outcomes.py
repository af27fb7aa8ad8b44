"""What a CA service gives to whoever serves it: a reply, a refusal by HTTP, and a line for the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hil.scenario import Answer
from hil.scep.messages import PkiStatus


class ScepRefusal(Exception):
    """What a real server answers with an HTTP error instead of a SCEP message."""

    def __init__(self, http_status: int, text: str) -> None:
        self.http_status = http_status
        self.text = text
        super().__init__(f"HTTP {http_status}: {text}")


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

    What that answer does on the wire is left to the server.
    """

    cert_rep: bytes
    script: Answer | None
    status: PkiStatus | None

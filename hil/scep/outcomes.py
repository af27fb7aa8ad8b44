"""What a CA service gives to whoever serves it: a reply, a refusal by HTTP, and a line for the ledger."""

from __future__ import annotations

from datetime import datetime

from hil.frozen import frozen
from hil.scenario import Answer, Issue, Pend, Reject
from hil.scep.messages import PkiMessage, PkiStatus


@frozen
class LedgerEntry:
    """One PKIOperation as the CA saw it; `at` is phone time, `serial` hex, `answer` None where there was no CertRep.

    `problem` then says why: an HTTP refusal, or a request that came again octet for octet. `scripted`
    shows the script's answer as `shown` does.
    """

    at: datetime
    transaction_id: str | None
    message_type: str | None
    answer: str | None
    fail_info: str | None = None
    subject: str | None = None
    serial: str | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    issued_der: bytes | None = None
    problem: str | None = None
    scripted: str | None = None


_PLAIN = Issue | Pend | Reject


def shown(script: Answer | None) -> str | None:
    """The script's answer where it is more than to issue, pend or reject."""
    return None if script is None or isinstance(script, _PLAIN) else repr(script)


def repetition(request: PkiMessage, at: datetime) -> LedgerEntry:
    """What the ledger says of a request that came again octet for octet."""
    name = None if request.message_type is None else request.message_type.name
    return LedgerEntry(at, request.transaction_id, name, answer=None, problem="the same octets again, answered as before")


@frozen
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

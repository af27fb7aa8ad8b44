"""The SCEP face of a lab: a CA with a script of its own behind each device's slot (RFC 8894 section 4)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote, unquote_plus

from hil.asn1 import Malformed
from hil.clock import Clock
from hil.evidence import SCEP_PATH, EventName
from hil.scenario import Answer, Issue, on_the_wire
from hil.scep.ca import DEFAULT_CAPABILITIES, Authority, CaService, LedgerEntry, ScepRefusal
from hil.scep.query import decode_url_message, parameters
from hil.scep.signers import Signer, issue
from hil.services.events import EventStream, Scalar
from hil.services.ledger import Ledger, LedgerLine
from hil.services.roster import Roster
from hil.services.web import Call, Reply, Served

_PKI_MESSAGE = "application/x-pki-message"


@dataclass
class _Desk:
    """One device's slot: its CA, and the lock that keeps its answers in the order of the requests."""

    device: str
    slot: int
    service: CaService
    entries: list[LedgerEntry] = field(default_factory=list)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class _Answered(NamedTuple):
    """A reply, what its event says of it, and the script's answer where that goes beyond the reply."""

    reply: Reply
    details: dict[str, Scalar]
    script: Answer | None = None


class ScepSite:
    """Answers under `/scep/`; CA work is done by `pool`, so that one phone's RSA does not hold up another's files."""

    def __init__(
        self, authority: Authority, clock: Clock, events: EventStream, roster: Roster, ledger: Ledger, pool: Executor
    ) -> None:
        self._authority = authority
        self._clock = clock
        self._events = events
        self._roster = roster
        self._ledger = ledger
        self._pool = pool
        self._desks: dict[tuple[str, int], _Desk] = {}

    def script(
        self,
        device: str,
        slot: int,
        *,
        answers: Sequence[Answer] = (Issue(),),
        signer: Signer | None = None,
        capabilities: Sequence[str] = DEFAULT_CAPABILITIES,
    ) -> None:
        """Put a fresh CA with this script behind a device's slot."""
        entries: list[LedgerEntry] = []
        service = CaService(
            self._authority,
            signer or issue(self._authority),
            clock=self._clock,
            capabilities=capabilities,
            script=answers,
            ledger=entries.append,
        )
        self._desks[device, slot] = _Desk(device, slot, service, entries)

    async def answer(self, call: Call) -> Served:
        """The CA's answer; 404 to a path that no device has, or that is asked from another device's address."""
        match = SCEP_PATH.fullmatch(call.path)
        desk = self._desks.get((match["device"], int(match["slot"]))) if match else None
        if desk is None:
            return _stray("SCEP path unknown")
        if self._roster.owner([desk.device], call.address) is None:
            return _stray("another's SCEP path")
        values = parameters(call.target)
        operation = unquote(values.get("operation", ""))
        self._events.publish(
            EventName.SCEP_REQUEST,
            device=desk.device,
            slot=desk.slot,
            operation=operation,
            method=call.method,
            client=f"{call.address}:{call.port}",
            size=len(call.body) or len(call.target),
        )
        answered = await self._operate(desk, operation, values.get("message", ""), call)
        details = {"operation": operation, **answered.details}
        return Served(answered.reply, EventName.SCEP_ANSWER, desk.device, desk.slot, details, answered.script)

    async def _operate(self, desk: _Desk, operation: str, message: str, call: Call) -> _Answered:
        service, identifier = desk.service, unquote_plus(message)
        try:
            match operation:
                case "GetCACaps":
                    return _Answered(Reply(200, "text/plain", service.get_ca_caps(identifier)), {"identifier": identifier})
                case "GetCACert":
                    return _Answered(Reply(200, *service.get_ca_cert(identifier)), {"identifier": identifier})
                case "GetNextCACert":
                    return _Answered(Reply(200, *service.get_next_ca_cert(identifier)), {"identifier": identifier})
                case "PKIOperation" if call.method in ("GET", "POST"):
                    return await self._pki_operation(desk, call.body if call.method == "POST" else decode_url_message(message)[0])
                case _:
                    return _Answered(Reply.text(400, "unknown operation"), {"problem": f"{call.method} of an unknown operation"})
        except ScepRefusal as refusal:
            return _Answered(Reply.text(refusal.http_status, refusal.text), {"problem": refusal.text})
        except Malformed as error:
            return _Answered(Reply.text(400, str(error)), {"problem": str(error)})

    async def _pki_operation(self, desk: _Desk, message: bytes) -> _Answered:
        loop = asyncio.get_running_loop()
        async with desk.turn:
            desk.entries.clear()
            try:
                answer = await loop.run_in_executor(self._pool, desk.service.answer, message)
            finally:
                entries = tuple(desk.entries)
                for entry in entries:
                    self._ledger.add(LedgerLine(desk.device, desk.slot, entry))
        script = answer.script if answer.script is not None and on_the_wire(answer.script) else None
        facts = _facts(entries[-1]) if entries else {}
        if answer.status is not None:  # of a request that came again, the ledger has no status
            facts["pki_status"] = answer.status.name
        return _Answered(Reply(200, _PKI_MESSAGE, answer.cert_rep), facts, script)


def _facts(entry: LedgerEntry) -> dict[str, Scalar]:
    """What an event says of the CA's answer; nothing of it is secret."""
    return {
        "message_type": entry.message_type,
        "transaction_id": entry.transaction_id,
        "pki_status": entry.answer,
        "fail_info": entry.fail_info,
        "subject": entry.subject,
        "serial": entry.serial,
        "problem": entry.problem,
        "scripted": entry.scripted,
    }


def _stray(reason: str) -> Served:
    return Served(Reply.text(404, "not found"), EventName.STRAY, details={"reason": reason})

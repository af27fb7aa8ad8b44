"""The SCEP face of a lab: behind each device's slot a desk of its own, where the bench's CA sits (RFC 8894 section 4)."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote, unquote_plus

from hil.evidence import SCEP_PATH, EventName
from hil.scenario import on_the_wire
from hil.scep.endpoint import Endpoint, HttpReply
from hil.scep.outcomes import LedgerEntry
from hil.scep.query import parameters
from hil.services.events import EventStream, Scalar
from hil.services.ledger import Ledger, LedgerLine
from hil.services.roster import Roster
from hil.services.web import Call, Reply, Served

_EXCERPT = 500
_SHORT = 8192
"""Octets, which a request with keys of 4096 bits does not have."""


class Desk(Protocol):
    """Who answers what is asked of one slot."""

    async def answer(self, call: Call) -> HttpReply:
        """The answer to `call`."""


class CaDesk:
    """The bench's CA in one of its parts: requests for certificates one after another, so that a script keeps their order.

    A short one takes about a millisecond and is answered on the spot, since the way to a thread and
    back would cost a tenth of that again. On a long one the CA works in a thread of `pool`, so that
    it holds up nobody else's files.
    """

    def __init__(self, endpoint: Endpoint, pool: Executor) -> None:
        self._endpoint = endpoint
        self._pool = pool
        self._turn = asyncio.Lock()

    async def answer(self, call: Call) -> HttpReply:
        """The CA's answer."""
        asked = (call.method, call.target, call.body, call.fields)
        async with self._turn:
            if len(call.target) + len(call.body) <= _SHORT:
                return self._endpoint.answer(*asked)
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._endpoint.answer, *asked)


@dataclass(frozen=True)
class Seat:
    """A desk behind one slot: answers at whatever path it is asked, and tells events and ledger."""

    device: str
    slot: int
    desk: Desk
    events: EventStream
    ledger: Ledger

    async def answer(self, call: Call) -> Served:
        """The desk's answer."""
        values = parameters(call.target)
        operation = unquote(values.get("operation", ""))
        self.events.publish(
            EventName.SCEP_REQUEST,
            device=self.device,
            slot=self.slot,
            operation=operation,
            method=call.method,
            client=f"{call.address}:{call.port}",
            size=len(call.body) or len(call.target),
        )
        answer = await self.desk.answer(call)
        if answer.fault is not None:
            self.events.publish(EventName.FAULT, device=self.device, slot=self.slot, text=answer.fault)
        details: dict[str, Scalar] = {"operation": operation}
        if operation != "PKIOperation":
            details["identifier"] = unquote_plus(values.get("message", ""))
        if answer.entry is not None:
            self.ledger.add(LedgerLine(self.device, self.slot, answer.entry))
            details |= _facts(answer.entry)
        elif answer.status >= 400:
            details["problem"] = answer.body[:_EXCERPT].decode(errors="replace").strip()
        if answer.pki_status is not None:  # of a request that came again, the ledger has no status
            details["pki_status"] = answer.pki_status.name
        if answer.notes:
            details["notes"] = "; ".join(answer.notes)
        script = answer.script if answer.script is not None and on_the_wire(answer.script) else None
        reply = Reply(answer.status, answer.content_type, answer.body, answer.fields)
        return Served(reply, EventName.SCEP_ANSWER, self.device, self.slot, details, script)


class ScepSite:
    """Answers under `/scep/`."""

    def __init__(self, events: EventStream, roster: Roster, ledger: Ledger) -> None:
        self._events = events
        self._roster = roster
        self._ledger = ledger
        self._seats: dict[tuple[str, int], Seat] = {}

    def seat(self, device: str, slot: int, desk: Desk) -> None:
        """Put `desk` behind a device's slot, in place of the former one."""
        self._seats[device, slot] = Seat(device, slot, desk, self._events, self._ledger)

    async def answer(self, call: Call) -> Served:
        """The desk's answer; 404 to a path that no device has, or that is asked from another device's address."""
        match = SCEP_PATH.fullmatch(call.path)
        seat = self._seats.get((match["device"], int(match["slot"]))) if match else None
        if seat is None:
            return _stray("SCEP path unknown")
        if self._roster.owner([seat.device], call.address) is None:
            return _stray("another's SCEP path")
        return await seat.answer(call)


def _facts(entry: LedgerEntry) -> dict[str, Scalar]:
    """What an event says of the CA's answer; nothing of it is secret."""
    return {
        "message_type": entry.message_type,
        "transaction_id": entry.transaction_id,
        "pki_status": entry.answer,
        "fail_info": entry.fail_info,
        "subject": entry.subject,
        "serial": entry.serial,
        "not_before": entry.not_before.isoformat() if entry.not_before else None,
        "not_after": entry.not_after.isoformat() if entry.not_after else None,
        "problem": entry.problem,
        "scripted": entry.scripted,
    }


def _stray(reason: str) -> Served:
    return Served(Reply.text(404, "not found"), EventName.STRAY, details={"reason": reason})

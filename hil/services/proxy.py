"""A recording proxy before a real CA, which plays the same scripts as the bench's CA."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import unquote

from hil.clock import Clock
from hil.scenario import Answer
from hil.scep.endpoint import HttpReply
from hil.scep.query import parameters
from hil.services.events import stamp
from hil.services.recording import Recording
from hil.services.relay import Asked, Errand, Relay, Speaker, refused
from hil.services.upstream import Carrier, Received, Upstream, UpstreamFault
from hil.services.web import Call

_Result = TypeVar("_Result")


class ProxyDesk:
    """The real CA behind one slot: PKIOperations one after another, so that a script keeps their order.

    `speaker` is the key with which that CA signs its replies, where the bench has it; scripts that
    need it are `Misuse` without. What needs a CPU works on `pool`. Every exchange is recorded.
    """

    def __init__(
        self,
        upstream: Upstream,
        recording: Recording,
        *,
        clock: Clock,
        pool: Executor,
        script: Sequence[Answer] = (),
        speaker: Speaker | None = None,
    ) -> None:
        self._relay = Relay(script, clock=clock, speaker=speaker)
        self._carrier = Carrier(upstream, recording.key_log)
        self._recording = recording
        self._clock = clock
        self._pool = pool
        self._turn = asyncio.Lock()

    async def answer(self, call: Call) -> HttpReply:
        """The CA's answer, or the script's; 502 or 504 and a fault where the CA gives none that can be passed on."""
        if call.method not in ("GET", "POST"):
            return HttpReply(405, "text/plain", f"{call.method} is not passed on\n".encode())
        exchange = _Exchange(call, self._clock.now(), datetime.now(UTC))
        operation = unquote(parameters(call.target).get("operation", ""))
        if operation == "PKIOperation":
            async with self._turn:
                reply = await self._operate(exchange)
        else:
            reply = await self._tell(exchange)
            if operation == "GetCACert":
                await self._work(lambda: self._relay.learn(reply.body))
        await self._work(lambda: exchange.record(self._recording, reply))
        return reply

    async def _tell(self, exchange: _Exchange) -> HttpReply:
        try:
            received = exchange.received = await self._carrier.carry(exchange.call)
        except UpstreamFault as fault:
            return refused(fault)
        return HttpReply(received.status, received.content_type, received.body, fields=received.fields)

    async def _operate(self, exchange: _Exchange) -> HttpReply:
        asked = exchange.asked = await self._work(lambda: Asked.by(exchange.call))
        before = self._relay.again(asked)
        if before is not None:
            return before
        errand = exchange.errand = self._relay.take(asked)
        try:
            if errand.forward is not None:
                exchange.received = await self._carrier.carry(errand.forward.call)
            return await self._work(lambda: self._relay.conclude(errand, exchange.received))
        except UpstreamFault as fault:
            return self._relay.failed(errand, fault)

    async def _work(self, work: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)


@dataclass
class _Exchange:
    """What is known of one exchange, as it goes on."""

    call: Call
    at: datetime
    real: datetime
    asked: Asked | None = None
    errand: Errand | None = None
    received: Received | None = None

    def record(self, recording: Recording, reply: HttpReply) -> None:
        received = self.received
        octets = {
            "request": self.asked.octets if self.asked else self.call.body,
            "reply": received.body if received else None,
            "answer": None if received and reply.body == received.body else reply.body,
        }
        recording.add({**self._request(), "upstream": self._upstream(), **_told(reply)}, octets)

    def _request(self) -> dict[str, object]:
        call = self.call
        return {
            "at": stamp(self.at),
            "real": stamp(self.real),
            "client": f"{call.address}:{call.port}",
            "method": call.method,
            "target": call.target,
            "user_agent": call.user_agent,
            "content_type": call.content_type,
        }

    def _upstream(self) -> dict[str, object] | None:
        """What the upstream answered and how fast; None where it was not asked, or gave no answer."""
        if self.received is None:
            return None
        waited = self.errand is not None and self.errand.forward is not self.errand.asked
        return {
            "status": self.received.status,
            "content_type": self.received.content_type,
            "fields": self.received.fields,
            "head_after": round(self.received.head_after, 6),
            "took": round(self.received.took, 6),
            "asked_for_what_waited": waited,
        }


def _told(reply: HttpReply) -> dict[str, object]:
    entry = reply.entry
    return {
        "status": reply.status,
        "transaction_id": entry and entry.transaction_id,
        "message_type": entry and entry.message_type,
        "pki_status": None if reply.pki_status is None else reply.pki_status.name,
        "fail_info": entry and entry.fail_info,
        "scripted": entry and entry.scripted,
        "problem": entry and entry.problem,
        "fault": reply.fault,
        "notes": reply.notes,
    }

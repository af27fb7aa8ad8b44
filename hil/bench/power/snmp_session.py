"""The only module that knows pysnmp: a plain, blocking SNMP session over its asyncio calls.

pysnmp has changed the shape of its calls three times, so nothing else imports it. One engine is
used for all requests; its event loop runs in a thread that starts with the first of them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Literal

from pysnmp.hlapi.v3arch.asyncio import (
    CommunityData,
    ContextData,
    ObjectIdentity,
    ObjectType,
    SnmpEngine,
    UdpTransportTarget,
    get_cmd,
    set_cmd,
)
from pysnmp.proto.rfc1902 import Integer32, ObjectIdentifier

from hil.secret import Secret


class NoAnswer(Exception):
    """Nothing came back; the text says what was waited for."""


class Refusal(Exception):
    """The agent answered with an error status or without the value; the text is the status's name in the RFCs."""


class SnmpSession:
    """Gets and sets integers of one agent; `timeout` in real seconds for each of 1 + `retries` tries. Safe between threads."""

    def __init__(
        self, address: str, port: int, version: Literal["v1", "v2c"], community: Secret, *, timeout: float, retries: int
    ) -> None:
        self._target = (address, port)
        self._version = version
        self._community = community
        self._timeout = timeout
        self._retries = retries
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._engine: SnmpEngine | None = None
        self._transport: UdpTransportTarget | None = None

    def get_integers(self, *oids: str) -> tuple[int, ...]:
        """The values of `oids`, in order; raises `NoAnswer` or `Refusal`."""
        return self._run(self._get(oids))

    def set_integer(self, oid: str, value: int) -> None:
        """Set `oid` (SYNTAX INTEGER) to `value`; raises `NoAnswer` or `Refusal`."""
        self._run(self._set(oid, value))

    def close(self) -> None:
        """Close the socket and end the thread; the session may be used again afterwards."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._shut(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()

    def _run(self, request: Coroutine[Any, Any, tuple[int, ...]]) -> tuple[int, ...]:
        bound = (1 + self._retries) * self._timeout + 10.0
        return asyncio.run_coroutine_threadsafe(request, self._running_loop()).result(bound)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name=f"snmp {self._target[0]}", daemon=True)
                self._thread.start()
            return self._loop

    async def _get(self, oids: tuple[str, ...]) -> tuple[int, ...]:
        engine, transport = await self._ready()
        objects = [ObjectType(ObjectIdentity(oid)) for oid in oids]
        return _values(await get_cmd(engine, self._access(), transport, ContextData(), *objects, lookupMib=False))

    async def _set(self, oid: str, value: int) -> tuple[int, ...]:
        engine, transport = await self._ready()
        binding = (ObjectIdentifier(oid), Integer32(value))
        return _values(await set_cmd(engine, self._access(), transport, ContextData(), binding, lookupMib=False))

    def _access(self) -> CommunityData:
        return CommunityData(self._community.reveal(), mpModel=0 if self._version == "v1" else 1)

    async def _ready(self) -> tuple[SnmpEngine, UdpTransportTarget]:
        if self._engine is None:
            self._engine = SnmpEngine()
        if self._transport is None:
            self._transport = await UdpTransportTarget.create(self._target, timeout=self._timeout, retries=self._retries)
        return self._engine, self._transport

    async def _shut(self) -> None:
        engine, self._engine, self._transport = self._engine, None, None
        if engine is not None:
            engine.close_dispatcher()


def _values(answer: tuple[Any, Any, Any, Any]) -> tuple[int, ...]:
    """Integers of an answer's variable bindings."""
    indication, status, index, bindings = answer
    if indication:
        raise NoAnswer(str(indication))
    if int(status):
        raise Refusal(f"{status.prettyPrint()} at variable {int(index)}")
    values = []
    for oid, value in bindings:
        if not isinstance(value, Integer32):  # noSuchObject and its kin, or a type that the MIB does not have there
            raise Refusal(f"{type(value).__name__} for {oid}")
        values.append(int(value))
    return tuple(values)

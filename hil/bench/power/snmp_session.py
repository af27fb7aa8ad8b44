"""The only module that knows pysnmp: a plain, blocking SNMP session over its asyncio calls.

pysnmp has changed the shape of its calls three times, so nothing else imports it. One engine is
used for all requests; its event loop runs in a thread that starts with the first of them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pysnmp.hlapi.v3arch.asyncio import (
    USM_AUTH_HMAC96_SHA,
    USM_AUTH_HMAC192_SHA256,
    USM_AUTH_HMAC384_SHA512,
    USM_PRIV_CFB128_AES,
    CommunityData,
    ContextData,
    ObjectIdentity,
    ObjectType,
    SnmpEngine,
    UdpTransportTarget,
    UsmUserData,
    bulk_walk_cmd,
    get_cmd,
    set_cmd,
    walk_cmd,
)
from pysnmp.proto.rfc1902 import Gauge32, Integer32, ObjectIdentifier, OctetString

from hil.bench.power.readback import NoAnswer, NotLetIn, Refusal
from hil.secret import Secret

T = TypeVar("T")
Request = Callable[[], Coroutine[Any, Any, T]]
Authentication = Literal["SHA", "SHA-256", "SHA-512"]

Value = int | bytes

MOST_ROWS = 20_000
"""Rows of one column after which a walk gives up."""

_LONGEST_WALK = 60.0
"""Real seconds, beside what one answer may take."""

_AT_ONCE = 10
"""Rows that one answer may hold."""

_AUTHENTICATIONS = {"SHA": USM_AUTH_HMAC96_SHA, "SHA-256": USM_AUTH_HMAC192_SHA256, "SHA-512": USM_AUTH_HMAC384_SHA512}

_NOT_LET_IN = {"UnknownUserName", "UnsupportedSecurityLevel", "WrongDigest", "DecryptionError", "AuthenticationFailure"}
"""What the engine says where an agent reports that it takes neither user nor keys, RFC 3414 section 3.2."""


@dataclass(frozen=True)
class Community:
    """Access by SNMPv1 or v2c."""

    version: Literal["v1", "v2c"]
    word: Secret


@dataclass(frozen=True)
class User:
    """Access by SNMPv3, RFC 3414: authenticated, and private (AES, RFC 3826) where `privacy` is given; both are passphrases."""

    name: str
    authentication: Authentication
    key: Secret
    privacy: Secret | None


class SnmpSession:
    """Gets, sets and walks values of one agent; `timeout` in real seconds for each of 1 + `retries` tries. Safe between threads.

    A `Refusal` holds the error status by its name in the RFCs, or says which value was not there.
    """

    def __init__(self, address: str, port: int, access: Community | User, *, timeout: float, retries: int) -> None:
        self._target = (address, port)
        self._access = access
        self._timeout = timeout
        self._retries = retries
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._engine: SnmpEngine | None = None
        self._transport: UdpTransportTarget | None = None

    def get_integers(self, *oids: str) -> tuple[int, ...]:
        """The values of `oids`, in order; raises `NoAnswer`, `NotLetIn` or `Refusal`."""
        return self._run(lambda: self._get(oids))

    def set_integer(self, oid: str, value: int) -> None:
        """Set `oid` (SYNTAX INTEGER) to `value`; raises `NoAnswer`, `NotLetIn` or `Refusal`."""
        self._run(lambda: self._set(oid, value))

    def get(self, *oids: str) -> tuple[Value | None, ...]:
        """The integers and strings at `oids`, in order, None where there is none; raises `NoAnswer`, `NotLetIn` or `Refusal`."""
        return self._run(lambda: self._fetch(oids))

    def walk(self, column: str) -> Mapping[tuple[int, ...], Value]:
        """The integers and strings of a column by what follows its OID; raises as `get` does, `Refusal` where it has no end."""
        return self._run(lambda: self._walk(column), patience=_LONGEST_WALK)

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

    def _run(self, request: Request[T], *, patience: float = 10.0) -> T:
        """One request at a time. Whom SNMPv3 knew and hears no more may be another engine by now: it is asked as a stranger."""
        with self._asking:
            known = self._engine is not None
            try:
                return self._once(request(), patience)
            except NoAnswer:
                if isinstance(self._access, Community):
                    raise
                self._once(self._shut())
                if not known:
                    raise
                return self._once(request(), patience)

    def _once(self, request: Coroutine[Any, Any, T], patience: float = 10.0) -> T:
        bound = (1 + self._retries) * self._timeout + patience
        answer = asyncio.run_coroutine_threadsafe(request, self._running_loop())
        try:
            return answer.result(bound)
        except TimeoutError:
            answer.cancel()
            raise NoAnswer(f"not through after {bound:g} s") from None

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
        return _values(await get_cmd(engine, _credentials(self._access), transport, ContextData(), *objects, lookupMib=False))

    async def _fetch(self, oids: tuple[str, ...]) -> tuple[Value | None, ...]:
        engine, transport = await self._ready()
        objects = [ObjectType(ObjectIdentity(oid)) for oid in oids]
        answer = await get_cmd(engine, _credentials(self._access), transport, ContextData(), *objects, lookupMib=False)
        return tuple(_plain(value) for _, value in _bindings(answer))

    async def _walk(self, column: str) -> dict[tuple[int, ...], Value]:
        engine, transport = await self._ready()
        start = tuple(map(int, column.split(".")))
        credentials, where = _credentials(self._access), ObjectType(ObjectIdentity(column))
        options = {"lexicographicMode": False, "lookupMib": False, "maxRows": MOST_ROWS}
        bulk = not isinstance(self._access, Community) or self._access.version != "v1"
        rows = (
            bulk_walk_cmd(engine, credentials, transport, ContextData(), 0, _AT_ONCE, where, **options)
            if bulk
            else walk_cmd(engine, credentials, transport, ContextData(), where, **options)
        )
        found: dict[tuple[int, ...], Value] = {}
        async for answer in rows:
            for oid, value in _bindings(answer):
                index, plain = tuple(oid), _plain(value)
                if index[: len(start)] == start and plain is not None:
                    found[index[len(start) :]] = plain
        if len(found) >= MOST_ROWS:
            raise Refusal(f"{len(found)} rows of {column}, and no end")
        return found

    async def _set(self, oid: str, value: int) -> tuple[int, ...]:
        engine, transport = await self._ready()
        binding = (ObjectIdentifier(oid), Integer32(value))
        return _values(await set_cmd(engine, _credentials(self._access), transport, ContextData(), binding, lookupMib=False))

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


def _credentials(access: Community | User) -> CommunityData | UsmUserData:
    if isinstance(access, Community):
        return CommunityData(access.word.reveal(), mpModel=0 if access.version == "v1" else 1)
    keys: dict[str, Any] = {"authProtocol": _AUTHENTICATIONS[access.authentication], "authKey": access.key.reveal()}
    if access.privacy is not None:
        keys |= {"privProtocol": USM_PRIV_CFB128_AES, "privKey": access.privacy.reveal()}
    return UsmUserData(access.name, **keys)


def _bindings(answer: tuple[Any, Any, Any, Any]) -> Any:
    """The variable bindings of an answer that is none of an error."""
    indication, status, index, bindings = answer
    if type(indication).__name__ in _NOT_LET_IN:
        raise NotLetIn(str(indication))
    if indication:
        raise NoAnswer(str(indication))
    if int(status):
        raise Refusal(f"{status.prettyPrint()} at variable {int(index)}")
    return bindings


def _plain(value: Any) -> Value | None:
    """An integer or a string; None for noSuchObject and its kin, and for other types."""
    if isinstance(value, Integer32 | Gauge32):
        return int(value)
    return bytes(value) if isinstance(value, OctetString) else None


def _values(answer: tuple[Any, Any, Any, Any]) -> tuple[int, ...]:
    """Integers of an answer's variable bindings."""
    values = []
    for oid, value in _bindings(answer):
        if not isinstance(value, Integer32 | Gauge32):  # noSuchObject and its kin, or a type that the MIB does not have there
            raise Refusal(f"{type(value).__name__} for {oid}")
        values.append(int(value))
    return tuple(values)

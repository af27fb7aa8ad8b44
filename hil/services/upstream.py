"""The CA behind a recording proxy: each request over HTTP or verified HTTPS, on a connection of its own."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from hil.errors import LabFault, Misuse
from hil.scep.http import MAX_ANSWER
from hil.services.web import Call

_BY_THE_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
_WRITTEN_ANEW = frozenset({"content-type", "content-length"})


@dataclass(frozen=True)
class Upstream:
    """A SCEP server's URL, without a password in it.

    `trust` is a PEM file with the certificates that an https server's must chain to; None: those of
    the system. `connect` bounds the connection with its TLS handshake, `patience` the whole exchange,
    in real seconds.
    """

    url: str
    trust: Path | None = None
    connect: float = 10.0
    patience: float = 30.0

    def __post_init__(self) -> None:
        try:
            url = httpx.URL(self.url)
        except httpx.InvalidURL as error:
            raise _not_a_url(f"{self.url!r} is no URL ({error})") from error
        if url.scheme not in ("http", "https") or not url.host:
            raise _not_a_url(f"{self.url!r} is no URL of a SCEP server")
        if url.userinfo or url.fragment:
            raise _not_a_url("the URL of a SCEP server has no user, password or fragment")


@dataclass(frozen=True)
class Received:
    """The upstream's answer, its body as it came; `head_after` and `took` are real seconds from the request on."""

    status: int
    content_type: str
    body: bytes = field(repr=False)
    fields: tuple[tuple[str, str], ...]
    head_after: float
    took: float


class UpstreamFault(LabFault):
    """The upstream gave no answer that can be passed on; `status` is what a gateway says then (RFC 9110 section 15.6)."""

    def __init__(self, problem: str, *, tried: str, seen: str | None = None, status: int = 502) -> None:
        self.status = status
        super().__init__(problem, tried=tried, seen=seen)


class Carrier:
    """Carries requests to one upstream; TLS secrets are appended to `key_log`, for who reads a capture of that leg."""

    def __init__(self, upstream: Upstream, key_log: Path) -> None:
        self._upstream = upstream
        self._url = httpx.URL(upstream.url)
        try:
            self._tls = ssl.create_default_context(cafile=upstream.trust)
        except OSError as error:
            remedy = "name a PEM file of certificates"
            raise Misuse(f"cannot be read ({error})", file=upstream.trust, key="trust", remedy=remedy) from error
        if self._url.scheme == "https":
            os.close(os.open(key_log, os.O_WRONLY | os.O_CREAT, 0o600))
            self._tls.keylog_filename = str(key_log)

    async def carry(self, call: Call) -> Received:
        """The upstream's answer to the query and body of `call`; raises `UpstreamFault`.

        Redirects are not followed, and no proxy or other setting is taken from the environment.
        """
        tried = f"{call.method} {self._upstream.url}"
        # A connection for each request, as phones have it.
        limits = httpx.Limits(max_keepalive_connections=0)
        transport = httpx.AsyncHTTPTransport(verify=self._tls, trust_env=False, limits=limits)
        try:
            async with (
                asyncio.timeout(self._upstream.patience),
                httpx.AsyncClient(transport=transport, trust_env=False) as client,
            ):
                return await self._exchange(client, call)
        except (TimeoutError, httpx.TimeoutException) as error:
            seen = f"nothing whole within {self._upstream.patience:g} s" if type(error) is TimeoutError else type(error).__name__
            raise UpstreamFault("the CA is too slow", tried=tried, seen=seen, status=504) from error
        except (httpx.HTTPError, OSError, _Unusable) as error:
            raise UpstreamFault("the CA cannot be asked", tried=tried, seen=f"{type(error).__name__}: {error}") from error

    async def _exchange(self, client: httpx.AsyncClient, call: Call) -> Received:
        started = time.monotonic()
        response = await client.send(self._request(call), stream=True)
        if response.status_code < httpx.codes.OK:
            raise _Unusable(f"HTTP {response.status_code}")
        head_after = time.monotonic() - started
        body = bytearray()
        async for part in response.aiter_raw():
            body += part
            if len(body) > MAX_ANSWER:
                raise _Unusable(f"an answer of more than {MAX_ANSWER} octets")
        took = time.monotonic() - started
        content_type = response.headers.get("Content-Type", "application/octet-stream")  # RFC 9110 section 8.3
        return Received(response.status_code, content_type, bytes(body), _end_to_end(response.headers), head_after, took)

    def _request(self, call: Call) -> httpx.Request:
        _, asked, query = call.target.partition("?")
        base = self._url.raw_path.decode("ascii")
        target = base + ("&" if asked and "?" in base else asked) + query
        headers = [(b"Connection", b"close")]
        for name, value in (("User-Agent", call.user_agent), ("Content-Type", call.content_type)):
            headers += [(name.encode(), _octets(value))] if value is not None else []
        bounds = httpx.Timeout(self._upstream.patience, connect=self._upstream.connect).as_dict()
        # As a target of its own the query is not spelled anew.
        extensions = {"target": _octets(target), "timeout": bounds}
        return httpx.Request(call.method, self._url, headers=headers, content=call.body or None, extensions=extensions)


class _Unusable(Exception):
    pass


def _end_to_end(headers: httpx.Headers) -> tuple[tuple[str, str], ...]:
    """Header fields for the client, those of the connection left out (RFC 9110 section 7.6.1)."""
    named = {name.strip().lower() for name in headers.get("Connection", "").split(",")}
    dropped = _BY_THE_HOP | _WRITTEN_ANEW | named
    told = ((name.decode("ascii"), value.decode("utf-8", "replace")) for name, value in headers.raw)
    return tuple((name, value) for name, value in told if name.lower() not in dropped)


def _octets(text: str) -> bytes:
    """The octets that an HTTP library read as UTF-8, whatever they were."""
    return text.encode("utf-8", "surrogateescape")


def _not_a_url(problem: str) -> Misuse:
    return Misuse(problem, key="upstream", remedy="for example https://ca.example.com/scep/pkiclient.exe")

"""SCEP over HTTP from the client's side (RFC 8894 section 4.1)."""

from __future__ import annotations

import base64
import ssl
import time
from contextlib import closing
from types import TracebackType
from urllib.parse import quote

import httpx

from hil.asn1 import Malformed
from hil.errors import LabFault
from hil.scep.certificate import Certificate
from hil.scep.messages import read_capabilities, read_certificates

MAX_ANSWER = 4 * 1024 * 1024
USER_AGENT = "j100-hil"
TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For http URLs: to load what the system trusts takes longer than a whole enrolment."""


class ScepHttpError(LabFault):
    """The server answered with an HTTP error instead of a SCEP message: an outcome of its own."""

    def __init__(self, status: int, text: str, *, tried: str) -> None:
        self.status = status
        self.text = text
        super().__init__("the SCEP server answered with an HTTP error", tried=tried, seen=f"{status} {text}".strip())


class TransportFault(LabFault):
    """No answer, or one that broke off or was too large or too slow."""


class TlsFault(TransportFault):
    """No TLS connection, as a rule because the server's certificate is not trusted; nothing was asked."""


class Transport:
    """Requests to one SCEP URL, each on a connection of its own.

    `local_address` is the address to speak from. `timeout` bounds each answer as a whole, in real
    seconds. An https server is believed by what `tls` trusts, else by what the system does. No proxy
    is taken from the environment, no redirect followed. A user and password in the URL are told by
    Basic authentication.
    """

    def __init__(
        self,
        url: str,
        *,
        local_address: str | None = None,
        timeout: float = 30.0,
        user_agent: str = USER_AGENT,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.url = url
        self._timeout = timeout
        # A connection for each request, as phones have it, so that none is found dead after a power cycle.
        limits = httpx.Limits(max_keepalive_connections=0)
        plain = url.lower().startswith("http://")
        verify = tls or (TRUSTS_NOBODY if plain else ssl.create_default_context())
        self._http = httpx.HTTPTransport(verify=verify, local_address=local_address, limits=limits, trust_env=False)
        self._headers = {"User-Agent": user_agent, "Accept": "*/*", **_authorization(url)}
        self._cookies = httpx.Cookies()
        self._extensions = {"timeout": httpx.Timeout(timeout).as_dict()}

    def __enter__(self) -> Transport:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the sockets back."""
        self._http.close()

    def get_ca_caps(self, identifier: str) -> tuple[str, ...]:
        """The capabilities; none where the server answers with an error (section 3.5.2)."""
        try:
            return read_capabilities(self._get("GetCACaps", identifier))
        except ScepHttpError:
            return ()

    def get_ca_cert(self, identifier: str) -> tuple[Certificate, ...]:
        """RA, CA and chain certificates in the order sent; raises `Malformed` too."""
        return self._certificates("GetCACert", identifier)

    def get_ca_cert_chain(self, identifier: str) -> tuple[Certificate, ...]:
        """The same by the drafts' GetCACertChain; raises `Malformed` too."""
        return self._certificates("GetCACertChain", identifier)

    def get_next_ca_cert(self, identifier: str) -> bytes:
        """The answer to GetNextCACert, whose signature is for the caller to check (section 4.7)."""
        return self._get("GetNextCACert", identifier)

    def _certificates(self, operation: str, identifier: str) -> tuple[Certificate, ...]:
        certificates = read_certificates(self._get(operation, identifier))
        if not certificates:
            raise Malformed(f"a {operation} answer without a certificate")
        return certificates

    def pki_operation(self, message: bytes, *, post: bool) -> bytes:
        """The reply to a pkiMessage, by POST or as base64 in a GET."""
        if not post:
            return self._get("PKIOperation", base64.b64encode(message).decode("ascii"))
        url = self._with_query("operation=PKIOperation")
        return self._exchange("PKIOperation", "POST", url, message)

    def _get(self, operation: str, message: str) -> bytes:
        url = self._with_query(f"operation={operation}&message={quote(message, safe='')}")
        return self._exchange(operation, "GET", url, None)

    def _with_query(self, query: str) -> str:
        return f"{self.url}{'&' if '?' in self.url else '?'}{query}"

    def _exchange(self, operation: str, method: str, url: str, content: bytes | None) -> bytes:
        tried = f"{operation} by {method} at {self.url}"
        headers = self._headers if content is None else self._headers | {"Content-Type": "application/x-pki-message"}
        deadline = time.monotonic() + self._timeout
        body = bytearray()
        try:
            # The transport of httpx without its client, whose further comforts take as long as the request.
            request = httpx.Request(
                method, url, content=content, headers=headers, cookies=self._cookies, extensions=self._extensions
            )
            with closing(self._http.handle_request(request)) as response:
                response.request = request
                if "Set-Cookie" in response.headers:
                    self._cookies.extract_cookies(response)
                for chunk in response.iter_raw():
                    body += chunk
                    if len(body) > MAX_ANSWER:
                        raise TransportFault(f"an answer of more than {MAX_ANSWER} octets", tried=tried)
                    if time.monotonic() > deadline:
                        raise TransportFault(f"the answer took longer than {self._timeout} s", tried=tried)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            fault = TlsFault if _is_tls(error) else TransportFault
            raise fault("no answer from the SCEP server", tried=tried, seen=f"{type(error).__name__}: {error}") from error
        if response.status_code != httpx.codes.OK:
            text = bytes(body[:200]).decode("utf-8", "replace").strip()
            raise ScepHttpError(response.status_code, text, tried=tried)
        return bytes(body)


def _authorization(url: str) -> dict[str, str]:
    """The header field that tells user and password, where the URL has them (RFC 7617)."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        return {}  # told once something is asked of it
    if not (parts.username or parts.password):
        return {}
    told = base64.b64encode(f"{parts.username}:{parts.password}".encode())
    return {"Authorization": f"Basic {told.decode('ascii')}"}


def _is_tls(error: BaseException | None) -> bool:
    """Whether an error came of TLS, by what it came of."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error is not None

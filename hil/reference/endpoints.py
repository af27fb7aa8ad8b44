"""Which services over TLS the settings tell a phone of, and what it says there: decided from facts, without I/O.

Sources: Avaya's settings template of July 2022; for LDAP the R4.1.x guide, LDAP Directory configuration. What is said is
no more than keeps each service's server content (RFC 3261, RFC 4511, RFC 5425, RFC 9110).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from hil.settings.interpret import Interpretation
from hil.settings.usage import PUBLIC_HOSTS

KEPT: Final = ("SIP", "LDAP", "SYSLOG")
"""Services whose protocol keeps its connection; the web's are done with an answer."""

_HTTPS_PORT: Final = 443
_LDAP_BIND: Final = bytes.fromhex("300c020101600702010304008000")
"""Simple and anonymous, to be asked again at any time (RFC 4511 section 4.2)."""


@dataclass(frozen=True)
class Endpoint:
    """A service on an address: `speech` gives what is said for the n-th time, from 0 on, `answers` whether that is answered."""

    service: str
    host: str
    port: int
    speech: Callable[[int], bytes]
    answers: bool = True

    @property
    def kept(self) -> bool:
        """Whether the connection is for more than one exchange."""
        return self.service in KEPT


def endpoints(told: Interpretation) -> tuple[Endpoint, ...]:
    """Every service that the settings tell of; PPM, which has no address of its own, is at the SIP server's host."""
    return tuple(_endpoints(told))


def _endpoints(told: Interpretation) -> Iterator[Endpoint]:
    sip = re.match(r"(?P<host>[^,:;]+)(:(?P<port>\d+))?(;transport=tls)?(,|$)", told.value("SIP_CONTROLLER_LIST"))
    if sip is not None:
        user, host = told.value("FORCE_SIP_EXTENSION"), sip["host"]
        yield Endpoint("SIP", host, int(sip["port"] or 5061), lambda n: _register(user, host, n))
        if told.value("ENABLE_3PCC_ENVIRONMENT") == "0" and told.value("CONFIG_SERVER_SECURE_MODE") != "0":
            yield _web("PPM", f"https://{host}/axis/services/PPM")
    if host := told.value("TLSSRVR"):
        yield _web("PROVISIONING", f"https://{host}:{told.value('TLSPORT')}/{told.value('TLSDIR').strip('/')}/46xxsettings.txt")
    if (host := told.value("DIRSRVR")) and told.value("DIRSECURE") == "2":
        yield Endpoint("LDAP", host, int(told.value("DIRSRVRPRT")), lambda _: _LDAP_BIND)
    if (host := told.value("LOGSRVR")) and told.value("LOGSRVR_SECURE") == "1":
        name, _, port = host.partition(":")
        yield Endpoint("SYSLOG", name, int(port or 6514), _syslog, answers=False)
    if told.value("TPSLIST") and (url := told.value("SUBSCRIBELIST")):
        yield _web("PUSH", url)
    if (url := told.value("XSI_URL")) and told.value("3PCC_SERVER_MODE") == "1":
        yield _web("XSI", url)
    if told.value("ENABLE_3PCC_ENVIRONMENT") == "1" and told.value("3PCC_SERVER_MODE") == "5":
        yield _web("RINGCENTRAL", f"https://{PUBLIC_HOSTS['RINGCENTRAL']}/")


def _web(service: str, url: str) -> Endpoint:
    parts = urlsplit(url)
    path = re.sub("/+", "/", parts.path or "/")
    said = f"GET {path} HTTP/1.1\r\nHost: {parts.hostname}\r\nConnection: close\r\n\r\n".encode()
    return Endpoint(service, parts.hostname or "", parts.port or _HTTPS_PORT, lambda _: said)


def _register(user: str, host: str, number: int) -> bytes:
    """A registration for two hours, refreshed by those that follow (RFC 3261 section 10.2)."""
    lines = (
        f"REGISTER sip:{host} SIP/2.0",
        f"Via: SIP/2.0/TLS {host};branch=z9hG4bK{number}",
        f"From: <sip:{user}@{host}>;tag=reference",
        f"To: <sip:{user}@{host}>",
        f"Call-ID: reference@{host}",
        f"CSeq: {number + 1} REGISTER",
        f"Contact: <sip:{user}@{host};transport=tls>",
        "Max-Forwards: 70",
        "Expires: 7200",
        "Content-Length: 0",
    )
    return "\r\n".join((*lines, "", "")).encode()


def _syslog(number: int) -> bytes:
    """A message of facility `user`, severity `debug`, after its length."""
    message = f"<15>1 - - reference - - - alive {number}".encode()
    return b"%d %s" % (len(message), message)

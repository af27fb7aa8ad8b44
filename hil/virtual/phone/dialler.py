"""TLS connections to the phone's services, each with the certificate that the usages assign to it.

Source: settings template of July 2022 (TRUSTCERTS, TLSSRVRID); facts that it does not fix, such as
the versions of TLS beyond 1.2, are habits. The certificates' dates are held against the phone's own
time, not that of the machine it runs on.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Mapping

from hil.virtual.phone import names, usage
from hil.virtual.phone.clock import Clock
from hil.virtual.phone.errors import NoAnswer, Refused
from hil.virtual.phone.flash import Flash, Stored
from hil.virtual.phone.habits import Habits
from hil.virtual.phone.parameters import Settings
from hil.virtual.phone.services import SCEP, Service

PATIENCE = 10.0  # real seconds for a connection, a handshake and each answer
_NO_CHECK_TIME = 0x200000  # of OpenSSL's x509_vfy.h, without a name in Python
_KEEP_ALIVE = {socket.TCP_KEEPIDLE: 60, socket.TCP_KEEPINTVL: 20, socket.TCP_KEEPCNT: 3}


class Dialler:
    """Opens connections. `trusted` holds the certificates of TRUSTCERTS as PEM, "" where there are none."""

    def __init__(self, settings: Settings, habits: Habits, flash: Flash, clock: Clock, trusted: str) -> None:
        self._settings = settings
        self._habits = habits
        self._flash = flash
        self._clock = clock
        self._trusted = trusted
        self._remembered: dict[str, Stored | None] = {}

    def connect(self, service: Service) -> ssl.SSLSocket:
        """A connection to `service`. Raises Refused where the server is not to be trusted, NoAnswer where there is none."""
        unverified = {"PROVISIONING"} if self._habits.scep_needs_trust else {"PROVISIONING", SCEP}
        if not self._trusted and service.name not in unverified:
            raise Refused("no trusted certificates")
        try:
            context = self._context(self.presented(service.name))
            address = names.address_of(service.host, self._settings["DNSSRVR"])
            with _connected(address, service.port) as raw:
                connection = context.wrap_socket(raw, server_hostname=service.host)
        except (OSError, ValueError) as problem:
            raise NoAnswer(f"{service.host}:{service.port}: {problem}") from problem
        if self._trusted and not self._in_its_dates(connection):
            connection.close()
            raise Refused(f"{service.host}:{service.port}: the server's certificate is not valid now")
        return connection

    def presented(self, service: str) -> Stored | None:
        """The certificate that `service` gets, None where no profile's is assigned to it."""
        if service in self._habits.unaware_of_renewal and service in self._remembered:
            return self._remembered[service]
        held: Mapping[int, Stored] = self._flash.certificates()
        slot = usage.assignment(self._settings, self._habits, held).get(service)
        self._remembered[service] = held[slot] if slot else None
        return self._remembered[service]

    def _context(self, presented: Stored | None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.maximum_version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[self._habits.newest_tls]
        context.verify_flags = ssl.VerifyFlags(context.verify_flags | _NO_CHECK_TIME)
        if self._trusted:
            context.check_hostname = self._settings["TLSSRVRID"] == "1"
            context.load_verify_locations(cadata=self._trusted)
        else:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if presented:
            # OpenSSL reads certificates from files alone; this one is in no folder and ends with its descriptor.
            memory = os.memfd_create("identity")
            try:
                os.write(memory, (presented.key + presented.certificate).encode("ascii"))
                context.load_cert_chain(f"/proc/self/fd/{memory}")
            finally:
                os.close(memory)
        return context

    def _in_its_dates(self, connection: ssl.SSLSocket) -> bool:
        shown = connection.getpeercert() or {}
        first, last = (ssl.cert_time_to_seconds(str(shown[name])) for name in ("notBefore", "notAfter"))
        return first <= self._clock.now() <= last


def _connected(address: str, port: int) -> socket.socket:
    connection = socket.create_connection((address, port), timeout=PATIENCE)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEP_ALIVE.items():
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
    return connection

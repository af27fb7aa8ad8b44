"""Asking an SNTP server for the time (RFC 4330, client mode)."""

from __future__ import annotations

import secrets
import socket
import struct
import time

from hil.virtual.phone.errors import NoAnswer, Refused

_SINCE_1900 = 2208988800
_TRIES = 3
_WAIT = 1.0  # real seconds


def request(cookie: bytes) -> bytes:
    """A request whose 8-byte transmit timestamp is `cookie`."""
    return b"\x23" + bytes(39) + cookie


def read_reply(datagram: bytes, cookie: bytes) -> float:
    """Unix seconds at which the server sent its reply. Refused where it is no answer to `cookie`."""
    if len(datagram) < 48 or datagram[0] & 7 != 4 or datagram[24:32] != cookie:
        raise Refused("not the answer to this SNTP request")
    if datagram[0] >> 6 == 3 or not 1 <= datagram[1] <= 15:
        raise Refused("the SNTP server does not know the time")
    seconds, fraction = struct.unpack_from("!II", datagram, 40)
    # RFC 4330 section 3: with the top bit clear the era that began in 2036 is meant.
    era = 0 if seconds & 0x80000000 else 1 << 32
    return float(seconds + era - _SINCE_1900 + fraction / (1 << 32))


def ask(server: str) -> float:
    """Unix seconds by `server`, an IPv4 address. NoAnswer when all tries are spent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
        try:
            port.connect((socket.inet_ntoa(socket.inet_aton(server)), 123))
        except OSError as problem:
            raise NoAnswer(f"SNTP server {server}: {problem}") from problem
        for _ in range(_TRIES):
            cookie = secrets.token_bytes(8)
            deadline = time.monotonic() + _WAIT
            try:
                port.send(request(cookie))
                while (left := deadline - time.monotonic()) > 0:
                    port.settimeout(left)
                    try:
                        return read_reply(port.recv(512), cookie)
                    except Refused:
                        continue
            except (TimeoutError, ConnectionRefusedError):
                continue
    raise NoAnswer(f"SNTP server {server} gave no time")

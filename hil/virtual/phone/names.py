"""The addresses of host names, asked of a DNS server (RFC 1035)."""

from __future__ import annotations

import secrets
import socket
import struct
import time

from hil.virtual.phone.errors import NoAnswer

PORT = 53
_TRIES = 3
_WAIT = 1.0  # real seconds
_A, _IN = 1, 1


def address_of(host: str, servers: str) -> str:
    """`host` where it is an address, else its IPv4 address by the first of `servers` (comma separated) that knows one."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return host
    for server in filter(None, map(str.strip, servers.split(","))):
        if found := _ask(host, server):
            return found
    raise NoAnswer(f"no DNS server knows {host}")


def question(host: str, identity: int) -> bytes:
    """A recursive question for the address of `host`."""
    labels = host.rstrip(".").encode("idna").split(b".")
    name = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return struct.pack("!HHHHHH", identity, 0x0100, 1, 0, 0, 0) + name + struct.pack("!HH", _A, _IN)


def read_answer(datagram: bytes, asked: bytes) -> str | None:
    """The first address in the answer to the question `asked`; None where it is no answer or has none."""
    try:
        identity, flags, questions, answers = struct.unpack_from("!HHHH", datagram)
        if identity != int.from_bytes(asked[:2], "big") or not flags & 0x8000 or flags & 0xF or questions != 1:
            return None
        at = _after_name(datagram, 12) + 4
        for _ in range(answers):
            at = _after_name(datagram, at)
            kind, family, _, length = struct.unpack_from("!HHIH", datagram, at)
            at += 10 + length
            if (kind, family, length) == (_A, _IN, 4) and at <= len(datagram):
                return socket.inet_ntoa(datagram[at - 4 : at])
    except (struct.error, IndexError):
        return None
    return None


def _after_name(datagram: bytes, at: int) -> int:
    while (length := datagram[at]) and length < 0xC0:
        at += 1 + length
    return at + (2 if length else 1)


def _ask(host: str, server: str) -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
        try:
            port.connect((socket.inet_ntoa(socket.inet_aton(server)), PORT))
            for _ in range(_TRIES):
                asked = question(host, secrets.randbits(16))
                port.send(asked)
                deadline = time.monotonic() + _WAIT
                while (left := deadline - time.monotonic()) > 0:
                    port.settimeout(left)
                    try:
                        datagram = port.recv(4096)
                    except TimeoutError:
                        break
                    if datagram[:2] == asked[:2]:
                        return read_answer(datagram, asked)
        except OSError as problem:
            raise NoAnswer(f"DNS server {server}: {problem}") from problem
    return None

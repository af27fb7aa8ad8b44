"""The phone's Ethernet port, by the kernel's interface ioctls (Linux, 64 bit)."""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
import time

from hil.virtual.phone.errors import NoAnswer

_SIOCADDRT = 0x890B
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_SIOCSIFADDR = 0x8916
_SIOCSIFNETMASK = 0x891C
_IFF_UP = 0x1
_IFF_RUNNING = 0x40
_RTF_UP = 0x1
_RTF_GATEWAY = 0x2
_POLL = 0.01  # real seconds


def bring_up(name: str) -> None:
    """Switches an interface on. Raises OSError where there is none of that name."""
    with _control() as control:
        flags = _flags(control, name)
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", name.encode(), flags | _IFF_UP))


def wait_for_link(name: str, within: float) -> None:
    """Returns once the interface exists, is up and has a carrier; NoAnswer after `within` real seconds."""
    deadline = time.monotonic() + within
    with _control() as control:
        while time.monotonic() < deadline:
            try:
                flags = _flags(control, name)
            except OSError as problem:
                if problem.errno != errno.ENODEV:
                    raise
            else:
                if not flags & _IFF_UP:
                    bring_up(name)
                elif flags & _IFF_RUNNING:
                    return
            time.sleep(_POLL)
    raise NoAnswer(f"no link on {name}")


def clear(name: str) -> None:
    """Takes the interface's address, and with it its routes, away."""
    with _control() as control:
        fcntl.ioctl(control, _SIOCSIFADDR, _request(name, "0.0.0.0"))


def configure(name: str, address: str, netmask: str, router: str | None) -> None:
    """Gives the interface its address, and the host its default route."""
    with _control() as control:
        fcntl.ioctl(control, _SIOCSIFADDR, _request(name, address))
        fcntl.ioctl(control, _SIOCSIFNETMASK, _request(name, netmask))
        if router:
            anywhere = _address("0.0.0.0")
            route = struct.pack(
                "@L16s16s16sHhLPhPLLH",
                *(0, anywhere, _address(router), anywhere, _RTF_UP | _RTF_GATEWAY, 0, 0, 0, 0, 0, 0, 0, 0),
            )
            fcntl.ioctl(control, _SIOCADDRT, route)


def _control() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def _flags(control: socket.socket, name: str) -> int:
    answer = fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack("16s16x", name.encode()))
    flags: int = struct.unpack_from("H", answer, 16)[0]
    return flags


def _address(text: str) -> bytes:
    return struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(text))


def _request(name: str, address: str) -> bytes:
    return struct.pack("16s16s", name.encode(), _address(address))

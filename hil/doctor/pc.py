"""What a run needs of the PC itself: a testbed that can be opened, disk, clock, programs, its CA, ports to serve at."""

from __future__ import annotations

import ctypes
import os
import re
import secrets
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hil.bench.inventory import Service, needed_secrets, refuse_unfit, services
from hil.bench.state import make_private
from hil.campaign.cast import check_ca
from hil.campaign.root import RESTORE, soon_over, standing_authority
from hil.doctor.examining import Ill, Untold
from hil.doctor.visit import Visit

ROOM = 2**30
"""Octets that a night's captures and its report may take."""
_PIECE = 2**22
"""Octets that are really written: what is free need not be ours to fill."""

OFF_BY = timedelta(seconds=60)
"""By how much this PC's clock may differ from a server's: certificates are made and judged by it to the minute."""
_MOST_FILES = 10_000
_EVERYBODY = ""
_NTP_PORT, _NTP_PATIENCE, _NTP_TRIES = 123, 2.0, 3
_NTP_EPOCH = datetime(1900, 1, 1, tzinfo=UTC)
_TIME_ERROR = 5  # adjtimex(2): the kernel's clock is not synchronised

OLDEST_TSHARK = (3, 0)
"""Called SSL what a report's commands call TLS before that."""


def testbed(visit: Visit) -> str:
    """That the testbed can be read, and that every secret is where it says."""
    described = visit.read()
    missing = {each.missing.problem: each.missing for each in reversed(needed_secrets(described)) if each.missing is not None}
    if missing:
        told = list(reversed(missing.values()))  # each once, where it is named first
        raise Ill("; ".join(each.placed for each in told), "; ".join(filter(None, (each.remedy for each in told))))
    check_ca(described)
    refuse_unfit(described)
    return f"{described.name}, a {described.kind} bench with {len(described.phones)} phones"


def opened(visit: Visit) -> str:
    """That nobody else has the bench, and that this PC has its interface and address."""
    visit.open()
    network = visit.testbed.network
    return f"ours for now; {network.address} on {network.interface}"


def disk(visit: Visit) -> str:
    """That what a run writes can be written: its state, and its report in the folder where we are."""
    seen = []
    for folder in (make_private(visit.bench.state), Path.cwd()):
        _write(folder)
        free = shutil.disk_usage(folder).free
        if free < ROOM:
            raise Ill(f"{free / 2**20:.0f} MiB free in {folder}, a night may take {ROOM / 2**20:.0f}")
        seen.append(f"{free / 2**30:.0f} GiB free in {folder}")
    return ", ".join(seen)


def _write(folder: Path) -> None:
    """A piece to the disk and away again."""
    file = folder / f".hil-doctor-{secrets.token_hex(4)}"
    try:
        with file.open("wb") as stream:
            stream.write(bytes(_PIECE))
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise Ill(f"{_PIECE / 2**20:.0f} MiB cannot be written into {folder}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            file.unlink()


def clock(visit: Visit) -> str:
    """That the PC's clock is right, as far as that shows; phones, certificates and evidence take their time from it."""
    now = visit.clock.now()
    if visit.time_server is not None:
        ahead = _told_by(visit.time_server) - now
        if abs(ahead) > OFF_BY:
            raise Ill(f"{visit.time_server} says {now + ahead:%Y-%m-%d %H:%M:%S}, this PC {now:%Y-%m-%d %H:%M:%S}")
        return f"within {abs(ahead).total_seconds():.1f} s of {visit.time_server}"
    if _synchronised():
        return "kept by a time server, by the kernel's word"
    latest, file = max(_written(visit.bench.state), default=(now, None))
    if latest - now > OFF_BY:
        raise Ill(f"it is {now:%Y-%m-%d %H:%M} by this PC, and {file} was written {latest:%Y-%m-%d %H:%M}: it was set back")
    raise Untold("the kernel says that nobody keeps this PC's clock; compare it with --time-server HOST")


def _written(state: Path) -> Iterator[tuple[datetime, Path]]:
    """When files of former runs were written, which was before now."""
    for _, file in zip(range(_MOST_FILES), state.glob("*"), strict=False):
        yield datetime.fromtimestamp(file.stat().st_mtime, UTC), file


def _synchronised() -> bool:
    """What adjtimex(2) says; a structure that sets nothing, larger than any of Linux'."""
    return ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512)) not in (-1, _TIME_ERROR)


def _told_by(server: str) -> datetime:
    """The time by an SNTP server (RFC 4330), half of the way there and back taken for the way back."""
    host, _, port = server.partition(":")
    request = bytes((0x23,)) + bytes(47)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
            link.settimeout(_NTP_PATIENCE)
            link.connect((host, int(port or _NTP_PORT)))
            for _ in range(_NTP_TRIES):
                link.send(request)
                sent = time.monotonic()
                with suppress(TimeoutError):
                    answer = link.recv(512)
                    break
            else:
                raise Ill(f"{server} does not tell the time", "name another time server")
    except (OSError, ValueError) as error:
        raise Ill(f"{server} cannot be asked the time: {error}", "name another time server") from error
    if len(answer) < 48:
        raise Ill(f"{server} answers with what is no time", "name another time server")
    seconds = struct.unpack("!Q", answer[40:48])[0] / 2**32
    return _NTP_EPOCH + timedelta(seconds=seconds + (time.monotonic() - sent) / 2)


def tshark(_: Visit) -> str:
    """That the program by which a report's proofs are looked at is there and knows what they ask of it."""
    path = shutil.which("tshark")
    if path is None:
        raise Ill("there is no tshark in PATH")
    said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=False).stdout
    found = re.search(r"(\d+)\.(\d+)\.\d+", said)
    if found is None:
        raise Ill(f"{path} does not say which version it is")
    if (int(found[1]), int(found[2])) < OLDEST_TSHARK:
        raise Ill(f"{path} is {found[0]}; {'.'.join(map(str, OLDEST_TSHARK))} is the oldest that will do")
    return found[0]


def ca(visit: Visit) -> str:
    """That the bench's root is there, whole, ours alone and not over; phones trust it from run to run."""
    folder = visit.bench.state / "ca"
    if not folder.exists():
        if (visit.bench.state / "agents").exists():  # phones were served here before
            remedy = f"{RESTORE}; if it is lost for good, the next run makes a new one"
            raise Ill(f"phones were played here, and the CA that they may trust is gone ({folder})", remedy)
        return "none yet; the first run makes it"
    authority = standing_authority(folder, visit.clock)
    end = authority.certificate.not_after
    if visit.clock.now() < authority.certificate.not_before:
        raise Ill(f"it begins on {authority.certificate.not_before:%Y-%m-%d}, which is still to come", "set this PC's clock")
    return soon_over(authority, visit.clock.now()) or f"the bench's root, until {end:%Y-%m-%d}"


def ports(visit: Visit) -> str:
    """That every server of a run can listen at its port; those that listen there are named."""
    found = services(visit.testbed)
    taken = [problem for service in found for problem in _taken(visit, service)]
    if taken:
        raise Ill("; ".join(dict.fromkeys(taken)))
    return f"{len(found)} free"


def _taken(visit: Visit, service: Service) -> Iterator[str]:
    network, tcp = visit.testbed.network, service.transport == "TCP"
    for host in _hosts(visit, service):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as probe:
            try:
                if host == _EVERYBODY:  # another interface may have a server of its own
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, network.interface.encode() + b"\0")
                if tcp:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, service.port))
                if tcp:
                    probe.listen()
            except PermissionError:
                yield f"{service.transport} {service.port} ({service.name}) is not for this user: run as root"
            except OSError as error:
                who = _holder(service) or error.strerror or str(error)
                yield f"{service.transport} {service.port} ({service.name}) is not free: {who}"


def _hosts(visit: Visit, service: Service) -> list[str]:
    """The addresses that a server listens at."""
    own = str(visit.testbed.network.address)
    match service.name:
        case "DHCP":
            return [_EVERYBODY]
        case "DNS" | "RADIUS":
            return [own]
    return [own, *(str(phone.reference) for phone in visit.testbed.phones)]


def _holder(service: Service) -> str | None:
    """The process that listens at a port, as `ss` knows it; None where it may not tell."""
    path = shutil.which("ss", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        return None
    command = [path, "-Hlnp", "--tcp" if service.transport == "TCP" else "--udp", f"sport = :{service.port}"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout
    found = re.search(r'users:\(\("([^"]+)",pid=(\d+)', said)
    return f"{found[1]} has it (pid {found[2]})" if found else None

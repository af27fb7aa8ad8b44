"""The book of leases: a file that says who has which phone, one for all benches whose states stand side by side.

Whoever changes the book locks it, reads it, and replaces it as a whole. A holder lives as long as its ticket,
a file of its own, is locked: the kernel takes that lock away when the holder dies, however it dies. A heartbeat
is an instant of the kernel's monotonic clock, which nobody can set; a machine that cannot compare it with its own
clock, the holder being on another, measures how long the same heartbeat has stood there.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from hil.bench.state import locked, make_private, replace_whole, try_lock, user
from hil.bench.strict import Strict
from hil.errors import LabFault

EXPIRY = 60.0
"""Real seconds without a heartbeat after which a lease can be had by others."""

EVERYTHING = "*"
"""Stands for all that a holder had, where that is not known."""

UNWRITTEN = "what a process has that is not in the book"
"""The same in words."""

_LAST_BREATH, _LOOK = 1.0, 0.01
"""Real seconds that are left to what has a dead holder's lock, and between two looks at it: a command that it was just about to
start has the lock as well, until it runs."""

_LARGEST = 4 << 20
_TICKET = r"^[0-9a-f]{24}$"


class Holding(Strict):
    """What is held: a phone of a bench, or without a phone the bench's own servers and capture."""

    bench: str
    phone: str | None = None

    def __str__(self) -> str:
        return self.bench if self.phone is None else f"{self.bench}/{self.phone}"


class Doubt(Strict):
    """Since when the machine that booted as `boot` has seen the same heartbeat."""

    boot: str
    since: float
    beat: float


class Holder(Strict):
    """A process that holds phones; `lost` says what was taken from it, and how; `boot` and `beat` are its last heartbeat."""

    ticket: Annotated[str, Field(pattern=_TICKET)]
    user: str
    host: str
    pid: int
    purpose: str
    since: str
    boot: str
    beat: float
    holds: dict[str, Holding] = {}
    lost: dict[str, str] = {}
    doubt: Doubt | None = None
    nameless: bool = False

    def __str__(self) -> str:
        if self.nameless:
            return "a process that lives and is not in the book, since that was damaged; it writes itself down again soon"
        return f"{self.user}@{self.host}, pid {self.pid}, since {self.since}, for {self.purpose}"

    def without(self, key: str, reason: str) -> Holder:
        """This holder, robbed of what `key` stands for."""
        left = {name: held for name, held in self.holds.items() if name != key}
        return self.model_copy(update={"holds": left, "lost": {**self.lost, key: reason}})


class _Page(Strict):
    holders: tuple[Holder, ...]


@dataclass(frozen=True)
class Machine:
    """Where this process runs, and its clock of seconds since that machine booted."""

    host: str
    boot: str
    now: Callable[[], float] = time.monotonic

    @classmethod
    def this(cls) -> Machine:
        """The machine that this process runs on."""
        return cls(socket.gethostname(), Path("/proc/sys/kernel/random/boot_id").read_text().strip())


class Ticket:
    """A file that is locked as long as this process lives and keeps it."""

    def __init__(self, folder: Path) -> None:
        self.name = os.urandom(12).hex()
        self._file = folder / self.name
        self._descriptor: int | None = None

    def keep(self) -> None:
        """Make and lock the file, if that is not so already."""
        if self._descriptor is not None and os.fstat(self._descriptor).st_nlink:
            return
        self.drop()
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not try_lock(descriptor):
            os.close(descriptor)
            raise LabFault("a ticket of ours is locked by another process", tried=f"lock {self._file}", seen="locked")
        self._descriptor = descriptor

    @property
    def is_kept(self) -> bool:
        """Whether the lock is ours."""
        return self._descriptor is not None

    def drop(self) -> None:
        """Let go of the lock and remove the file."""
        if self._descriptor is not None:
            self._file.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None


class Book:
    """The leases in `folder`, as seen from `machine`."""

    def __init__(self, folder: Path, machine: Machine | None = None) -> None:
        self.machine = machine or Machine.this()
        self._folder = folder
        self.file = folder / "leases.json"
        self.tickets = folder / "tickets"

    def holders(self) -> tuple[Holder, ...]:
        """Those that live, or may, nameless where the book was damaged or lost; it is not changed."""
        written = self._read() or {}
        found = {ticket: holder for ticket, holder in written.items() if self._may_live(holder)}
        return (*found.values(), *(self._nameless(file) for file in self._unwritten(written) if _is_locked(file)))

    @property
    def is_damaged(self) -> bool:
        """Whether what is written is no book; the next who changes it makes a new one."""
        return self._read() is None

    @contextmanager
    def changing(self) -> Iterator[dict[str, Holder]]:
        """The holders that live by their ticket, to be changed; they are written down even where the body raises.

        `LabFault` where the book cannot be had or written. One that cannot be read is moved away, and whoever lives and
        is not in it stands there nameless.
        """
        make_private(self.tickets)
        try:
            with locked(self._folder / "leases.lock"):
                found = self._read()
                if found is None:
                    self.file.replace(self.file.with_suffix(".damaged"))
                holders = {ticket: holder for ticket, holder in (found or {}).items() if self._may_live(holder)}
                self._sweep(holders)
                try:
                    yield holders
                finally:
                    if holders != found:
                        replace_whole(self.file, _Page(holders=tuple(holders.values())).model_dump_json(indent=1))
        except OSError as error:
            raise LabFault("the book of leases cannot be kept", tried=f"change {self.file}", seen=str(error)) from error

    def silence(self, holder: Holder) -> float | None:
        """Real seconds since the holder's last heartbeat; None where this machine cannot tell."""
        age = self.machine.now() - holder.beat
        return age if holder.boot == self.machine.boot and age >= 0 else None

    def has_lapsed(self, holder: Holder) -> bool:
        """Whether the holder, though it may live, was silent for so long that others may take what it holds."""
        age = self.silence(holder)
        if age is None and holder.doubt and (holder.doubt.boot, holder.doubt.beat) == (self.machine.boot, holder.beat):
            age = self.machine.now() - holder.doubt.since
        return age is not None and age > EXPIRY

    def doubted(self, holder: Holder) -> Holder:
        """The holder, with this machine's doubt if it cannot tell the age of the heartbeat and has not doubted it yet."""
        doubt, known = holder.doubt, self.silence(holder) is not None
        if known or (doubt and (doubt.boot, doubt.beat) == (self.machine.boot, holder.beat)):
            return holder
        fresh = Doubt(boot=self.machine.boot, since=self.machine.now(), beat=holder.beat)
        return holder.model_copy(update={"doubt": fresh})

    def newcomer(self, ticket: str, purpose: str, *, nameless: bool = False) -> Holder:
        """This process as a holder of nothing yet, or a process of which nothing but its ticket is known."""
        return Holder(
            ticket=ticket,
            user=user(),
            host=self.machine.host,
            pid=os.getpid(),
            purpose=purpose,
            since=datetime.now(UTC).isoformat(timespec="seconds"),
            boot=self.machine.boot,
            beat=self.machine.now(),
            nameless=nameless,
        )

    def note(self, line: str) -> None:
        """Add a line to the record of what was released by hand; within `changing`."""
        with (self._folder / "released.jsonl").open("a", encoding="utf-8") as log:
            log.write(line + "\n")

    def _sweep(self, holders: dict[str, Holder]) -> None:
        """Remove the tickets of the dead, and add whoever lives and is not in the book."""
        for file in self._unwritten(holders):
            if _is_locked(file):
                holders[file.name] = self._nameless(file)
            else:
                file.unlink(missing_ok=True)

    def _unwritten(self, holders: Container[str]) -> Iterator[Path]:
        """The tickets that are not of these holders."""
        if os.access(self.tickets, os.R_OK | os.X_OK):
            for file in self.tickets.iterdir():
                if file.name not in holders and re.match(_TICKET, file.name) and file.is_file():
                    yield file

    def _nameless(self, ticket: Path) -> Holder:
        return self.newcomer(ticket.name, "an unknown purpose", nameless=True)

    def _may_live(self, holder: Holder) -> bool:
        """Whether the holder is not known to be dead: on another machine its lock may not show here."""
        if self.machine.boot != holder.boot and self.machine.host != holder.host:
            return True
        deadline = time.monotonic() + _LAST_BREATH
        while _is_locked(self.tickets / holder.ticket):
            if process_exists(holder.pid) or time.monotonic() > deadline:
                return True
            time.sleep(_LOOK)
        return False

    def _read(self) -> dict[str, Holder] | None:
        """The holders by ticket; None where what is written is no book."""
        try:
            with self.file.open("rb") as stream:
                content = stream.read(_LARGEST + 1)
            if len(content) > _LARGEST:
                return None
            return {holder.ticket: holder for holder in _Page.model_validate_json(content).holders}
        except FileNotFoundError:
            return {}
        except ValidationError:
            return None
        except OSError as error:
            raise LabFault("the book of leases cannot be read", tried=f"read {self.file}", seen=str(error)) from error


def process_exists(pid: int) -> bool:
    """Whether a process of this PC lives, whosever it is and whatever /proc shows of it."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _is_locked(file: Path) -> bool:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # it cannot be told: the holder's silence will tell
    try:
        return not try_lock(descriptor, shared=True)
    finally:
        os.close(descriptor)

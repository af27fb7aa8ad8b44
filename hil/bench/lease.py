"""The lease of phones: one user of a phone at a time, over processes, and who that is.

A process takes all that it needs at once, or nothing. It says that it still lives by a heartbeat, and asks before each
power action whether the phone is still its own: somebody may have released it by hand, or taken it after a long
silence. What the dead held is free at once.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from hil.bench.lease_book import EVERYTHING, EXPIRY, UNWRITTEN, Book, Holder, Holding, Machine, Ticket
from hil.bench.power import PowerNotOurs
from hil.bench.state import user
from hil.errors import LabFault, Misuse

HEARTBEAT = 15.0
"""Real seconds between two heartbeats."""

_JOIN = 15.0


class InUse(LabFault):
    """Somebody else has what was asked for; nothing was taken."""


class Lease:
    """What this process holds in the book of `folder`; safe between threads."""

    def __init__(self, folder: Path, purpose: str, *, machine: Machine | None = None, heartbeat: float = HEARTBEAT) -> None:
        self._book = Book(folder, machine)
        self._purpose = purpose
        self._ticket = Ticket(self._book.tickets)
        self._held: dict[str, Holding] = {}
        self._interval = heartbeat
        self._ended = threading.Event()
        self._heart: threading.Thread | None = None

    def take(self, wanted: Mapping[str, Holding]) -> None:
        """Take all of `wanted`, beside what is held; `InUse` naming who has a part of it, and then nothing is taken."""
        if not wanted:
            return
        with self._book.changing() as holders:
            me = self._me(holders)
            others = [holder for holder in holders.values() if holder.ticket != me.ticket]
            taken = {holder.ticket: _taken(holder, wanted) for holder in others}
            for holder in others:
                if taken[holder.ticket] and not self._book.has_lapsed(holder):
                    holders[holder.ticket] = self._book.doubted(holder)
                    raise _in_use(holder, taken[holder.ticket][0])
            for holder in others:
                holders[holder.ticket] = self._robbed(holder, taken[holder.ticket])
            self._ticket.keep()
            self._held.update(wanted)
            holders[me.ticket] = self._beating(me, {**me.holds, **wanted})

    def give_back(self, keys: Iterable[str]) -> None:
        """Hold these no longer; what is not held is passed over."""
        with self._book.changing() as holders:
            me = self._me(holders)
            for key in keys:
                self._held.pop(key, None)
            holders[me.ticket] = self._beating(me, {key: held for key, held in me.holds.items() if key in self._held})

    def renew(self) -> None:
        """Tell that this process lives."""
        self._renewed()

    def check(self, keys: Iterable[str], *, bench: str, phone: str, port: str) -> None:
        """`PowerNotOurs` unless all of `keys` is held, and so the outlet `port` of `phone` may be switched; a heartbeat too."""
        me = self._renewed_or_written()
        for key in keys:
            if key not in me.holds:
                seen = me.lost.get(key) or me.lost.get(EVERYTHING) or "never taken"
                problem = "the phone is not ours to switch"
                raise PowerNotOurs(problem, bench=bench, phone=phone, port=port, tried="look at the lease", seen=seen)

    def holds(self, key: str) -> bool:
        """Whether it was taken, and not given back; it may be lost by now."""
        return key in self._held

    def beat(self) -> None:
        """Let a thread tell from time to time that this process lives, until the release."""
        self._heart = threading.Thread(target=self._go_on, name="lease", daemon=True)
        self._heart.start()

    def release(self) -> None:
        """Give back all; nothing happens if nothing is held."""
        self._ended.set()
        if self._heart is not None:
            self._heart.join(_JOIN)
        if not self._ticket.is_kept:
            return
        self._held.clear()
        try:
            with self._book.changing() as holders:
                holders.pop(self._ticket.name, None)
                self._ticket.drop()
        finally:
            self._ticket.drop()  # to others that alone says the same

    def _go_on(self) -> None:
        while not self._ended.wait(self._interval):
            with suppress(LabFault, Misuse):  # the next power action meets the same, and tells
                self.renew()

    def _renewed(self) -> Holder:
        """This process as the book has it, after a heartbeat; where a damaged book has lost it, it is written down again."""
        with self._book.changing() as holders:
            me = self._me(holders)
            if self._held:
                self._ticket.keep()
                holders[me.ticket] = me = self._beating(me, me.holds)
            return me

    def _renewed_or_written(self) -> Holder:
        """The same; where the book cannot be written, the disk being full, what stands in it holds until it lapses."""
        try:
            return self._renewed()
        except LabFault as fault:
            written = next((holder for holder in self._book.holders() if holder.ticket == self._ticket.name), None)
            if not isinstance(fault.__cause__, OSError) or written is None or written.nameless or self._book.has_lapsed(written):
                raise
            return written

    def _me(self, holders: Mapping[str, Holder]) -> Holder:
        me = holders.get(self._ticket.name)
        if me is not None and not me.nameless:
            return me
        me = self._book.newcomer(self._ticket.name, self._purpose)
        for key, held in self._held.items():
            others = [holder for holder in holders.values() if key in holder.holds]
            if others:
                me = me.without(key, f"taken while the book of leases was damaged: {others[0]}")
            else:
                me = me.model_copy(update={"holds": {**me.holds, key: held}})
        return me

    def _beating(self, me: Holder, holds: Mapping[str, Holding]) -> Holder:
        machine = self._book.machine
        return me.model_copy(update={"holds": dict(holds), "boot": machine.boot, "beat": machine.now(), "doubt": None})

    def _robbed(self, holder: Holder, keys: Sequence[str]) -> Holder:
        """A holder that has lapsed, without the keys."""
        reason = f"lapsed after {EXPIRY:g} s without a heartbeat, then taken by {user()} for {self._purpose}"
        for key in keys:
            holder = holder.without(key, reason).model_copy(update={"nameless": False})
        return holder


def _taken(holder: Holder, wanted: Iterable[str]) -> list[str]:
    """What of the keys `holder` has, or may have."""
    return [EVERYTHING] if holder.nameless else [key for key in wanted if key in holder.holds]


def _in_use(holder: Holder, key: str) -> InUse:
    held = holder.holds.get(key)
    return InUse(
        "the phone is in use" if held and held.phone else "the bench is in use",
        bench=held.bench if held else None,
        phone=held.phone if held else None,
        tried="take its lease",
        seen=f"held by {holder}; see `hil who`",
    )


def released_by_hand(folder: Path, wanted: Callable[[Holding], bool] | None, reason: str) -> tuple[str, ...]:
    """Take what is `wanted` (None: everything) away from whoever holds it, who learns `reason` at its next power action.

    Returns what was taken; each is written down in `released.jsonl`.
    """
    book = Book(folder)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    told = f"released by {user()} at {at}: {reason}"
    released: list[str] = []

    def note(what: str, holder: Holder) -> None:
        released.append(what)
        book.note(json.dumps({"at": at, "by": user(), "reason": reason, "of": what, "from": str(holder)}))

    with book.changing() as holders:
        for ticket, holder in list(holders.items()):
            for key, held in holder.holds.items():
                if wanted is None or wanted(held):
                    holders[ticket] = holders[ticket].without(key, told)
                    note(str(held), holder)
            if wanted is None and holder.nameless:
                holders[ticket] = holder.without(EVERYTHING, told).model_copy(update={"nameless": False})
                note(UNWRITTEN, holder)
    return tuple(released)

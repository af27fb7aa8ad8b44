"""What a bench is used for, and what has to be held for that: leases, and the places of labgrid where it hands out the phones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from hil.bench.labgrid.places import Places, PlaceTaken
from hil.bench.lease import InUse, Lease
from hil.bench.lease_book import Holding
from hil.bench.state import state_root
from hil.bench.testbed import Phone, Testbed


@dataclass(frozen=True)
class Use:
    """What a bench is opened for: in words, the phones that are switched (None: all), and whether the PC serves and records.

    `places` are those of labgrid that are held for it already, with others, and longer.
    """

    purpose: str = "a use that has no name"
    phones: tuple[str, ...] | None = None
    whole: bool = True
    places: Places | None = None


class Claim:
    """All that `use` of a testbed needs, held by this process."""

    def __init__(self, testbed: Testbed, use: Use) -> None:
        self._testbed = testbed
        self._use = use
        self._phones = tuple(phone.name for phone in testbed.phones) if use.phones is None else use.phones
        self._lease = Lease(state_root(), use.purpose)
        self._places = use.places or (Places(testbed, testbed.labgrid) if testbed.labgrid else None)

    def take(self) -> None:
        """Take all, or nothing: `InUse` or `PlaceTaken` naming who has a part of it. Starts no thread."""
        with ExitStack() as undo:
            undo.callback(self.release)
            wanted = {self._key(self._testbed.phone(name)): self._holding(name) for name in self._phones}
            self._lease.take({**wanted, self._bench_key: self._holding(None)} if self._use.whole else wanted)
            if self._places is not None and self._phones:
                self._places.acquire(self._phones)
            undo.pop_all()

    def beat(self) -> None:
        """Tell from now on that this process lives; starts a thread."""
        self._lease.beat()

    def check(self, phone: Phone, port: str) -> None:
        """`PowerNotOurs` unless the phone is ours to switch at this moment, and the bench's PC where it was taken as well."""
        keys = [self._key(phone)] + ([self._bench_key] if self._use.whole else [])
        self._lease.check(keys, bench=self._testbed.name, phone=phone.name, port=port)
        if self._places is not None:
            self._places.check(phone.name, port)

    @contextmanager
    def borrowing(self) -> Iterator[Callable[[str], bool]]:
        """A function that takes one more phone for a moment; it tells whether the phone is ours, being held or nobody else's."""
        with ExitStack() as undo:

            def borrow(name: str) -> bool:
                phone = next((phone for phone in self._testbed.phones if phone.name == name), None)
                if phone is None or self._lease.holds(self._key(phone)):
                    return True
                try:
                    self._lease.take({self._key(phone): self._holding(name)})
                    undo.callback(self._lease.give_back, [self._key(phone)])
                    if self._places is not None:
                        self._places.acquire([name])
                        undo.callback(self._places.give_back, [name])
                except (InUse, PlaceTaken):
                    return False
                return True

            yield borrow

    def release(self) -> None:
        """Give back all but the places that were held before; may be called more than once."""
        try:
            if self._places is not None and self._use.places is None:
                self._places.close()
        finally:
            self._lease.release()

    @property
    def _bench_key(self) -> str:
        return f"{self._testbed.name}/"

    def _key(self, phone: Phone) -> str:
        return key_of(self._testbed, phone)

    def _holding(self, phone: str | None) -> Holding:
        return Holding(bench=self._testbed.name, phone=phone)


def key_of(testbed: Testbed, phone: Phone) -> str:
    """A phone is one and the same on every bench that names its MAC; a virtual one exists on its bench alone."""
    return phone.mac if phone.virtual is None else f"{testbed.name}/{phone.name}"

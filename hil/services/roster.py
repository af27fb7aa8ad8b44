"""Which device a request came from: by what it asks for and by the address it comes from."""

from __future__ import annotations

import threading
from collections.abc import Collection


class Roster:
    """Devices and their addresses, as far as they are known; any thread may read and write it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._address_of: dict[str, str] = {}
        self._residents: dict[str, set[str]] = {}

    def place(self, device: str, address: str) -> None:
        """From now on only `address` speaks for `device`."""
        with self._lock:
            if (former := self._address_of.get(device)) is not None:
                self._residents[former].discard(device)
            self._address_of[device] = address
            self._residents.setdefault(address, set()).add(device)

    def place_of(self, device: str) -> str | None:
        """The address that alone speaks for `device`, None where it is not known."""
        with self._lock:
            return self._address_of.get(device)

    def resident(self, address: str) -> str | None:
        """The one device known to be at `address`; None where there is none, or more than one."""
        with self._lock:
            residents = self._residents.get(address, set())
            return next(iter(residents)) if len(residents) == 1 else None

    def owner(self, candidates: Collection[str], address: str) -> str | None:
        """Which of `candidates` a request from `address` is from, None for a stray.

        A device whose address is known speaks from there and nowhere else; one whose address is
        not known is whoever comes from an address that nobody else has.
        """
        with self._lock:
            residents = frozenset(self._residents.get(address, ()))
            unplaced = [device for device in candidates if device not in self._address_of]
        own = [device for device in candidates if device in residents]
        if not residents:
            own = unplaced
        return own[0] if len(own) == 1 else None

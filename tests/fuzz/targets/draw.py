"""Decisions taken from octets, so that whoever supplies the octets steers what is built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

_Item = TypeVar("_Item")


class Draw:
    """Reads decisions from the front of `data`; once that is spent every number is 0."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def spent(self) -> bool:
        """Whether nothing is left."""
        return self._at >= len(self._data)

    def octets(self, count: int) -> bytes:
        """The next octets, fewer at the end."""
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def rest(self) -> bytes:
        """All that is left."""
        return self.octets(len(self._data))

    def number(self, below: int) -> int:
        """A number from 0 to `below - 1`, of two octets where one cannot tell it."""
        return int.from_bytes(self.octets(1 if below <= 256 else 2), "big") % below

    def choice(self, items: Sequence[_Item]) -> _Item:
        """One of the items."""
        return items[self.number(len(items))]

    def string(self, most: int = 255) -> bytes:
        """Octets of a drawn length."""
        return self.octets(self.number(most + 1))

"""Readers that remember what they read: names, keys and algorithms come again within a message and from one to the next."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, update_wrapper
from typing import Generic, TypeVar

from hil import asn1
from hil.asn1 import Element, Malformed

_Read = TypeVar("_Read")


class Remembering(Generic[_Read]):
    """A reader that remembers what it made of the last `most` elements that were DER and had at most `longest` octets.

    For what comes again and again and is immutable once read: names, keys, algorithms. What is
    malformed or takes liberties is read where it stands, since that is told of the whole it stands in.
    """

    def __init__(self, reader: Callable[[Element], _Read], most: int, longest: int) -> None:
        update_wrapper(self, reader)
        self._reader = reader
        self._longest = longest
        self._known = lru_cache(maxsize=most)(self._made_of)

    def __call__(self, element: Element) -> _Read:
        if element.end - element.start <= self._longest:
            try:
                return self._known(element.raw)
            except Malformed:
                pass
        return self._reader(element)

    def of(self, octets: bytes) -> _Read:
        """What the reader makes of the element that these octets are."""
        if len(octets) <= self._longest:
            try:
                return self._known(octets)
            except Malformed:
                pass
        return self._reader(asn1.read(octets))

    def _made_of(self, octets: bytes) -> _Read:
        element = asn1.read(octets)
        found = self._reader(element)
        if element.liberties:
            raise Malformed("not DER")
        return found


def remembering(most: int, longest: int) -> Callable[[Callable[[Element], _Read]], Remembering[_Read]]:
    """Let a reader remember; see `Remembering`."""
    return lambda reader: Remembering(reader, most, longest)

"""Files on disk as HTTP serves them: whole or in part, and not again to who has them (RFC 9110 sections 13 and 14).

Firmware images are files of this kind. What a boot tells its phone is not: it is served whole whatever the phone
says to have, since evidence has to show what was read, and a phone must not boot on what it kept of another night.
"""

from __future__ import annotations

import os
import re
import stat
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path

from hil.errors import Misuse

PIECE = 262_144
"""Octets of a file that are in memory, or on their way into a socket, at a time."""

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


class Stored:
    """An open file, which goes on being served where another takes its name; it is closed with the last that serves it.

    `Misuse` where `path` is no file that can be read.
    """

    def __init__(self, path: Path) -> None:
        try:
            self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would be waited for
        except OSError as error:
            raise Misuse(f"cannot be served: {error.strerror}", file=path, remedy="name a file that can be read") from error
        weakref.finalize(self, os.close, self.descriptor)
        state = os.fstat(self.descriptor)
        if not stat.S_ISREG(state.st_mode):
            raise Misuse("cannot be served: it is no regular file", file=path, remedy="name a file that can be read")
        self.size = state.st_size
        self.etag = f'"{state.st_mtime_ns:x}-{state.st_size:x}"'
        self._modified = int(state.st_mtime)

    @property
    def last_modified(self) -> str:
        """When it was written, as HTTP has dates."""
        return formatdate(self._modified, usegmt=True)

    def is_known(self, fields: Mapping[str, str]) -> bool:
        """Whether who sends these conditions has the file already (RFC 9110 section 13.2.2)."""
        if (tags := fields.get("if-none-match")) is not None:
            known = [tag.strip().removeprefix("W/") for tag in tags.split(",")]
            return "*" in known or self.etag in known
        since = _instant(fields.get("if-modified-since"))
        return since is not None and self._modified <= since

    def part(self, fields: Mapping[str, str]) -> Part | None:
        """What of it the fields of a GET ask for: all, where they ask for no one range; None for what it does not reach to."""
        whole = Part(self, 0, self.size)
        wanted = _RANGE.fullmatch(fields.get("range", "").replace(" ", ""))
        if wanted is None or fields.get("if-range", self.etag) not in (self.etag, self.last_modified):
            return whole
        first, last = wanted.groups()
        if not first:
            length = min(int(last), self.size) if last else 0
            return (Part(self, self.size - length, length) if length else None) if last else whole
        if last and int(last) < int(first):
            return whole
        end = min(int(last) + 1, self.size) if last else self.size
        return Part(self, int(first), end - int(first)) if int(first) < self.size else None


@dataclass(frozen=True)
class Part:
    """`length` octets of a file, from `offset` on."""

    stored: Stored
    offset: int
    length: int

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the file."""
        return self.length == self.stored.size

    @property
    def content_range(self) -> str:
        """The part as the field Content-Range tells it."""
        return f"bytes {self.offset}-{self.offset + self.length - 1}/{self.stored.size}"

    def pieces(self) -> Iterator[bytes]:
        """Its octets, of which a piece is in memory at a time; `EOFError` where the file has become shorter."""
        at, end = self.offset, self.offset + self.length
        while at < end:
            piece = os.pread(self.stored.descriptor, min(PIECE, end - at), at)
            if not piece:
                raise EOFError("a file became shorter while it was served")
            at += len(piece)
            yield piece


def _instant(date: str | None) -> float | None:
    """Seconds since the epoch, None for what is no date."""
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except (ValueError, OverflowError):
        return None

"""The two families of error: the caller is wrong, or the bench is.

`Misuse` says which file, line, key and value are wrong and what would be right. `LabFault` says which
bench, phone and port misbehaved, what was tried and what was seen. Nothing else is raised on
purpose towards a user; a defect in untrusted input is a problem in a transcript, not an error.
"""

from __future__ import annotations

import re
from typing import Protocol, TypeVar, runtime_checkable

_USERINFO = re.compile(r"(?<=://)\S*@")

Words = TypeVar("Words", str, str | None)


def without_userinfo(text: Words) -> Words:
    """`text` with the user and password of every URL in it hidden."""
    return text and _USERINFO.sub("(hidden)@", text)


@runtime_checkable
class Lined(Protocol):
    """A file that knows where its keys stand; `str` of it is its path."""

    def line_of(self, key: str) -> int | None:
        """Line of that key, from 1, or of what is nearest to it; None where that is not known."""


class Misuse(Exception):
    """The caller or a file is wrong; the message names file, line, key and value and what would be right.

    The line is told where `file` is a `Lined`; user and password of a URL are not told.
    """

    def __init__(self, problem: str, *, file: object = None, key: str | None = None, remedy: str | None = None) -> None:
        self.problem = problem = without_userinfo(problem)
        self.file = None if file is None else str(file)
        self.line = file.line_of(key or "") if isinstance(file, Lined) else None
        self.key = key
        self.remedy = remedy = without_userinfo(remedy)
        super().__init__(self.placed + (f"; {remedy}" if remedy else ""))

    @property
    def placed(self) -> str:
        """The problem behind its file, line and key, without the remedy."""
        file = self.file and self.file + (f":{self.line}" if self.line else "")
        return ": ".join(filter(None, (file, self.key, self.problem)))


class LabFault(Exception):
    """The bench misbehaved: switch, CA, server, capture or PC, never the phone; user and password of a URL are not told."""

    def __init__(
        self,
        problem: str,
        *,
        bench: str | None = None,
        phone: str | None = None,
        port: str | None = None,
        tried: str | None = None,
        seen: str | None = None,
    ) -> None:
        self.problem = problem = without_userinfo(problem)
        self.bench = bench
        self.phone = phone
        self.port = port
        self.tried = tried = without_userinfo(tried)
        self.seen = seen = without_userinfo(seen)
        facts = (("bench", bench), ("phone", phone), ("port", port), ("tried", tried), ("seen", seen))
        details = ", ".join(f"{name} {value}" for name, value in facts if value)
        super().__init__(problem + (f" ({details})" if details else ""))

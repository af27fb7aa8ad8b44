"""The two families of error: the caller is wrong, or the bench is.

`Misuse` says which file, key and value are wrong and what would be right. `LabFault` says which
bench, phone and port misbehaved, what was tried and what was seen. Nothing else is raised on
purpose towards a user; a defect in untrusted input is a problem in a transcript, not an error.
"""

from __future__ import annotations


class Misuse(Exception):
    """The caller or a file is wrong; the message names file, key and value and what would be right."""

    def __init__(self, problem: str, *, file: object = None, key: str | None = None, remedy: str | None = None) -> None:
        self.problem = problem
        self.file = None if file is None else str(file)
        self.key = key
        self.remedy = remedy
        place = ": ".join(part for part in (self.file, key) if part)
        super().__init__((f"{place}: " if place else "") + problem + (f"; {remedy}" if remedy else ""))


class LabFault(Exception):
    """The bench misbehaved: switch, CA, server, capture or PC, never the phone."""

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
        self.problem = problem
        self.bench = bench
        self.phone = phone
        self.port = port
        self.tried = tried
        self.seen = seen
        facts = (("bench", bench), ("phone", phone), ("port", port), ("tried", tried), ("seen", seen))
        details = ", ".join(f"{name} {value}" for name, value in facts if value)
        super().__init__(problem + (f" ({details})" if details else ""))

"""What can go wrong in a phone's life without ending it."""

from __future__ import annotations


class Trouble(Exception):
    """A step of the boot failed; the phone says so in its log and carries on as it can."""


class NoAnswer(Trouble):
    """A peer did not answer, or not in time, or not in its protocol."""


class PortClosed(NoAnswer):
    """Nobody listens where the peer should."""


class Refused(Trouble):
    """An answer came, and the phone or its sender turned the matter down; `reason` is the answer's own word, if it had one."""

    def __init__(self, text: str, reason: str = "") -> None:
        super().__init__(text)
        self.reason = reason

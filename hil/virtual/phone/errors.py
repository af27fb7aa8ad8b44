"""What can go wrong in a phone's life without ending it."""

from __future__ import annotations


class Trouble(Exception):
    """A step of the boot failed; the phone says so in its log and carries on as it can."""


class NoAnswer(Trouble):
    """A peer did not answer, or not in time, or not in its protocol."""


class Refused(Trouble):
    """An answer came, and the phone or its sender turned the matter down."""

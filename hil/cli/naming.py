"""What a person typed is named as it was typed, though parts within know it by names of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hil.errors import Misuse


@contextmanager
def named(**options: str) -> Iterator[None]:
    """Around parts that are given options as parameters: what they find wrong with one is told by the option's name."""
    try:
        yield
    except Misuse as misuse:
        if misuse.key not in options:
            raise
        raise Misuse(misuse.problem, file=misuse.file, key=options[misuse.key], remedy=misuse.remedy) from misuse

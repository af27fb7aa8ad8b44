"""Kinds of bench by name: a real one, and those that installed packages bring by entry point `hil.benches`."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from hil.bench.source import Source
from hil.bench.strict import nearest
from hil.errors import Misuse

GROUP = "hil.benches"
REAL = "real"


def find_kind(kind: str, *, file: Source) -> EntryPoint | None:
    """What makes a bench of that kind, None for a real one; `Misuse` naming the known kinds where there is no such."""
    brought = {entry.name: entry for entry in entry_points(group=GROUP)}
    if kind not in (REAL, *brought):
        raise Misuse(f"unknown kind of bench {kind!r}", file=file, key="kind", remedy=nearest(kind, [REAL, *brought]))
    return brought.get(kind)

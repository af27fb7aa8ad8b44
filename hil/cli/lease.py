"""`hil who` and `hil release`: who has which phones, and how to take them away from somebody."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from hil.bench.lease import released_by_hand
from hil.bench.lease_book import Book, Holder
from hil.bench.state import state_root
from hil.cli.saying import printable
from hil.errors import Misuse

_COLUMNS = ("phone", "user", "host", "pid", "since", "for", "heartbeat")


def who(as_json: Annotated[bool, typer.Option("--json", help="One JSON list.")] = False) -> None:
    """Show who has which phones; a bench without a phone is its servers and its capture.

    What is not shown is free, unless the book of leases is damaged, which is told. `silent` is a holder without a
    heartbeat for so long that others may take what it has.
    """
    book = Book(state_root())
    if book.is_damaged:
        typer.echo(f"{book.file} is damaged: who lives is shown without a name until it writes itself down again", err=True)
    holders = sorted(book.holders(), key=lambda holder: holder.since)
    if as_json:
        typer.echo(json.dumps([facts for holder in holders for facts in _facts(book, holder)], indent=1))
        return
    rows = [row for holder in holders for row in _rows(book, holder)]
    typer.echo("\n".join(_aligned([_COLUMNS, *rows])) if rows else "nobody has a phone")


def release(
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; who had the phone is told so.")],
    phone: Annotated[str | None, typer.Argument(metavar="PHONE", help="As `hil who` shows it, or its name alone.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that anybody has.")] = False,
) -> None:
    """Take a phone away from whoever has it: its next power action is refused.

    A power action that is under way is done to its end.
    """
    if (phone is None) != everything:
        raise Misuse("what shall be released?", key="PHONE", remedy="name a phone, or give --all")
    if not reason.strip():
        raise Misuse("is empty", key="--reason", remedy="say why: who had the phone is told so")
    root = state_root()
    full = None if phone is None else _held(Book(root), phone)
    released = released_by_hand(root, None if full is None else lambda held: str(held) == full, reason.strip())
    typer.echo("\n".join(f"{held}: released" for held in released) or "nobody has a phone")


def _held(book: Book, phone: str) -> str:
    """The full name of what is meant; `Misuse` unless it is one thing that somebody has."""
    holders = book.holders()
    held = [each for holder in holders for each in holder.holds.values()]
    known = {str(each) for each in held}
    meant = {phone} & known or {str(each) for each in held if each.phone == phone}
    if not meant and any(holder.nameless for holder in holders):
        remedy = "ask again when that has written itself down, within a minute, or give --all"
        raise Misuse(f"nobody has {phone!r}, unless it is a process that is not in the book", key="PHONE", remedy=remedy)
    if not meant:
        raise Misuse(f"nobody has {phone!r}", key="PHONE", remedy="taken: " + (", ".join(sorted(known)) or "nothing"))
    if len(meant) > 1:
        raise Misuse(f"several benches have a phone {phone!r}", key="PHONE", remedy="say " + " or ".join(sorted(meant)))
    return meant.pop()


def _facts(book: Book, holder: Holder) -> Iterator[dict[str, object]]:
    if holder.nameless:
        unknown = dict.fromkeys(("bench", "phone", "user", "host", "pid", "since"))
        yield {**unknown, "purpose": str(holder), "heartbeat": None, "silent": False}
        return
    silence = book.silence(holder)
    for held in holder.holds.values():
        yield {
            "bench": held.bench,
            "phone": held.phone,
            **holder.model_dump(include={"user", "host", "pid", "since", "purpose"}),
            "heartbeat": None if silence is None else round(silence, 1),
            "silent": book.has_lapsed(holder),
        }


def _rows(book: Book, holder: Holder) -> Iterator[tuple[str, ...]]:
    if holder.nameless:
        yield "?", "?", "?", "?", "?", str(holder), "?"
        return
    silence = book.silence(holder)
    heartbeat = "?" if silence is None else f"{silence:.0f} s ago"
    if book.has_lapsed(holder):
        heartbeat += ", silent"
    for held in holder.holds.values():
        words = (str(held), holder.user, holder.host, str(holder.pid), holder.since, holder.purpose, heartbeat)
        yield tuple(printable(word) for word in words)


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()

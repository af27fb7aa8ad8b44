"""What a verb found, said once on stdout: lines for people, or one JSON document; and the exit code that goes with it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

import typer

from hil.errors import LabFault
from hil.scep.client import Rejected, ReplyRefused
from hil.scep.http import ScepHttpError, TlsFault
from hil.scep.trust import UntrustedCa

Facts = MutableMapping[str, Any]

EXIT_CODES = {"issued": 0, "done": 0, "not due": 0, "rejected": 1, "pending": 3, "no answer": 4, "interrupted": 130}
"""By outcome; what the caller did wrong ends with 2 and says so on stderr."""


@contextmanager
def said(facts: Facts, as_json: bool) -> Iterator[None]:
    """Say `facts` once the body is through, or why it is not, and end with the exit code of `facts["outcome"]`."""
    try:
        yield
    except LabFault as fault:
        facts.update(outcome="no answer", reason=reason_of(fault), text=str(fault))
    except KeyboardInterrupt:
        facts.update(outcome="interrupted")
    typer.echo(json.dumps(facts, indent=1) if as_json else "\n".join(_lines(facts)))
    code = EXIT_CODES[str(facts["outcome"])]
    if code:
        raise typer.Exit(code)


def reason_of(fault: LabFault) -> str:
    """Why there is no answer that can be used, in a word or two."""
    match fault:
        case UntrustedCa():
            return "untrusted CA"
        case ReplyRefused():
            return "reply refused"
        case ScepHttpError(status=status):
            return f"HTTP {status}"
        case TlsFault():
            return "TLS"
        case _:
            return "no connection"


def blank(*names: str) -> Facts:
    """Facts of these names, none known yet, after those that every verb tells."""
    return dict.fromkeys(("outcome", "reason", "text", *names))


def told_refusal(rejected: Rejected) -> dict[str, object]:
    """The facts of a CertRep FAILURE."""
    reason = None if rejected.fail_info is None else rejected.fail_info.name
    return {"outcome": "rejected", "fail_info": reason, "text": rejected.text}


def printable(text: str) -> str:
    """Untrusted text without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _lines(facts: Mapping[str, object], indent: str = "") -> Iterator[str]:
    """A line for each fact that there is, those of one thing below its name."""
    for name, value in facts.items():
        title = indent + name.replace("_", " ")
        match value:
            case None | [] | ():
                continue
            case bool():
                yield f"{title}: {'yes' if value else 'no'}"
            case list() | tuple() if all(isinstance(each, Mapping) for each in value):
                for number, each in enumerate(value, 1):
                    yield f"{title.removesuffix('s')} {number}:"
                    yield from _lines(each, indent + "  ")
            case list() | tuple() if name == "notes":
                yield from (f"note: {printable(note)}" for note in value)
            case list() | tuple():
                yield f"{title}: {printable(', '.join(map(str, value)))}"
            case _:
                yield f"{title}: {printable(str(value))}"

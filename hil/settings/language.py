"""The 46xxsettings language: bytes to typed statements (J100 R4.1.x, Contents of the settings file).

A line is live only if it begins with `SET `, `IF `, `GOTO `, `# ` or `GET `; all others are comments.
Bytes beyond ASCII occur in comments of real files; one that is not UTF-8 becomes a lone surrogate,
so that it is never taken for ASCII, and `printable` escapes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

MAX_FILE: Final = 2 * 1024 * 1024
"""Bytes of a file that are read; the vendor's own template has under 1 MiB."""
MAX_STATEMENTS: Final = 50_000
"""Live lines of a file that are read."""
MAX_LINE: Final = 4096
"""Bytes that a live line may have; the longest of the vendor's template has 363."""

_TYPOGRAPHIC: Final = ("\u201c", "\u201d", "\u201e", "\udc93", "\udc94", "\udc84")
_TOKEN: Final = re.compile(r'"[^"]*"|[^\s"]+')
_SECRET_NAME: Final = re.compile(r"(?:PAS|PSW|PWD|SECRET|SNMPSTR)\w*")
_SECRET_SECOND: Final = re.compile(r"\W*\w+\W+\w*(?:pas|psw|pwd|secret|snmpstr)\w*", re.IGNORECASE)
_NEARLY_LIVE: Final = re.compile(r"[\s\ufeff]*(SET|IF|GOTO|GET)\s")


@dataclass(frozen=True)
class Line:
    """A line by its number, from 1, and its text; the text may hold a password, so no repr shows it."""

    line: int
    text: str = field(repr=False)


@dataclass(frozen=True)
class Set(Line):
    """`SET NAME value`, the value without its quotes."""

    name: str
    value: str = field(repr=False)


@dataclass(frozen=True)
class If(Line):
    """`IF left SEQ right GOTO label`."""

    left: str
    right: str
    label: str


@dataclass(frozen=True)
class Goto(Line):
    """`GOTO label`."""

    label: str


@dataclass(frozen=True)
class Label(Line):
    """`# label`."""

    name: str


@dataclass(frozen=True)
class Get(Line):
    """`GET file`."""

    file: str


@dataclass(frozen=True)
class Broken(Line):
    """A line that reads like a statement and is none, and why."""

    reason: str


Statement = Set | If | Goto | Label | Get | Broken


@dataclass(frozen=True)
class Document:
    """A file's statements in order; `cut` where it had more than `MAX_FILE` bytes or `MAX_STATEMENTS`."""

    name: str
    statements: tuple[Statement, ...]
    cut: bool


def printable(text: str) -> str:
    """A line's text as it may be shown: what follows the name of a password left out, odd bytes and characters escaped."""
    if password_in(text):
        text = text[: _secret_name(text)] + " <secret>"
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode("ascii") for c in text)


def password_in(text: str) -> str:
    """What follows the name of a password in a line, live or not, as it stands there; empty where nothing does."""
    end = _secret_name(text)
    return "" if end is None else text[end:].strip()


def _secret_name(text: str) -> int | None:
    """Where the name of a password ends."""
    name = _SECRET_NAME.search(text) or _SECRET_SECOND.match(text)
    return None if name is None else name.end()


def parse(data: bytes, name: str) -> Document:
    """The statements of the settings file `data`; any bytes are a file, so nothing is raised."""
    statements: list[Statement] = []
    cut = len(data) > MAX_FILE
    for number, raw in enumerate(data[:MAX_FILE].splitlines(), start=1):
        statement = _statement(number, raw)
        if statement is None:
            continue
        if len(statements) == MAX_STATEMENTS:
            cut = True
            break
        statements.append(statement)
    return Document(name, tuple(statements), cut)


def _statement(number: int, raw: bytes) -> Statement | None:
    live = raw.startswith((b"SET ", b"IF ", b"GOTO ", b"# ", b"GET "))
    text = raw[:MAX_LINE].decode("utf-8", "surrogateescape")
    if not live:
        nearly = _NEARLY_LIVE.match(text)
        why = f'a comment: a live line begins with "{nearly[1]} " and nothing before it' if nearly else ""
        return Broken(number, text, why) if nearly else None
    if len(raw) > MAX_LINE:
        return Broken(number, text, f"longer than {MAX_LINE} bytes")
    keyword, _, rest = text.partition(" ")
    rest = rest.rstrip(" \t")
    match keyword:
        case "SET":
            return _set(number, text, rest)
        case "#":
            return _label(number, text, rest)
        case _:
            return _jump(number, text, keyword, rest)


def _set(number: int, text: str, rest: str) -> Statement:
    name, *values = re.split(r"[ \t]+", rest.lstrip(" \t"), maxsplit=1)
    value = values[0] if values else ""
    if any(mark in value for mark in _TYPOGRAPHIC):
        return Broken(number, text, 'typographic quotes; straight double quotes (") alone are quotes')
    if not name or not value:
        return Broken(number, text, 'SET needs a name and a value; null is written ""')
    quoted = len(value) >= 2 and value[0] == value[-1] == '"'
    inner = value[1:-1] if quoted else value
    if '"' in inner:
        return Broken(number, text, "quotes must stand around the whole value and nowhere else")
    if not quoted and re.search(r"\s", inner):
        return Broken(number, text, "a value with blanks needs straight double quotes around the whole")
    return Set(number, text, name, inner)


def _label(number: int, text: str, rest: str) -> Statement:
    if not rest or re.search(r"\s", rest):
        return Broken(
            number, text, 'read as a label, as it begins with "# ", but a label is one word; a comment begins with "##"'
        )
    return Label(number, text, rest)


def _jump(number: int, text: str, keyword: str, rest: str) -> Statement:
    even = rest.count('"') % 2 == 0
    words = [word[1:-1] if word.startswith('"') else word for word in _TOKEN.findall(rest) if even]
    match keyword, words:
        case "GOTO", [label]:
            return Goto(number, text, label)
        case "GET", [file]:
            return Get(number, text, file)
        case "IF", [left, "SEQ", right, "GOTO", label]:
            return If(number, text, left, right, label)
        case "IF", [_, other, _, "GOTO", _] if other != "SEQ":
            return Broken(number, text, f"{printable(other)} is no comparison; the only one is SEQ")
    shape = {"GOTO": "GOTO LABEL", "GET": "GET FILE", "IF": "IF $PARAMETER SEQ value GOTO LABEL"}[keyword]
    return Broken(number, text, f"not of the form {shape}")

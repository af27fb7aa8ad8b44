"""The language of `J100Supgrade.txt` and `46xxsettings.txt`, as a J100 reads it.

Source: "Contents of the settings file" of the J100 R4.1.x guide and Avaya's settings template of
July 2022. Where they are silent this phone has habits of its own: labels are looked for after the
line that names them, `IF` compares exactly, an unquoted value ends at its first blank.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Fetch = Callable[[str], bytes | None]
Accept = Callable[[str, str], bool]

MAX_FILES = 16

_WORD = r'("[^"]*"|\S+)'
_SET = re.compile(rf"SET +(\w+)[ \t]+{_WORD}", re.ASCII)
_IF = re.compile(rf"IF +{_WORD} +SEQ +{_WORD} +GOTO +(\S+)\s*")
_GOTO = re.compile(r"GOTO +(\S+)\s*")
_GET = re.compile(r"GET +(\S+)\s*")


def read_files(first: str, fetch: Fetch, macros: Mapping[str, str], accept: Accept) -> dict[str, str]:
    """Values that the file `first`, and those it leads to by GET, set on this phone.

    `fetch` gives a file's bytes, or None where the server does not have it. `macros` are what IF
    and GET know, with their `$`. A SET that `accept(name, value)` turns down leaves the value that
    was there before. Parameters that no file sets are absent.
    """
    values: dict[str, str] = {}
    content = fetch(first)
    for _ in range(MAX_FILES):
        if content is None:
            break
        content = _read(content, values, fetch, macros, accept)
    return values


def _read(content: bytes, values: dict[str, str], fetch: Fetch, macros: Mapping[str, str], accept: Accept) -> bytes | None:
    """Reads one file into `values`; gives the content of the file that takes over from it, if any."""
    lines = [line.rstrip("\r") for line in content.decode("latin-1").split("\n")]
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if found := _SET.match(line):
            name, value = found[1], _unquoted(found[2])
            if value is not None and accept(name, value):
                values[name] = value
        elif found := _GET.fullmatch(line):
            successor = fetch(_expanded(found[1], macros))
            if successor is not None:
                return successor
        elif target := _jump(line, macros):
            at = _after_label(lines, at, target)
    return None


def _jump(line: str, macros: Mapping[str, str]) -> str | None:
    """The label at which reading goes on, or None where it goes on with the next line."""
    if found := _GOTO.fullmatch(line):
        return found[1]
    if found := _IF.fullmatch(line):
        left, right = (macros.get(word) if word.startswith("$") else _unquoted(word) for word in found.group(1, 2))
        if left is not None and left == right:
            return found[3]
    return None


def _after_label(lines: list[str], start: int, label: str) -> int:
    """Where the line after `# label` is; the end of the file where there is no such label."""
    for at in range(start, len(lines)):
        if lines[at].rstrip() == f"# {label}":
            return at + 1
    return len(lines)


def _unquoted(word: str) -> str | None:
    """The text of a value; None where its quotes do not pair."""
    if not word.startswith('"'):
        return None if '"' in word else word
    return word[1:-1] if len(word) > 1 and word.endswith('"') else None


def _expanded(name: str, macros: Mapping[str, str]) -> str:
    longest_first = sorted(macros, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, longest_first)), lambda found: macros[found[0]], name)

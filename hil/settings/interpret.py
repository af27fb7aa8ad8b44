"""What a phone takes from its files: conditions, jumps, GET and SET, played for one identity.

Nothing a file sets can be tested by a condition, so a file's course depends on the identity alone:
a jump taken twice, or a file met again, would go on for ever, and reading stops there.
Source: J100 R4.1.x, Contents of the settings file; what it leaves open is in `Decision`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from hil.errors import Misuse
from hil.identity import Firmware, Identity, MacroPlace, expand
from hil.settings.catalog import find, refusal, why_unknown
from hil.settings.language import (
    MAX_FILE,
    MAX_STATEMENTS,
    Broken,
    Document,
    Get,
    Goto,
    If,
    Label,
    Line,
    Set,
    parse,
    printable,
)

MAX_FILES: Final = 64
"""Files asked for in one reading."""
MAX_IGNORED: Final = 10_000
"""Lines without effect that are listed."""

_MACRO: Final = re.compile(r"\$([A-Za-z0-9_]+)")


@dataclass(frozen=True)
class Setting:
    """A value taken, with the file and line that set it; the value may be a password, so no repr shows it."""

    value: str = field(repr=False)
    file: str
    line: int


@dataclass(frozen=True)
class Ignored:
    """A line without effect, and why; what follows the name of a password is left out of the text."""

    file: str
    line: int
    text: str
    reason: str


@dataclass(frozen=True)
class Interpretation:
    """What a reading left: settings by live name, lines without effect, files in the order asked for, those not found."""

    settings: Mapping[str, Setting]
    ignored: tuple[Ignored, ...]
    files: tuple[str, ...]
    missing: tuple[str, ...]

    def value(self, name: str) -> str:
        """The value that holds for the parameter `name`: the one set, or its default. `Misuse` for an unknown name."""
        if name in self.settings:
            return self.settings[name].value
        parameter = find(name)
        if parameter is None:
            raise Misuse(why_unknown(name), key=name)
        return parameter.default


def interpret(
    start: str,
    fetch: Callable[[str], bytes | None],
    identity: Identity,
    *,
    firmware: Firmware | None = None,
    group: int = 0,
    hardware: int | None = None,
) -> Interpretation:
    """Read the file `start` and what it GETs as the phone `identity` of `group` would.

    `fetch` gives a file's bytes, or None where the server has none. Without a firmware the newest
    documents hold; without a `hardware` version a condition on it is ignored. Any bytes are a file: nothing is raised but
    what `fetch` raises.
    """
    reading = _Reading(fetch, identity, firmware, group, hardware)
    document = reading.ask(start)
    while document is not None:
        document = reading.play(document)
    return Interpretation(
        MappingProxyType(dict(reading.settings)), tuple(reading.ignored), tuple(reading.files), tuple(reading.missing)
    )


class _Untestable(Exception):
    """A condition names a macro that cannot be tested; the message says which and why."""


def _labels(document: Document) -> dict[str, int]:
    """The first place of each label among the document's statements (`Decision.FIRST_LABEL_WINS`)."""
    labels: dict[str, int] = {}
    for index, statement in enumerate(document.statements):
        if isinstance(statement, Label):
            labels.setdefault(statement.name, index)
    return labels


class _Reading:
    """The state of one reading."""

    def __init__(
        self,
        fetch: Callable[[str], bytes | None],
        identity: Identity,
        firmware: Firmware | None,
        group: int,
        hardware: int | None,
    ) -> None:
        self.settings: dict[str, Setting] = {}
        self.ignored: list[Ignored] = []
        self.files: list[str] = []
        self.missing: list[str] = []
        self._fetch = fetch
        self._identity = identity
        self._firmware = firmware
        self._testable = {
            "GROUP": str(group),
            "MACADDR": identity.mac_digits,
            "MODEL": identity.model,
            "MODEL4": identity.model4,
        }
        if firmware is not None:
            self._testable["APPNAME_IN_USE"] = firmware.text
        if hardware is not None:
            self._testable["HWVERS"] = str(hardware)

    def ask(self, name: str) -> Document | None:
        self.files.append(name)
        data = self._fetch(name)
        if data is None:
            self.missing.append(name)
            return None
        document = parse(data, name)
        if document.cut:
            most = f"{MAX_FILE} bytes or {MAX_STATEMENTS} live lines"
            self._ignore(name, Line(0, ""), f"the file has more than {most}; what follows is not read")
        return document

    def play(self, document: Document) -> Document | None:
        """Play one file, and give the file that a GET in it obtained, which takes the place of its rest."""
        labels = _labels(document)
        jumped: set[int] = set()
        index = 0
        while index < len(document.statements):
            statement = document.statements[index]
            target: str | None = None
            match statement:
                case Set():
                    self._set(document.name, statement)
                case Get():
                    if (obtained := self._get(document, index, statement)) is not None:
                        return obtained
                case Goto(label=label):
                    target = label
                case If():
                    target = self._condition(document.name, statement)
                case Broken(reason=reason):
                    self._ignore(document.name, statement, reason)
                case Label():
                    pass
            if target is not None:
                if index in jumped or target not in labels:
                    why = "this jump would be taken for ever" if index in jumped else f"no label {printable(target)} in the file"
                    self._rest_ignored(document, index, f"{why}, so the rest of the file is ignored")
                    return None
                jumped.add(index)
                index = labels[target]
            index += 1
        return None

    def _set(self, file: str, statement: Set) -> None:
        parameter = find(statement.name)
        if parameter is None:
            reason: str | None = f"{printable(statement.name)}: {why_unknown(statement.name)}"
        else:
            reason = refusal(parameter, statement.value, self._firmware)
            if reason is not None:
                kept = "the former value" if statement.name in self.settings else "the default"
                reason = f"{statement.name} {reason}; {kept} stays"
        if reason is None:
            self.settings[statement.name] = Setting(statement.value, file, statement.line)
        else:
            self._ignore(file, statement, reason)

    def _get(self, document: Document, index: int, statement: Get) -> Document | None:
        name = expand(statement.file, self._identity, MacroPlace.FILE)
        if name in self.files and name not in self.missing:
            self._ignore(document.name, statement, f"{printable(name)} led here, so getting it again would never end")
            return None
        if len(self.files) >= MAX_FILES:
            self._ignore(document.name, statement, f"more than {MAX_FILES} files asked for; this one is not")
            return None
        obtained = self.ask(name)
        if obtained is not None:
            self._rest_ignored(
                document, index, f"{printable(name)} was obtained and takes the place of the rest of this file", quiet=True
            )
        return obtained

    def _condition(self, file: str, statement: If) -> str | None:
        """The label to go on at, or None where the condition does not hold or is ignored."""
        try:
            holds = self._operand(statement.left) == self._operand(statement.right)
        except _Untestable as reason:
            self._ignore(file, statement, f"{reason}, so the whole condition is ignored")
            return None
        return statement.label if holds else None

    def _operand(self, text: str) -> str:
        def value(match: re.Match[str]) -> str:
            name = match[1]
            if name not in self._testable:
                known_on_phones = name in {"HWVERS", "APPNAME_IN_USE"}
                why = "not known here" if known_on_phones else "no parameter that a condition can test"
                raise _Untestable(f"${name} is {why}")
            return self._testable[name]

        return _MACRO.sub(value, text)

    def _rest_ignored(self, document: Document, index: int, reason: str, *, quiet: bool = False) -> None:
        """Note that what stands below a line is lost; `quiet` where nothing but labels stands there."""
        lost = [line for line in document.statements[index + 1 :] if not isinstance(line, Label | Broken)]
        if lost:
            reason = f"{reason} ({len(lost)} live lines from line {lost[0].line})"
        if lost or not quiet:
            self._ignore(document.name, document.statements[index], reason)

    def _ignore(self, file: str, line: Line, reason: str) -> None:
        if len(self.ignored) < MAX_IGNORED:
            self.ignored.append(Ignored(file, line.line, printable(line.text), reason))
        elif len(self.ignored) == MAX_IGNORED:
            self.ignored.append(Ignored(file, line.line, "", "there are more lines without effect than are listed"))

"""Files for a phone: `J100Supgrade.txt`, `46xxsettings.txt` and one per MAC address.

What a phone would ignore is refused, so that a file means what it seems to say.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

from hil.errors import Misuse
from hil.identity import Firmware, Identity, MacroPlace, expand
from hil.secret import Secret
from hil.settings.catalog import find, refusal, why_unknown
from hil.settings.language import MAX_LINE

UPGRADE_FILE: Final = "J100Supgrade.txt"
SETTINGS_FILE: Final = "46xxsettings.txt"
PHONE_FILE: Final = "$MACADDR.txt"

_NAME: Final = re.compile(r"[A-Za-z0-9_]+")


def phone_file_name(identity: Identity) -> str:
    """The name under which the phone `identity` asks for `PHONE_FILE`, such as `c81fea83e85a.txt`."""
    return expand(PHONE_FILE, identity, MacroPlace.FILE)


def settings_file(
    values: Mapping[str, str],
    *,
    then_get: str | None = None,
    allow_ignored: Collection[str] = (),
    comment: str = "",
    firmware: Firmware | None = None,
) -> bytes:
    """A settings file that sets `values`, by live name and in their order, and last gets `then_get`.

    Raises `Misuse` for a parameter or value that a phone (of `firmware`, where given) would ignore,
    unless `allow_ignored` has its name; and always for what no line can carry.
    """
    lines = _comment(comment)
    lines += [_set(name, value, name in allow_ignored, firmware) for name, value in values.items()]
    return _file(lines, then_get)


def upgrade_file(
    *, software: Mapping[str, Mapping[str, str]] | None = None, then_get: str | None = SETTINGS_FILE, comment: str = ""
) -> bytes:
    """An upgrade file that gives each model (`J179`) its parameters, such as APPNAME, and last gets `then_get`.

    Without `software` no phone is told to change its firmware. Raises `Misuse` as `settings_file` does.
    """
    lines = _comment(comment)
    models = software or {}
    for model in models:
        if not re.fullmatch(r"J1[0-9]{2}", model):
            raise Misuse(f"{model!r} is no MODEL4", key="software", remedy="for example J179")
        lines.append(f"IF $MODEL4 SEQ {model} GOTO {model}_SOFTWARE")
    if models:
        lines.append("GOTO SETTINGS")
    for model, values in models.items():
        lines.append(f"# {model}_SOFTWARE")
        lines += [_set(name, value, False, None) for name, value in values.items()]
        lines.append("GOTO SETTINGS")
    if models:
        lines.append("# SETTINGS")
    return _file(lines, then_get)


def upgrade_file_by_hardware(model: str, told: Mapping[int, Mapping[str, str]]) -> bytes:
    """An upgrade file that gives a model (`J189`) its parameters by version of its hardware, `$HWVERS`.

    Hardware that is not among them has what the last has. Raises `Misuse` as `settings_file` does.
    """
    versions = sorted(told)
    last = told[versions[-1]]
    if all(told[version] == last for version in versions):
        return upgrade_file(software={model: last})
    labels: dict[int, str] = {}
    for version in versions:
        same = next((former for former in labels if told[former] == told[version]), None)
        labels[version] = labels[same] if same is not None else f"{model}_SOFTWARE_{version}"
    lines = [f"IF $MODEL4 SEQ {model} GOTO {model}_SOFTWARE", "GOTO SETTINGS", f"# {model}_SOFTWARE"]
    lines += [f"IF $HWVERS SEQ {version} GOTO {label}" for version, label in labels.items()]
    lines.append(f"GOTO {labels[versions[-1]]}")
    for version, label in labels.items():
        if f"# {label}" not in lines:
            lines += [f"# {label}", *(_set(name, value, False, None) for name, value in told[version].items()), "GOTO SETTINGS"]
    return _file([*lines, "# SETTINGS"], SETTINGS_FILE)


def _file(lines: list[str], then_get: str | None) -> bytes:
    if then_get is not None:
        if not re.fullmatch(r'[^\s"]+', then_get) or not then_get.isascii() or not then_get.isprintable():
            raise Misuse(f"{then_get!r} cannot stand in a GET", key="GET", remedy="a name of ASCII characters without blanks")
        lines = [*lines, f"GET {then_get}"]
    return "".join(f"{line}\n" for line in lines).encode()


def _comment(text: str) -> list[str]:
    lines = [f"## {line}".rstrip() for line in text.splitlines()]
    if not all(line.isprintable() for line in lines):
        raise Misuse("a comment holds control characters", key="comment", remedy="plain text")
    return lines


def _set(name: str, value: str, may_be_ignored: bool, firmware: Firmware | None) -> str:
    if not _NAME.fullmatch(name):
        raise Misuse("is no name of a parameter", key=repr(name), remedy="letters, digits and underscores")
    parameter = find(name)
    if '"' in value or not value.isprintable():
        remedy = "no double quotes, line ends or other control characters"
        raise Misuse("the value cannot be written", key=name, remedy=remedy)
    if not may_be_ignored:
        remedy = "a phone would ignore it; to write it all the same, name it in allow_ignored"
        if parameter is None:
            raise Misuse(why_unknown(name), key=name, remedy=remedy)
        reason = refusal(parameter, value, firmware)
        if reason is not None:
            raise Misuse(f"{Secret(value) if parameter.secret else repr(value)} {reason}", key=name, remedy=remedy)
    line = f'SET {name} "{value}"' if not value or " " in value else f"SET {name} {value}"
    if len(line.encode()) > MAX_LINE:
        raise Misuse(f"makes a line of more than {MAX_LINE} bytes", key=name, remedy="a shorter value")
    return line

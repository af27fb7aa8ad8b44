"""One parameter of the settings file, and why a phone would ignore a value of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from hil.identity import Firmware, MacroPlace

Kind = Literal["text", "choice", "number", "list"]


@dataclass(frozen=True)
class Parameter:
    """A parameter as one of the phone's profiles spells it.

    `base` is its name in profile 1 and `slot` its profile, None where the parameter has no
    profiles. Lengths are in characters, counted before macros are expanded. `choices` maps each
    value of a choice to its meaning; `low` and `high` bound a number, both included; one of the
    macros in `needs_one_of` must occur. `valid` says what is wrong with a value beyond that, or
    None. `value_since` holds values that came later than the parameter. `spellings` are names that
    documents use by mistake and phones do not read.
    """

    name: str
    base: str
    slot: int | None
    kind: Kind
    default: str
    meaning: str
    source: str
    choices: Mapping[str, str] = field(default_factory=dict)
    low: int = 0
    high: int = 0
    min_length: int = 0
    max_length: int = 255
    valid: Callable[[str], str | None] | None = None
    macros: MacroPlace | None = None
    needs_one_of: tuple[str, ...] = ()
    since: Firmware | None = None
    value_since: Mapping[str, Firmware] = field(default_factory=dict)
    spellings: tuple[str, ...] = ()
    secret: bool = False


def refusal(parameter: Parameter, value: str, firmware: Firmware | None = None) -> str | None:
    """Why a phone would ignore `value` for `parameter`, or None where it would take it.

    Without a firmware the newest documents hold. The reason never repeats the value of a secret.
    Invalid values leave the default or former value in place (J100 R4.1.x, Contents of the settings file).
    """
    if firmware is not None and parameter.since is not None and firmware < parameter.since:
        return f"known from firmware {parameter.since}, not in {firmware}"
    if not value.isascii() or not value.isprintable():
        return "must be printable ASCII characters"
    problem = _by_kind(parameter, value)
    if problem is None and parameter.valid is not None:
        problem = parameter.valid(value)
    newer = parameter.value_since.get(value)
    if problem is None and firmware is not None and newer is not None and firmware < newer:
        problem = f"documented from firmware {newer}, not for {firmware}"
    return problem


def _by_kind(parameter: Parameter, value: str) -> str | None:
    match parameter.kind:
        case "choice":
            return None if value in parameter.choices else f"must be one of {', '.join(parameter.choices)}"
        case "number":
            number = int(value) if re.fullmatch(r"-?[0-9]{1,6}", value) else None
            fits = number is not None and parameter.low <= number <= parameter.high
            return None if fits else f"must be a whole number from {parameter.low} to {parameter.high}"
        case "text" | "list":
            return _text(parameter, value)


def _text(parameter: Parameter, value: str) -> str | None:
    if not parameter.min_length <= len(value) <= parameter.max_length:
        return f"has {len(value)} characters, must have {parameter.min_length} to {parameter.max_length}"
    if parameter.needs_one_of and not any(macro in value for macro in parameter.needs_one_of):
        return f"must contain one of {', '.join(parameter.needs_one_of)}"
    return None

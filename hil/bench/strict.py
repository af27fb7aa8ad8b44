"""Strict reading of what a YAML file holds: the first thing wrong becomes one line that says what would be right."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from hil.bench.source import Source
from hil.errors import Misuse

VARIABLE, FILE = "_env", "_file"
"""How a key ends that names the place of a secret: a variable of the environment, or a file."""

_VARIABLE_NAME = re.compile(r"[A-Z_][A-Z0-9_]*")
_MISSPELT = 0.7
"""From which likeness on a key is one of ours, misspelt."""

Place = tuple[str | int, ...]


class Strict(BaseModel):
    """Base of every model of a testbed: unknown keys are refused, nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    @field_validator("*")
    @classmethod
    def _names_a_variable(cls, value: object, info: ValidationInfo) -> object:
        """Where a variable's name belongs, a secret may have been put."""
        return variable_name(value) if isinstance(value, str) and str(info.field_name).endswith(VARIABLE) else value


def variable_name(text: str) -> str:
    """`text`, which has to be a name of a variable; a `ValueError` does not repeat it, for it may be a secret."""
    if not _VARIABLE_NAME.fullmatch(text):
        raise ValueError("is no name of an environment variable: capitals, digits and _, such as HIL_SECRET")
    return text


@dataclass(frozen=True)
class Asked:
    """Beside a field with a default: `hil testbed init` asks for it all the same, where `key` has one of `values`.

    Without a key, always. Keys that must be given are asked for without this.
    """

    key: str | None = None
    values: tuple[str, ...] = ()


Model = TypeVar("Model", bound=BaseModel)


def checked(model: type[Model], raw: object, *, source: Source, at: Place = ()) -> Model:
    """`raw` as a `model`; `Misuse` for the first thing that is wrong, `at` being where `raw` stands in the file."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        path, first = _first(raw, error)
        where = dotted([*at, *path])
        shown = "" if first["type"] == "missing" else _shown(model, path, first)
        raise Misuse(problem_of(first) + shown, file=source, key=where, remedy=_remedy(model, path, first)) from None


def dotted(path: Sequence[str | int]) -> str:
    """`("phones", 1, "mac")` as a reader of the file would write it: `phones[1].mac`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def nearest(word: str, known: Sequence[str]) -> str:
    """A remedy that names the known word most like `word`, or all of them."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else "known here: " + ", ".join(sorted(known))


def _first(raw: object, error: ValidationError) -> tuple[Place, Mapping[str, Any]]:
    """The first thing wrong; where a key may have several shapes, what is wrong with the shape that was meant.

    A key that is missing was misspelt where an unknown one stands beside it.
    """
    found = [(_in_file(raw, each["loc"], missing=each["type"] == "missing"), each) for each in error.errors(include_url=False)]
    start, first = found[0]
    if first["type"] == "missing":
        for path, each in found:
            if each["type"] == "extra_forbidden" and path[:-1] == start[:-1]:
                return path, each
    return max((each for each in found if each[0][: len(start)] == start), key=lambda each: len(each[0]))


def _in_file(raw: object, loc: Place, *, missing: bool) -> Place:
    """`loc` as keys of the file, without pydantic's own names for the shapes that a key may have."""
    path: list[str | int] = []
    here: Any = raw
    for part in loc:
        known = here if isinstance(here, Mapping) else range(len(here)) if isinstance(here, list) else ()
        if part in known:
            here = here[part]
        elif not (missing and part == loc[-1]):
            continue
        path.append(part)
    return tuple(path)


def _shown(model: type[BaseModel], path: Place, first: Mapping[str, Any]) -> str:
    """What stands there; hidden where it may be a secret, or hold one."""
    value, names = first["input"], [part for part in path if isinstance(part, str)]
    if isinstance(value, Mapping | list):
        return f" (a {'mapping' if isinstance(value, Mapping) else 'list'})"
    unknown = first["type"] == "extra_forbidden"
    if names and (_is_place(names[-1]) or (unknown and _may_be_secret(names[-1], _section(model, names[:-1])))):
        return " (value hidden)"
    text = repr(value)
    return f" (value {text if len(text) <= 60 else text[:57] + '...'})"


def _is_place(key: str) -> bool:
    return key.endswith((VARIABLE, FILE))


def _may_be_secret(key: str, section: type[BaseModel]) -> bool:
    """Whether at an unknown key a secret may stand: unless it is one of a section's that has to do with none, misspelt."""
    return _knows_secrets(section) or not difflib.get_close_matches(key, section.model_fields, n=1, cutoff=_MISSPELT)


def _knows_secrets(section: type[BaseModel]) -> bool:
    """Whether the section, or one in it, names the place of a secret."""
    fields = section.model_fields.items()
    return any(_is_place(name) or any(map(_knows_secrets, models_in(field.annotation))) for name, field in fields)


def problem_of(first: Mapping[str, Any]) -> str:
    """One of pydantic's errors in the words of this bench."""
    match first["type"]:
        case "extra_forbidden":
            return "unknown key"
        case "missing":
            return "is missing"
        case "model_type":
            return "is not a mapping of keys to values"
        case "tuple_type":
            return "is not a list"
        case "too_short":
            return f"needs at least {first['ctx']['min_length']}"
        case "too_long":
            return f"takes at most {first['ctx']['max_length']}"
        case _:
            message = str(first["msg"]).removeprefix("Value error, ")
            return message[:1].lower() + message[1:]


def _remedy(model: type[BaseModel], path: Place, first: Mapping[str, Any]) -> str | None:
    names = [part for part in path if isinstance(part, str)]
    field = _section(model, names[:-1]).model_fields.get(names[-1]) if names else None
    wanted = field.description if field else None
    match first["type"]:
        case "extra_forbidden":
            return nearest(names[-1], list(_section(model, names[:-1]).model_fields))
        case "string_type" if isinstance(first["input"], int | float | date):
            return "put it in quotes"
        case "missing":
            return f"add it: {wanted}" if wanted else "add it"
        case _:
            return f"wanted: {wanted}" if wanted else None


def _section(model: type[BaseModel], names: Sequence[str]) -> type[BaseModel]:
    """The model below the keys `names` inside `model`, walking through lists and optional fields."""
    here = model
    for name in names:
        if name not in here.model_fields:
            continue
        inner = models_in(here.model_fields[name].annotation)
        if inner:
            here = inner[0]
    return here


def models_in(annotation: object) -> list[type[BaseModel]]:
    """The models among the shapes that a key may have."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]

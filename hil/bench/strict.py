"""Strict reading of a YAML file: the first thing wrong becomes one line that says what would be right."""

from __future__ import annotations

import difflib
import re
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from hil.errors import Misuse

_LIMIT = 1 << 20
_HIDDEN = re.compile(r"community|passw|secret|token|psk", re.IGNORECASE)


class Strict(BaseModel):
    """Base of every model of a testbed: unknown keys are refused, nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


Model = TypeVar("Model", bound=BaseModel)


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML keeps the last of two equal keys and says nothing; a testbed must not lose a phone that way."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key is a list or a mapping", problem_mark=key.start_mark)
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} stands twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(file: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds; `Misuse` if it cannot be read, is not YAML, or is no mapping."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse(f"cannot be read: {getattr(error, 'strerror', None) or error}", file=file) from error
    if len(text) > _LIMIT:
        raise Misuse(f"is larger than {_LIMIT} characters", file=file)
    try:
        raw = yaml.load(text, _UniqueKeyLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date such as 2026-13-01
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}" if mark else None
        problem = str(getattr(error, "problem", None) or error).partition("\n")[0]
        raise Misuse(f"is not YAML: {problem}", file=file, key=place) from error
    if not isinstance(raw, dict):
        raise Misuse("is not a mapping of keys to values", file=file)
    return raw


def checked(model: type[Model], raw: object, *, file: Path, at: Sequence[str | int] = ()) -> Model:
    """`raw` as a `model`; `Misuse` for the first thing that is wrong, `at` being where `raw` stands in the file."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = dotted([*at, *first["loc"]])
        shown = "" if first["type"] == "missing" else _shown(where, first["input"])
        raise Misuse(_problem(first) + shown, file=file, key=where, remedy=_remedy(model, first)) from None


def dotted(path: Sequence[str | int]) -> str:
    """`("phones", 1, "mac")` as a reader of the file would write it: `phones[1].mac`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def nearest(word: str, known: Sequence[str]) -> str:
    """A remedy that names the known word most like `word`, or all of them."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else "known here: " + ", ".join(sorted(known))


def _shown(where: str, value: object) -> str:
    if _HIDDEN.search(where):
        return " (value hidden)"
    text = repr(value)
    return f" (value {text if len(text) <= 60 else text[:57] + '...'})"


def _problem(first: Mapping[str, Any]) -> str:
    match first["type"]:
        case "extra_forbidden":
            return "unknown key"
        case "missing":
            return "is missing"
        case _:
            message = str(first["msg"]).removeprefix("Value error, ")
            return message[:1].lower() + message[1:]


def _remedy(model: type[BaseModel], first: Mapping[str, Any]) -> str | None:
    match first["type"]:
        case "extra_forbidden":
            return nearest(str(first["loc"][-1]), _keys_at(model, first["loc"][:-1]))
        case "string_type":
            return "put it in quotes"
        case "missing":
            return "add it"
        case _:
            return None


def _keys_at(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """Keys known at `path` inside `model`, walking through lists and optional fields."""
    here = model
    for part in path:
        if isinstance(part, int) or part not in here.model_fields:
            continue
        inner = _models_in(here.model_fields[part].annotation)
        if inner:
            here = inner[0]
    return list(here.model_fields)


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]

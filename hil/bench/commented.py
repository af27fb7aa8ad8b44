"""A testbed as YAML that explains itself: each key with its description, and those left out as comments with their defaults."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hil.bench.strict import models_in

_COLUMN = 32
_WIDTH = 130


def commented(model: type[BaseModel], values: Mapping[str, Any]) -> str:
    """`values` as YAML, in the order of the fields of `model`."""
    return "".join(f"{line}\n" for line in _lines(model, values, ""))


def _lines(model: type[BaseModel], values: Mapping[str, Any], lead: str) -> Iterator[str]:
    """The keys of one mapping; `lead` stands before each line, to indent it or to make it a comment."""
    for key, field in model.model_fields.items():
        if key in values:
            yield from _entry(key, field, values[key], lead)
        elif not field.is_required():
            yield from _left_out(key, field, lead)


def _entry(key: str, field: FieldInfo, value: object, lead: str) -> Iterator[str]:
    models = models_in(field.annotation)
    match value:
        case Mapping() if models:
            yield from _explained(f"{lead}{key}:", field, lead)
            yield from _lines(models[0], value, f"{lead}  ")
        case [Mapping(), *_] if models:
            yield from _explained(f"{lead}{key}:", field, lead)
            for number, each in enumerate(value):
                yield from _item(models[0], each, f"{lead}  ", explained=number == 0)
        case _:
            yield from _explained(f"{lead}{key}: {_flow(value)}", field, lead)


def _item(model: type[BaseModel], values: Any, lead: str, *, explained: bool) -> Iterator[str]:
    """An item of a list, a line for each key; they are explained once, at the first item."""
    start = f"{lead}- "
    for key, field in model.model_fields.items():
        if key in values:
            text = f"{start}{key}: {_flow(values[key])}"
            yield from _explained(text, field, f"{lead}  ") if explained else (text,)
            start = f"{lead}  "
    if explained:
        for key, field in model.model_fields.items():
            if key not in values:
                yield from _left_out(key, field, f"{lead}  ")


def _left_out(key: str, field: FieldInfo, lead: str) -> Iterator[str]:
    """A key with its default, as a comment."""
    default = field.get_default(call_default_factory=True)
    plain = default.model_dump(mode="json") if isinstance(default, BaseModel) else default
    yield from _entry(key, field, plain, lead if "#" in lead else f"{lead}# ")


def _explained(text: str, field: FieldInfo, lead: str) -> Iterator[str]:
    """The line with its description behind it, or above it where both are too long for one line."""
    line = f"{text:<{_COLUMN}}  # {field.description}"
    if len(line) <= _WIDTH:
        yield line
        return
    above = lead if "#" in lead else f"{lead}# "
    yield from textwrap.wrap(str(field.description), _WIDTH, initial_indent=above, subsequent_indent=above)
    yield text


def _flow(value: object) -> str:
    """In one line, and in quotes where YAML would take it for something else."""
    plain = list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(plain, default_flow_style=True, allow_unicode=True, width=10_000).strip().removesuffix("\n...")

"""Questions made from the fields of a testbed's models: each is its key and description, each answer is checked by the model."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin

import typer
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from hil.bench.strict import Asked, models_in, nearest, problem_of, variable_name
from hil.errors import Misuse

Answers = dict[str, Any]
Read = TypeVar("Read")

TRIES = 10
"""How often one thing is asked before the interview ends."""

NONE = "none"
"""The answer that leaves a key out."""


def ask_for(model: type[BaseModel], at: str, given: Answers, defaults: Mapping[str, object] | None = None) -> Answers:
    """Answers for each field of `model` that has to be given, or is marked `Asked`; `at` is where it stands in the testbed."""
    said = dict(given)
    for key, field in model.model_fields.items():
        if key in said or not _wanted(field, said):
            continue
        where = f"{at}.{key}".lstrip(".")
        inner = models_in(field.annotation)
        if key.endswith("_env"):
            said |= _secret(model, key, at)
        elif inner and (field.is_required() or field.default is None) and not _choices(field.annotation):
            if field.is_required() or agreed(f"{where}: {field.description}. Describe it?", default=False):
                said[key] = ask_for(inner[0], where, {})
        else:
            answer = ask(model, key, at, (defaults or {}).get(key))
            said |= {} if answer is None else {key: answer}
    return said


def _wanted(field: FieldInfo, said: Answers) -> bool:
    marks = [mark for mark in field.metadata if isinstance(mark, Asked)]
    return field.is_required() or any(mark.key is None or str(said.get(mark.key)) in mark.values for mark in marks)


def _secret(model: type[BaseModel], key: str, at: str) -> Answers:
    """Where a secret will be found; the secret itself is never asked for."""
    what, of = key.removesuffix("_env"), "switch" if at == "power" else at.rpartition(".")[2]
    typer.echo(f"{at}.{what}: {model.model_fields[key].description}, or a file; the secret itself never stands in a testbed")
    place = until_right(f"{at}.{what} comes from (env, file, {NONE})", "env", lambda text: one_of(text, ["env", "file", NONE]))
    if place == NONE:
        return {}
    if place == "file":
        return {f"{what}_file": until_right(f"{at}.{what}_file", f"{of}-{what}", str)}
    return {key: until_right(f"{at}.{key}", f"HIL_{of}_{what}".upper(), variable_name)}


def ask(model: type[BaseModel], key: str, at: str = "", default: object = None) -> Any:
    """The answer as the testbed will have it; None where the key is left out. `default` stands in for the model's own."""
    field = model.model_fields[key]
    where = f"{at}.{key}".lstrip(".")
    preset = field.default if default is None and not field.is_required() else default
    choices = _choices(field.annotation)
    question = f"{where}: {field.description}" + (f" ({', '.join(choices)})" if choices else "")
    if field.annotation is bool:
        return agreed(question, default=bool(preset))
    optional = not field.is_required() and field.default is None
    shown = NONE if preset is None and optional else preset

    def read(text: str) -> Any:
        if optional and text == NONE:
            return None
        value = shlex.split(text) if get_origin(field.annotation) is tuple else text
        problem = problem_with(model, key, value)
        if problem is not None:
            raise ValueError(problem)
        shape: Any = field.annotation
        adapter: TypeAdapter[Any] = TypeAdapter(shape)
        return adapter.dump_python(adapter.validate_python(value), mode="json")

    return until_right(question, shown, read)


def until_right(question: str, default: object, read: Callable[[str], Read]) -> Read:
    """What `read` makes of the answer; asked again where that is a `ValueError`, and `Misuse` after `TRIES` tries."""
    for _ in range(TRIES):
        text = typer.prompt(question, default="" if default is None else str(default), show_default=default is not None).strip()
        try:
            if not text:
                raise ValueError("needs an answer")
            return read(text)
        except ValueError as error:
            typer.echo(f"  {error}")
    raise Misuse(f"no right answer in {TRIES} tries", key=question.partition(":")[0], remedy="see docs/testbed.md")


def agreed(question: str, *, default: bool) -> bool:
    """Whether the answer is yes."""
    return until_right(f"{question} (y, n)", "y" if default else "n", lambda text: one_of(text.lower()[:1], ["y", "n"])) == "y"


def problem_with(model: type[BaseModel], key: str, value: object) -> str | None:
    """What `model` has against this value of this key, whatever else it lacks."""
    try:
        model.model_validate({key: value})
    except ValidationError as error:
        for each in error.errors(include_url=False):
            if each["loc"][:1] == (key,):
                return problem_of(each)
    return None


def one_of(text: str, known: list[str]) -> str:
    """`text`, which has to be a known word."""
    if text not in known:
        raise ValueError(f"{text!r} is none of these; {nearest(text, known)}")
    return text


def _choices(annotation: object) -> list[str]:
    if get_origin(annotation) is Literal:
        return [str(each) for each in get_args(annotation)]
    return [choice for part in get_args(annotation) for choice in _choices(part)]

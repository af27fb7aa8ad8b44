"""A CA's answer as a command line spells it."""

from __future__ import annotations

import ast
from inspect import signature
from typing import Literal, get_args, get_origin, get_type_hints

from hil.scenario import Answer

_LONGEST_TEXT = 1000


def read_answer(text: str) -> Answer:
    """The answer that `text` spells as Python would, such as `Drip(64, of=HttpError(503))`; nothing is evaluated.

    `ValueError` says what is wrong.
    """
    if len(text) > _LONGEST_TEXT:
        raise ValueError(f"an answer of {len(text)} characters; at most {_LONGEST_TEXT} are read")
    if "\0" in text:
        raise ValueError(f"{text[:60]!r} is no answer: it holds a null character")
    try:
        value = _value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"{text[:60]!r} is no answer: {error.args[0]}") from error
    if not isinstance(value, Answer):
        raise ValueError(f"{text[:60]!r} is no answer; write for example Issue() or Reset('during', of=Reject('badTime'))")
    return value


def _value(node: ast.expr) -> object:
    match node:
        case ast.Constant(str() | int() | float() | None as value):
            return value
        case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() as number)):
            return -number
        case ast.Call(ast.Name(name)):
            return _answer(name, node)
    raise ValueError(f"{ast.unparse(node)!r} is neither an answer, nor a text, a number or None")


def _answer(name: str, call: ast.Call) -> object:
    kinds = {kind.__name__: kind for kind in get_args(Answer)}
    kind = kinds.get(name)
    if kind is None:
        raise ValueError(f"there is no answer {name}; there are {', '.join(sorted(kinds))}")
    given = {word.arg: _value(word.value) for word in call.keywords if word.arg}
    if len(given) < len(call.keywords):
        raise ValueError(f"{name}: each parameter is named once, without **")
    try:
        bound = signature(kind).bind(*map(_value, call.args), **given)
    except TypeError as error:
        raise ValueError(f"{name}: {error}") from error
    hints = get_type_hints(kind)
    for parameter, value in bound.arguments.items():
        if not _fits(value, hints[parameter]):
            raise ValueError(f"{name}: {parameter} cannot be {value!r}")
    built: object = kind(*bound.args, **bound.kwargs)
    return built


def _fits(value: object, hint: object) -> bool:
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_args(hint):
        return any(_fits(value, one) for one in get_args(hint))
    if isinstance(value, bool):
        return False
    wanted = (int, float) if hint is float else hint
    return isinstance(value, wanted)  # type: ignore[arg-type]  # hints of answers are classes, where they are no unions

"""A YAML file and the lines of its keys, so that an error can name the line to change."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from hil.errors import Misuse

_LIMIT = 1 << 20
_REMEDY = "hil testbed init writes one"
_PART = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


class Source:
    """A file as errors name it: give it to `Misuse` as the file, and the error has the line of its key too."""

    def __init__(self, file: Path, root: yaml.Node | None = None) -> None:
        self.file = file
        self._root = root

    def __str__(self) -> str:
        return str(self.file)

    def line_of(self, key: str) -> int | None:
        """Line of `phones[1].mac`, or of the nearest thing around it that stands in the file; None if nothing was read."""
        node, line = self._root, None if self._root is None else self._root.start_mark.line + 1
        for index, name in _PART.findall(key):
            match node:
                case yaml.MappingNode() if name:
                    found = [(at, value) for at, value in node.value if at.value == name]
                case yaml.SequenceNode() if index and int(index) < len(node.value):
                    found = [(node.value[int(index)], node.value[int(index)])]
                case _:
                    break
            if not found:
                break
            at, node = found[0]
            line = at.start_mark.line + 1
        return line


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


def read_text(file: Path) -> str:
    """What stands in `file`; `Misuse` if it cannot be read or is no text."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse(f"cannot be read: {getattr(error, 'strerror', None) or error}", file=file, remedy=_REMEDY) from error


def parse_yaml(text: str, file: Path) -> tuple[dict[str, Any], Source]:
    """The mapping that the text of a YAML file is; `Misuse` if it is not YAML, or is no mapping."""
    if len(text) > _LIMIT:
        raise Misuse(f"is larger than {_LIMIT} characters", file=file, remedy=_REMEDY)
    loader = _UniqueKeyLoader(text)
    try:
        root = loader.get_single_node()
        raw = None if root is None else loader.construct_document(root)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date such as 2026-13-01
        mark = getattr(error, "problem_mark", None)
        place = f"{file}:{mark.line + 1}" if mark else file
        problem = str(getattr(error, "problem", None) or error).partition("\n")[0]
        raise Misuse(f"is not YAML: {problem}", file=place, remedy="correct it there") from error
    finally:
        loader.dispose()
    if not isinstance(raw, dict):
        raise Misuse("is not a mapping of keys to values", file=file, remedy=_REMEDY)
    return raw, Source(file, root)

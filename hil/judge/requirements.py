"""The requirements: one statement of the documents each, in a YAML file beside the tests that judge them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from hil.errors import Misuse
from hil.identity import Firmware
from hil.judge.findings import known_fact

FILE = "requirements.yaml"


class Requirement(BaseModel):
    """A statement in own words, where it stands, the facts it is about, and the firmware it holds from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    place: str
    basis: Literal["documented", "standard", "characterised"]
    facts: tuple[str, ...]
    since: str | None = None


Requirements = Mapping[str, Requirement]


def load(file: Path) -> Requirements:
    """Read a requirements file, id to requirement; `Misuse` names the id and key that are wrong."""
    try:
        raw = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise Misuse(f"cannot be read: {error}", file=file) from error
    try:
        requirements = TypeAdapter(dict[str, Requirement]).validate_python(raw)
    except ValidationError as error:
        first = error.errors()[0]
        raise Misuse(first["msg"], file=file, key=".".join(map(str, first["loc"]))) from None
    for identifier, requirement in requirements.items():
        try:
            Firmware(requirement.since or "0.0")
        except Misuse as misuse:
            raise Misuse(misuse.problem, file=file, key=f"{identifier}.since", remedy=misuse.remedy) from None
        for fact in requirement.facts:
            try:
                known_fact(fact)
            except Misuse as misuse:
                raise Misuse(misuse.problem, file=file, key=f"{identifier}.facts", remedy=misuse.remedy) from None
    return requirements


def beside(test_file: Path, root: Path) -> Requirements:
    """The requirements of the nearest file in the test's folder or one above it, up to `root`; none where there is none."""
    for folder in test_file.parents:
        if (folder / FILE).is_file():
            return load(folder / FILE)
        if folder == root:
            break
    return {}

"""What a model and firmware does where no document says: facts with their proof, in a file that people can read and compare.

The file is YAML: one entry for each fact of the rule table, and one for each case where a fact was seen in several
(`ungranted.asked_again [badAlg]`). MAC address and serial number of the phone stand in it as `<MAC>` and `<SERIAL>`, so
that two phones of one model and firmware have equal files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from hil.errors import Misuse
from hil.judge.rules import RULES, SPAN_FACTOR, SPAN_UNITS, SPANS_APART

MOST_BYTES = 1_000_000


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Proof(_Frozen):
    """Where a fact was seen: a capture of the run, named from the run's folder, a frame of it, and the instant in phone time."""

    capture: str
    frame: int
    time: datetime


class Behaviour(_Frozen):
    """The undocumented facts of a model and firmware, as one run saw them on one phone."""

    class Fact(_Frozen):
        """A fact's value, its unit if it is a measure, and its proof; `values` where the run saw it differ."""

        value: JsonValue
        unit: str = ""
        differs: bool = False
        proof: Proof | None = None

    format: Literal[1] = 1
    model: str
    firmware: str | None
    phone: str
    run: str
    testbed: str
    rate: float
    facts: Mapping[str, Fact]
    unknown: Mapping[str, str] = {}
    """Facts that were looked for and not seen, each with the reason."""

    def save(self, file: Path) -> Path:
        """Write the file in one step, so that a reader finds all of it or none."""
        draft = file.with_name(f"{file.name}.part")
        told = self.model_dump(mode="json", exclude_defaults=True) | {"format": self.format}
        draft.write_text(yaml.safe_dump(told, sort_keys=False, allow_unicode=False, width=120), encoding="ascii")
        draft.replace(file)
        return file

    @classmethod
    def load(cls, file: Path) -> Behaviour:
        """Read a behaviour file; `Misuse` names the key that is wrong."""
        try:
            with file.open("rb") as stream:
                text = stream.read(MOST_BYTES + 1)
            if len(text) > MOST_BYTES:
                raise Misuse(f"has more than {MOST_BYTES} bytes", file=file, remedy="name a behaviour file")
            return cls.model_validate(yaml.safe_load(text))
        except OSError as error:
            raise Misuse(f"cannot be read: {error.strerror}", file=file, remedy="hil characterise writes one") from error
        except yaml.YAMLError as error:
            raise Misuse("is no YAML", file=file, remedy="hil characterise writes one") from error
        except ValidationError as error:
            first: Any = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            raise Misuse(first["msg"], file=file, key=key, remedy="hil characterise writes one") from None


class Difference(NamedTuple):
    """A fact that two behaviours do not share; None where one of them does not have it."""

    fact: str
    before: Behaviour.Fact | None
    after: Behaviour.Fact | None


def differences(before: Behaviour, after: Behaviour) -> tuple[Difference, ...]:
    """The facts in which two behaviours differ, by name; one that neither run saw is no difference."""
    names = sorted({*before.facts, *after.facts})
    pairs = (Difference(name, before.facts.get(name), after.facts.get(name)) for name in names)
    return tuple(pair for pair in pairs if pair.before is None or pair.after is None or not _same(pair.before, pair.after))


def _same(one: Behaviour.Fact, other: Behaviour.Fact) -> bool:
    """Whether two values are of one behaviour: equal, or spans that are not further apart than the rules allow."""
    second = SPAN_UNITS.get(one.unit)
    if second is None or not isinstance(one.value, int | float) or not isinstance(other.value, int | float):
        return one.value == other.value
    less, more = sorted((one.value * second, other.value * second))
    return more - less <= SPANS_APART or more <= SPAN_FACTOR * less


def unit_of(fact: str) -> str:
    """The unit of a fact, whatever its case; none where the rule table does not have it."""
    rule = RULES.get(fact.partition(" ")[0])
    return rule.unit if rule else ""


def anonymous(value: JsonValue, mac: str, serial: str) -> JsonValue:
    """The value with the phone's MAC address and serial number replaced, whatever their letter case."""
    match value:
        case str():
            digits = "[:.-]?".join(re.findall("[0-9a-f]{2}", mac.lower()))
            hidden = re.sub(digits, "<MAC>", value, flags=re.IGNORECASE)
            return re.sub(re.escape(serial), "<SERIAL>", hidden, flags=re.IGNORECASE)
        case list():
            return [anonymous(part, mac, serial) for part in value]
        case _:
            return value

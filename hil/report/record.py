"""The record of a run, `record.json`: the one source of truth that every report is made from.

Everything in it is plain data. Paths are relative to the run's folder, times are UTC, spans are
phone seconds. No secret is ever in it; text that came over the wire is in it as it was seen.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from hil.errors import Misuse
from hil.judge.verdict import Verdict
from hil.report.files import write_whole

FILE = "record.json"
LATEST = "latest"


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _relative(path: str) -> str:
    if not path or "\\" in path or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ValueError("is not a path inside the run's folder")
    return path


def _name(text: str) -> str:
    if not text or text in (".", "..") or "/" in text or "\\" in text:
        raise ValueError("is not the name of a run")
    return text


Instant = Annotated[AwareDatetime, AfterValidator(_utc)]
RunPath = Annotated[str, AfterValidator(_relative)]
RunName = Annotated[str, AfterValidator(_name)]
Seconds = Annotated[float, Field(allow_inf_nan=False)]
Slot = Annotated[int, Field(ge=1, le=3)]
Ordinal = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Testbed(_Part):
    """The bench of the run; `rate` is phone seconds in one real second, `file` the testbed file's bare name."""

    __test__ = False  # pytest would otherwise take the class for a test

    name: str
    file: str
    kind: str
    rate: Seconds


class Run(_Part):
    """The run as a whole; `finished` and `exit_code` are None in a record that was saved before its end."""

    id: RunName
    started: Instant
    finished: Instant | None = None
    seconds: Seconds
    exit_code: int | None = None
    exit_text: str
    interrupted: bool = False
    replay_of: RunName | None = None
    testbed: Testbed
    versions: dict[str, str]


class Recovery(_Part):
    """A port that an earlier run left without power and this one powered again."""

    phone: str
    port: str
    turned_off: Instant
    powered: Instant
    text: str


class Phone(_Part):
    """A phone under test; `firmware` is None where none was observed."""

    name: str
    model: str
    mac: str
    serial: str
    firmware: str | None = None


class Requirement(_Part):
    """One statement of the documents: where it stands, what it rests on, the first firmware it holds for, its facts."""

    id: str
    title: str
    place: str
    basis: Literal["documented", "standard", "characterised"]
    since: str | None = None
    facts: tuple[str, ...] = ()


class InCapture(_Part):
    """Proof in a capture: `frame` as Wireshark numbers it, `time` as captured."""

    file: RunPath
    frame: Ordinal
    time: Instant


class InLog(_Part):
    """Proof in a log of the bench: line, counted from 1, and its time."""

    file: RunPath
    line: Ordinal
    time: Instant


Where = InCapture | InLog


class Finding(_Part):
    """One fact compared; a value of None with no `…_seen` was not observed."""

    fact: str
    phone: JsonValue = None
    phone_seen: Where | None = None
    reference: JsonValue = None
    reference_seen: Where | None = None
    expected: JsonValue = None
    rule: str
    source: str
    reason: str | None = None
    verdict: Verdict


class Mate(_Part):
    """A scenario that shared the sitting in another slot."""

    slot: Slot
    scenario: str


class Confirmation(_Part):
    """What became of a deviation when its scenario was played once more, alone."""

    sitting: str
    verdict: Verdict
    reason: str | None = None


class Test(_Part):
    """One test on one phone, with what was found; `sitting` is None where no evidence was asked for."""

    __test__ = False

    id: str
    name: str
    phone: str
    requirements: tuple[str, ...] = ()
    verdict: Verdict
    reason: str | None = None
    seconds: Seconds
    sitting: str | None = None
    slot: Slot | None = None
    mates: tuple[Mate, ...] = ()
    confirmation: Confirmation | None = None
    findings: tuple[Finding, ...] = ()


class SlotScenario(_Part):
    """What one profile was told."""

    slot: Slot
    text: str


class ServedFile(_Part):
    """A file that the bench served: the path asked for, and the copy that was kept."""

    path: str
    file: RunPath


class Span(_Part):
    """Something that lasted from `begin` to `end`, phone seconds since power-on; an instant has both equal."""

    lane: Literal["phone", "reference"]
    slot: Slot | None = None
    label: str
    begin: Seconds
    end: Seconds
    frame: Ordinal | None = None


class Boot(_Part):
    """One power cycle and the evidence it left; `capture` and `events` are None where none was begun."""

    index: Ordinal
    kind: Literal["clear", "main", "restart", "change", "control"]
    started: Instant
    ended: Instant | None = None
    capture: RunPath | None = None
    events: RunPath | None = None
    complete: bool
    problems: tuple[str, ...] = ()
    packets: Count = 0
    drops: Count = 0
    served: tuple[ServedFile, ...] = ()
    timeline: tuple[Span, ...] = ()


class Sitting(_Part):
    """The boots that up to three scenarios of one phone shared; `leapt` phone seconds of them were over at once."""

    id: str
    phone: str
    scenarios: tuple[SlotScenario, ...] = ()
    boots: tuple[Boot, ...] = ()
    leapt: Seconds = 0.0


class Stray(_Part):
    """Traffic that fits no scenario and is blamed on nobody."""

    sitting: str | None = None
    text: str


class Fault(_Part):
    """A misbehaviour of the bench, never the phone's."""

    phone: str | None = None
    sitting: str | None = None
    text: str


class NotApplicable(_Part):
    """A test that this testbed, model or firmware cannot show, and why."""

    test: str
    reason: str


class Record(_Part):
    """All that a run came to."""

    format: Literal[1] = 1
    run: Run
    recoveries: tuple[Recovery, ...] = ()
    warnings: tuple[str, ...] = ()
    """What the lab should see to before long."""
    phones: tuple[Phone, ...]
    requirements: tuple[Requirement, ...]
    tests: tuple[Test, ...]
    sittings: tuple[Sitting, ...]
    behaviours: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)
    strays: tuple[Stray, ...] = ()
    faults: tuple[Fault, ...] = ()
    counts: dict[Verdict, Count]
    not_applicable: tuple[NotApplicable, ...] = ()

    @classmethod
    def load(cls, run_dir: Path) -> Self:
        """The record in `run_dir`; Misuse names file and key of what is missing or wrong."""
        path = run_dir / FILE
        try:
            text = path.read_bytes()
        except OSError as error:
            remedy = "give the folder of a run, such as reports/latest"
            raise Misuse(f"cannot be read: {error.strerror}", file=path, remedy=remedy) from error
        try:
            return cls.model_validate_json(text, strict=True)
        except ValidationError as error:
            raise _misuse(path, error) from error

    def save(self, run_dir: Path) -> Path:
        """Write the record into `run_dir` so that a reader finds the former one or this one, never half of it."""
        run_dir.mkdir(parents=True, exist_ok=True)
        return write_whole(run_dir / FILE, self.model_dump_json(indent=1).encode() + b"\n")


def _misuse(path: Path, error: ValidationError) -> Misuse:
    first: Any = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"]) or None
    if first["type"] == "json_invalid":
        return Misuse(first["msg"], file=path, remedy="the file was cut or edited; take the run's own copy")
    if key == "format":
        return Misuse(f"format {first['input']!r} is not known", file=path, key=key, remedy="this version reads format 1")
    told = "" if first["type"] == "missing" else f", found {str(first['input'])[:80]!r}"
    return Misuse(first["msg"] + told, file=path, key=key, remedy="the file was edited; take the run's own copy")


def point_latest(run_dir: Path) -> Path:
    """Make `latest`, beside `run_dir`, a relative symlink to it; Misuse where a file or folder holds that name."""
    link = run_dir.parent / LATEST
    if link.exists() and not link.is_symlink():
        raise Misuse("is not a symlink, so it cannot point to the newest run", file=link, remedy="move it away")
    draft = run_dir.parent / f".{LATEST}.{os.getpid()}"
    draft.unlink(missing_ok=True)
    draft.symlink_to(run_dir.name, target_is_directory=True)
    draft.replace(link)
    return link

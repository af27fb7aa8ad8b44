"""One finding of a run as one archive: what it rests on, the keys to read it, and the tests that judge it again."""

from __future__ import annotations

import gzip
import io
import json
import os
import shlex
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from hil.errors import Misuse
from hil.evidence import SittingManifest
from hil.judge.requirements import FILE as REQUIREMENTS
from hil.judge.withheld import FILE as PASSWORDS
from hil.judge.withheld import placeholder
from hil.report.record import FILE as RECORD
from hil.report.record import Record, Test
from hil.settings.language import password_in

RUN: Final = "run"
KEYS, EVIDENCE, LEDGER = "keys", "evidence", "ca/ca-ledger.jsonl"
INI: Final = "[pytest]\naddopts = --strict-markers --import-mode=importlib -p no:cacheprovider\n"
PRIVATE, OPEN = 0o600, 0o644
BEST: Final = 9
_NO_SECRETS: Final = ("", "$SERIALNO", "$MACADDR", "$MACADDR_UPPER")
"""What may stand for a password and tells nothing: null, or a macro alone."""


@dataclass
class Withheld:
    """The passwords that were taken out of settings files, by what stands there instead."""

    passwords: dict[str, str] = field(default_factory=dict)

    def without(self, content: bytes) -> bytes:
        """A settings file with a placeholder for each password."""
        return b"".join(self._line(line) for line in content.splitlines(keepends=True))

    def _line(self, raw: bytes) -> bytes:
        text = raw.decode("utf-8", "surrogateescape")
        found = password_in(text)
        password = found[1:-1] if len(found) > 1 and found[0] == found[-1] == '"' else found
        if password in _NO_SECRETS:
            return raw
        known = {kept: name for name, kept in self.passwords.items()}
        name = known.get(password) or placeholder(len(self.passwords) + 1)
        self.passwords[name] = password
        before, _, after = text.rpartition(password)
        return f"{before}{name}{after}".encode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class Finding:
    """A test of a run, and where its evidence is."""

    run: Path
    record: Record
    test: Test

    @property
    def sittings(self) -> tuple[Path, ...]:
        """The folders of its sitting and of the one that confirmed it; where it came to none, of all of its phone."""
        names = {self.test.sitting, self.test.confirmation.sitting if self.test.confirmation else None} - {None}
        folders = sorted(file.parent for file in (self.run / EVIDENCE / self.test.phone).glob("*/manifest.json"))
        return tuple(folder for folder in folders if not names or SittingManifest.load(folder).sitting in names)

    @property
    def own_record(self) -> Record:
        """The record with nothing but this test in it."""
        record, test = self.record, self.test
        sittings = {folder.name for folder in self.sittings} | {test.sitting}
        return record.model_copy(
            update={
                "tests": (test,),
                "phones": tuple(phone for phone in record.phones if phone.name == test.phone),
                "requirements": tuple(known for known in record.requirements if known.id in test.requirements),
                "sittings": tuple(each for each in record.sittings if each.phone == test.phone and each.id in sittings),
                "recoveries": tuple(each for each in record.recoveries if each.phone == test.phone),
                "faults": tuple(each for each in record.faults if each.phone in (test.phone, None)),
                "strays": tuple(each for each in record.strays if each.sitting in sittings),
                "behaviours": {test.phone: record.behaviours[test.phone]} if test.phone in record.behaviours else {},
                "not_applicable": tuple(each for each in record.not_applicable if each.test == test.id),
                "counts": {test.verdict: 1},
            }
        )

    @property
    def command(self) -> str:
        """What judges it again, in the unpacked folder."""
        return shlex.join(["python", "-m", "pytest", self.test.id, "--replay", RUN, "--report-dir", "replayed"])


def find(run: Path, wanted: str) -> Finding:
    """The test whose id is `wanted`, or alone has it as a part; `Misuse` where there is none, or several."""
    record = Record.load(run)
    found = [test for test in record.tests if test.id == wanted] or [test for test in record.tests if wanted in test.id]
    if len(found) != 1:
        some = ", ".join(test.id for test in (found or record.tests)[:10])
        problem = f"{len(found)} tests of {run.name} have {wanted!r} in their id"
        raise Misuse(problem, key="FINDING", remedy=f"name one, such as {some}" if some else "that run has none: name another")
    finding = Finding(run, record, found[0])
    if not finding.sittings:
        raise Misuse("left no evidence", file=run, key="FINDING", remedy="the report says why; there is nothing to judge again")
    return finding


def contents(finding: Finding, tests: Path, readme: str) -> Iterator[tuple[str, bytes, int]]:
    """Name, content and mode of each file of the bundle; `tests` is the folder that test ids start at."""
    withheld = Withheld()
    run = finding.run
    for folder in finding.sittings:
        for file in _files(folder):
            content = file.read_bytes()
            if file.parent != folder:  # it was served, be it in a boot that came to no end and is not in the manifest
                content = withheld.without(content)
            yield f"{RUN}/{file.relative_to(run)}", content, PRIVATE if file.suffix == ".keys" else OPEN
    for file in _files(run / KEYS):
        yield f"{RUN}/{file.relative_to(run)}", file.read_bytes(), PRIVATE
    yield f"{RUN}/{KEYS}/{PASSWORDS}", json.dumps(withheld.passwords, indent=1).encode() + b"\n", PRIVATE
    yield f"{RUN}/{LEDGER}", b"".join(_ledger_of(run / LEDGER, finding.test.phone)), OPEN
    yield f"{RUN}/{RECORD}", finding.own_record.model_dump_json(indent=1).encode() + b"\n", OPEN
    yield from _sources(finding.test, tests)
    yield "pytest.ini", INI.encode(), OPEN
    yield "README.md", readme.encode(), OPEN


def pack(files: Iterator[tuple[str, bytes, int]], archive: Path, *, moment: int, limit: int) -> int:
    """Write the files into a `.tar.gz` that is the same each time, its own folder around them; how many octets it holds.

    All files get the time `moment` (seconds since 1970). `Misuse` where they have more than `limit` octets.
    """
    inside = archive.name.removesuffix(".tar.gz")
    held: dict[str, tuple[bytes, int]] = {}
    size = 0
    for name, content, mode in files:
        held[name] = content, mode
        size += len(content)
        if size > limit:
            _refuse(held, limit)
    draft = archive.with_name(f".{archive.name}.part")
    with ExitStack() as closing:
        output = closing.enter_context(os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE), "wb"))
        packed = closing.enter_context(gzip.GzipFile("", "wb", BEST, output, mtime=0))
        tar = closing.enter_context(tarfile.open(fileobj=packed, mode="w"))
        for name, (content, mode) in sorted(held.items()):
            entry = tarfile.TarInfo(f"{inside}/{name}")
            entry.size, entry.mode, entry.mtime = len(content), mode, moment
            tar.addfile(entry, io.BytesIO(content))
    draft.replace(archive)
    return size


def _refuse(held: Mapping[str, tuple[bytes, int]], limit: int) -> None:
    largest = sorted(held, key=lambda name: len(held[name][0]), reverse=True)[:3]
    shown = ", ".join(f"{name} ({len(held[name][0]) / 2**20:.1f} MiB)" for name in largest)
    problem = f"what the finding rests on is larger than {limit / 2**20:g} MiB"
    raise Misuse(problem, key="--limit", remedy=f"allow more; the largest of it so far: {shown}")


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


def _ledger_of(ledger: Path, phone: str) -> Iterator[bytes]:
    """The lines of the CA's ledger about the phone and its reference."""
    for line in ledger.read_bytes().splitlines(keepends=True) if ledger.exists() else ():
        if line.endswith(b"\n") and json.loads(line)["device"] in (phone, f"{phone}.reference"):
            yield line


def _sources(test: Test, tests: Path) -> Iterator[tuple[str, bytes, int]]:
    """The file of the test, and what pytest and the requirements read beside and above it."""
    name = PurePosixPath(test.id.partition("::")[0])
    if not (tests / name).is_file():
        raise Misuse(
            "there is no such file of tests", file=tests / name, key="--tests", remedy="name the folder that test ids start at"
        )
    yield str(name), (tests / name).read_bytes(), OPEN
    for folder in name.parents:
        for beside in ("conftest.py", REQUIREMENTS):
            if (tests / folder / beside).is_file():
                yield str(folder / beside), (tests / folder / beside).read_bytes(), OPEN

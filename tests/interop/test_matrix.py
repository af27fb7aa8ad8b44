"""Which client can do what at which server: clients and servers of other houses, and the bench's own.

What is known to go wrong is shown to go wrong in just the way that is known (`interop_known.py`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from interop_cells import ENROL, OPERATIONS, Cell, cells, load
from interop_judge import Astray, Judge, keys
from interop_known import KNOWN
from interop_seats import SERVERS, missing_programs

from hil.capture.transcript import read_capture

ROOT = Path(__file__).resolve().parents[2]
PLAY = Path(__file__).with_name("interop_play.py")
CELLS = list(cells())
Marks = dict[Cell, str | Astray]


@pytest.fixture(scope="module")
def judge(own_network: list[str], tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """Who saw every cell played, once, in a network of their own."""
    if missing := missing_programs():
        pytest.skip(f"not installed: {', '.join(missing)}")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for _ in range(2):
        folder = tmp_path_factory.mktemp("matrix")
        command = [*own_network, sys.executable, str(PLAY), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment, check=False)
        if "the clock of this PC was set" not in done.stderr:
            break  # else it is played once more: a host may set the clock of its virtual machine at any time
    assert done.returncode == 0, done.stderr[-3000:]
    played = load(folder / "played.json")
    transcript = read_capture(folder / "wire.pcapng", keys=keys(played.values(), folder))
    assert transcript.problems == ()
    return Judge(played, transcript.exchanges)


@pytest.fixture(scope="module")
def marks(judge: Judge) -> Marks:
    """What the judge says of each cell."""
    return judge.marks(CELLS)


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_each_cell_is_as_it_is_known_to_be(marks: Marks, cell: Cell) -> None:
    mark = marks[cell]
    if isinstance(mark, Astray):
        raise mark


def test_everything_known_is_met_somewhere(marks: Marks) -> None:
    assert set(KNOWN) <= set(marks.values())


def test_the_judge_is_not_deceived(judge: Judge) -> None:
    enrolled, failed = Cell("pki", "rfc8894", ENROL), Cell("pki", "ndes", ENROL)
    other = judge.played[Cell("scepclient", "rfc8894", ENROL)]
    deceptions: list[tuple[Cell, dict[str, Any], str]] = [
        (enrolled, {"got": other.got}, "not for the client's key"),
        (enrolled, {"anchor": judge.played[failed].anchor}, "not the CA's"),
        (enrolled, {"common_name": "another"}, "the certificate is for"),
        (enrolled, {"ledger": ()}, "the CA's ledger has"),
        (enrolled, {"ledger": (("PKCSReq SUCCESS", "1"),)}, "the CA's ledger has"),
        (enrolled, {"got": None, "code": 1}, "it got nothing"),
        (enrolled, {"code": 1}, "it ended with 1"),
        (enrolled, {"ended": judge.played[enrolled].began}, "on the wire ()"),
        (failed, {"got": other.got, "code": 0}, "known to fail"),
        (failed, {"said": "Segmentation fault"}, "not fail as it is known to"),
    ]
    for cell, changes, complaint in deceptions:
        deceived = Judge({**judge.played, cell: replace(judge.played[cell], **changes)}, judge.exchanges)
        assert complaint in str(deceived.marks([cell])[cell])


def test_the_matrix_is_printed(marks: Marks, tell_at_the_end: Callable[[str, str], None]) -> None:
    table = _table(marks)
    assert max(map(len, table.splitlines())) <= 130
    tell_at_the_end("interoperability", table)


def test_the_page_shows_the_matrix(marks: Marks) -> None:
    shown = _table(marks) in (ROOT / "docs" / "interop.md").read_text()
    assert shown, "docs/interop.md does not have the table that is printed below: put it there"


def _table(marks: Marks) -> str:
    """A row for what each client can do, a column for each server, and below them what the tags mean."""
    rows = [("client", "operation", *SERVERS)]
    for client, operations in OPERATIONS.items():
        for operation in operations:
            shown = (_shown(marks.get(Cell(client, server, operation), "-")) for server in SERVERS)
            rows.append((client if operation == operations[0] else "", operation, *shown))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += [
        "",
        "ok: as RFC 8894 has it; ok and a tag: it works, but so; a tag: it fails by that; -: there is no PENDING",
    ]
    for tag, known in KNOWN.items():
        lines += [f"{tag}  {known.what}", f"    ({known.source})"]
    return "\n".join(lines)


def _shown(mark: str | Astray) -> str:
    if isinstance(mark, Astray):
        return "ASTRAY"
    return f"ok {mark}" if mark in KNOWN and KNOWN[mark].said is None else mark

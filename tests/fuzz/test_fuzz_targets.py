"""Every fuzz target on its corpus and on inputs near it; `./bench fuzz` goes on from there."""

from __future__ import annotations

import importlib
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from targets import lab, pki
from targets.draw import Draw

from hil import asn1
from hil.capture.files import CaptureFile

CORPUS = Path(__file__).with_name("corpus")
TARGETS = tuple(sorted(folder.name for folder in CORPUS.iterdir()))
INPUTS = sorted(file.relative_to(CORPUS).as_posix() for file in CORPUS.glob("*/*"))
LARGEST_CORPUS = 300_000
EDITS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 6), st.binary(max_size=6)), max_size=8)
Run = Callable[[bytes], None]


def run_of(target: str) -> Run:
    run: Run = importlib.import_module(f"targets.{target}").run
    return run


@pytest.mark.parametrize("name", INPUTS)
def test_the_corpus_is_read(name: str) -> None:
    run_of(name.partition("/")[0])((CORPUS / name).read_bytes())


def test_the_corpus_is_small_and_has_what_its_makers_make() -> None:
    assert sum((CORPUS / name).stat().st_size for name in INPUTS) < LARGEST_CORPUS
    for target in TARGETS:
        seeds: Iterator[tuple[str, bytes]] = importlib.import_module(f"targets.{target}").seeds()
        assert {f"{target}/{name}" for name, _ in seeds} <= set(INPUTS)


@pytest.mark.parametrize("target", TARGETS)
def test_inputs_near_the_corpus(target: str) -> None:
    run = run_of(target)
    corpus = [(CORPUS / name).read_bytes() for name in INPUTS if name.startswith(f"{target}/")]

    @settings(max_examples=400, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(corpus), EDITS)
    def edited(data: bytes, edits: list[tuple[float, int, bytes]]) -> None:
        for place, removed, added in edits:
            at = int(place * len(data))
            data = data[:at] + added + data[at + removed :]
        run(data)

    edited()


@pytest.mark.parametrize("kind", range(5))
def test_openssl_finds_the_same_elements(kind: int, tmp_path: Path) -> None:
    file = tmp_path / "message"
    file.write_bytes(pki.request(Draw(bytes((kind,))), lab.authority()).octets)
    said = subprocess.run(
        ["openssl", "asn1parse", "-inform", "DER", "-in", file], check=True, capture_output=True, text=True, timeout=30
    ).stdout
    theirs = [tuple(map(int, numbers)) for numbers in re.findall(r"^ *(\d+):d=(\d+) +hl=(\d+) +l= *(\d+) ", said, re.MULTILINE)]
    assert list(walked(asn1.read(file.read_bytes()))) == theirs


def walked(element: asn1.Element) -> Iterator[tuple[int, int, int, int]]:
    """Offset, depth, and sizes of head and contents of an element and of all within it, in the order of the octets."""
    yield element.start, element.depth, element.body - element.start, element.stop - element.body
    for child in element.children if element.constructed else ():
        yield from walked(child)


@pytest.mark.parametrize("name", [name for name in INPUTS if name.startswith("captures/file-")])
def test_tshark_counts_the_same_packets(name: str, tmp_path: Path) -> None:
    data = (CORPUS / name).read_bytes()[1:]
    file = tmp_path / "capture"
    file.write_bytes(data)
    fields = [word for field in ("frame.number", "frame.time_epoch", "frame.len", "frame.cap_len") for word in ("-e", field)]
    said = subprocess.run(
        ["tshark", "-n", "-r", file, "-T", "fields", *fields], check=True, capture_output=True, text=True, timeout=60
    ).stdout
    ours = [
        (str(packet.number), f"{packet.time // 10**9}.{packet.time % 10**9:09}", str(packet.length), str(len(packet.data)))
        for packet in CaptureFile(data).packets()
    ]
    assert [tuple(line.split("\t")) for line in said.splitlines()] == ours

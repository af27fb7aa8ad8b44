"""The requirements beside the tests: read whole, and refused by file, id and key where they are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.errors import Misuse
from hil.judge.requirements import beside, load

RIGHT = """
KEYLEN-2048:
  title: A key length of 2048 bits is supported.
  place: SCEP page, MYCERTKEYLEN
  basis: documented
  since: 4.0.13.0
  facts: [csr.key_bits]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "requirements.yaml"


def test_a_requirement_is_read_as_it_stands(file: Path) -> None:
    file.write_text(RIGHT)
    (requirement,) = load(file).values()
    assert requirement.facts == ("csr.key_bits",)
    assert (requirement.basis, requirement.since, requirement.place) == ("documented", "4.0.13.0", "SCEP page, MYCERTKEYLEN")


@pytest.mark.parametrize(
    ("right", "wrong", "key"),
    [
        ("[csr.key_bits]", "[csr.keybits]", "KEYLEN-2048.facts"),
        ("basis: documented", "basis: rumoured", "KEYLEN-2048.basis"),
        ("basis: documented", "", "KEYLEN-2048.basis"),
        ("title:", "headline:", "KEYLEN-2048.title"),
        ("[csr.key_bits]", "csr.key_bits", "KEYLEN-2048.facts"),
        ("since: 4.0.13.0", "since: 4.1", "KEYLEN-2048.since"),
        ("since: 4.0.13.0", "since: autumn", "KEYLEN-2048.since"),
    ],
)
def test_what_is_wrong_is_named(file: Path, right: str, wrong: str, key: str) -> None:
    file.write_text(RIGHT.replace(right, wrong))
    with pytest.raises(Misuse) as refused:
        load(file)
    assert str(file) in str(refused.value)
    assert refused.value.key == key


@pytest.mark.parametrize("text", ["KEYLEN: [", "- a list", "just words", "KEYLEN-2048: text"])
def test_what_is_no_file_of_requirements_is_refused(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(Misuse, match=str(file)):
        load(file)


def test_a_file_that_is_missing_is_refused(file: Path) -> None:
    with pytest.raises(Misuse, match="cannot be read"):
        load(file)


def test_the_nearest_file_holds(tmp_path: Path) -> None:
    deep = tmp_path / "suite" / "scep"
    deep.mkdir(parents=True)
    (tmp_path / "requirements.yaml").write_text(RIGHT)
    assert set(beside(deep / "test_key.py", tmp_path)) == {"KEYLEN-2048"}
    (deep / "requirements.yaml").write_text(RIGHT.replace("KEYLEN-2048", "NEARER"))
    assert set(beside(deep / "test_key.py", tmp_path)) == {"NEARER"}


def test_a_file_above_the_root_is_not_looked_for(tmp_path: Path) -> None:
    (tmp_path / "requirements.yaml").write_text(RIGHT)
    root = tmp_path / "suite"
    root.mkdir()
    assert beside(root / "test_key.py", root) == {}

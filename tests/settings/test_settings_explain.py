"""`hil settings explain`: what is told, and that no password is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from hil.cli.settings import app
from hil.errors import Misuse
from hil.identity import Identity
from hil.settings.catalog import CATALOG
from hil.settings.decisions import Decision
from hil.settings.explain import explanation
from hil.settings.interpret import interpret

PHONE = ["--model", "J179", "--mac", "C8-1F-EA-83-E8-5A", "--serial", "19wz1234567A"]

FILE = b"""## bench\r
IF $GROUP SEQ 5 GOTO FIVE\r
SET MYCERTURL http://10.0.0.1/scep\r
SET MYCERTCN "Phone $MACADDR"\r
SET SCEPPASSWORD hunter2\r
SET SCEPPASSWORD_2 hunter2 hunter2\r
SET MYCERTKEYLEN 1024\r
SET MYCERTKEYLEN3 4096\r
SET MYCERTDN_3 /C=US\r
SET DELETE_SCEP_CERT 1\r
GET $MACADDR.txt\r
# FIVE\r
"""


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["explain", *arguments])
    if isinstance(result.exception, Misuse):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def told(folder: Path, data: bytes, *more: str) -> dict[str, Any]:
    file = folder / "46xxsettings.txt"
    file.write_bytes(data)
    parsed = json.loads(run(str(file), *PHONE, "--json", *more))
    assert isinstance(parsed, dict)
    return parsed


def parameter(answer: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (p for p in answer["parameters"] if p["name"] == name)
    assert isinstance(found, dict)
    return found


def test_every_parameter_is_told_with_the_line_that_set_it(tmp_path: Path) -> None:
    answer = told(tmp_path, FILE)
    assert [p["name"] for p in answer["parameters"]] == list(CATALOG)
    common_name = parameter(answer, "MYCERTCN")
    assert (common_name["value"], common_name["set_by"]) == ("Phone $MACADDR", {"file": "46xxsettings.txt", "line": 4})
    assert parameter(answer, "MYCERTKEYLEN")["set_by"] is None
    assert answer["identity"] == {"model": "J179", "mac": "c8:1f:ea:83:e8:5a", "serial": "19wz1234567A"}


def test_lines_without_effect_are_told_with_reasons(tmp_path: Path) -> None:
    ignored = {line["line"]: line["reason"] for line in told(tmp_path, FILE)["ignored"]}
    assert set(ignored) == {6, 7, 8}
    assert "2048, 4096" in ignored[7]
    assert "MYCERTKEYLEN_3" in ignored[8]


def test_profiles_and_what_follows(tmp_path: Path) -> None:
    answer = told(tmp_path, FILE)
    (profile,) = answer["profiles"]
    assert profile["subject"] == [["CN", "Phone c81fea83e85a"]]
    assert (profile["slot"], profile["key_bits"], profile["cipher"], profile["challenge_password"]) == (
        1,
        2048,
        "des-cbc",
        "present",
    )
    assert any("DELETE_SCEP_CERT" in remark for remark in answer["remarks"])
    assert any("MYCERTDN_3" in remark for remark in answer["remarks"])


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_no_password_is_told(tmp_path: Path, form: list[str]) -> None:
    file = tmp_path / "46xxsettings.txt"
    file.write_bytes(FILE)
    output = run(str(file), *PHONE, *form)
    assert "hunter2" not in output
    assert "<secret>" in output


def test_a_table_names_parameter_line_and_reason(tmp_path: Path) -> None:
    file = tmp_path / "46xxsettings.txt"
    file.write_bytes(FILE)
    output = run(str(file), *PHONE)
    for part in ("MYCERTURL", "46xxsettings.txt:3", "default", "Lines without effect", "SCEP profiles", "note:"):
        assert part in output


def test_files_are_looked_up_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "c81fea83e85a.txt").write_bytes(b"SET MYCERTRENEW 5\n")
    answer = told(tmp_path, FILE)
    assert answer["files"] == [{"name": "46xxsettings.txt", "found": True}, {"name": "c81fea83e85a.txt", "found": True}]
    assert parameter(answer, "MYCERTRENEW")["set_by"] == {"file": "c81fea83e85a.txt", "line": 1}


@pytest.mark.parametrize("name", [b"../outside.txt", b"/etc/hostname", b"sub/inside.txt", b"..", b"a\x00b", b"\xe9"])
def test_a_get_reaches_no_other_folder(tmp_path: Path, name: bytes) -> None:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    for file in (tmp_path / "outside.txt", folder / "sub" / "inside.txt"):
        file.write_text("SET MYCERTRENEW 5\n")
    answer = told(folder, b"GET " + name + b"\n")
    assert [file["found"] for file in answer["files"]] == [True, False]
    assert parameter(answer, "MYCERTRENEW")["set_by"] is None


def test_group_and_firmware_count(tmp_path: Path) -> None:
    assert told(tmp_path, FILE, "--group", "5")["profiles"] == []
    answer = told(tmp_path, b"SET MYCERTURL_2 http://a/\n", "--firmware", "4.0.12.1")
    assert answer["profiles"] == []
    assert "4.0.13.0" in answer["ignored"][0]["reason"]


@pytest.mark.parametrize(
    ("settings", "remark"),
    [
        (b"SET MYCERTURL http://a/\nSET SCEPPASSWORD \"\"\n", "asks a person"),
        (b"SET MYCERTURL http://a/\nSET PKCS12URL x.p12\n", "PKCS#12"),
        (b"SET MYCERTURL http://a/\nSET FIPS_ENABLED 1\n", "SCEPENCALG 1"),
        (b"SET MYCERTURL http://a/\nSET SCEP_ENTITY_CLASS phones\n", "enhanced"),
        (b"SET DELETE_MY_CERT 1\n", "DELETE_MY_CERT"),
        (b"", "no profile has a URL"),
    ],
)  # fmt: skip
def test_remarks(tmp_path: Path, settings: bytes, remark: str) -> None:
    assert any(remark in told_remark for told_remark in told(tmp_path, settings)["remarks"])


def test_markup_in_a_file_is_text(tmp_path: Path) -> None:
    file = tmp_path / "46xxsettings.txt"
    file.write_bytes(b"SET MYCERTCAID [bold]x\nSET NOPE [/red]\nSET NOPE \x1b[31m\n")
    output = run(str(file), *PHONE)
    assert "[bold]x" in output
    assert "[/red]" in output
    assert "\x1b[31m" not in output


def test_a_missing_file_and_a_wrong_identity_are_misuse(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="is no file"):
        run(str(tmp_path / "none.txt"), *PHONE)
    file = tmp_path / "46xxsettings.txt"
    file.write_bytes(b"")
    with pytest.raises(Misuse, match="MAC"):
        run(str(file), "--model", "J179", "--mac", "x", "--serial", "1")


LINES = st.sampled_from([b"SET ", b"GET ", b"# ", b"IF $GROUP SEQ ", b" SET ", b"SET MYCERTCAID "])


@given(st.lists(st.tuples(LINES, st.binary(max_size=40)), max_size=10))
def test_any_bytes_can_be_told(lines: list[tuple[bytes, bytes]]) -> None:
    phone = Identity("J179", "c81fea83e85a", "19WZ1234567A")
    data = b"\n".join(start + rest for start, rest in lines)
    answer = explanation(interpret("f", {"f": data}.get, phone), phone)
    assert json.dumps(answer, ensure_ascii=False).encode()


def test_the_manual_names_every_choice_of_ours() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
    assert [decision.name for decision in Decision if decision.name not in manual] == []

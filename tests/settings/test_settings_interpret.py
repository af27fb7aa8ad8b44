"""What a phone takes from its files."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.errors import Misuse
from hil.identity import Firmware, Identity
from hil.settings.catalog import CATALOG, refusal
from hil.settings.interpret import MAX_FILES, Interpretation, interpret

PHONE = Identity("J179", "C8:1F:EA:83:E8:5A", "19wz1234567A")


def read(
    text: str | bytes, *, firmware: str | None = None, group: int = 0, files: Mapping[str, bytes] | None = None
) -> Interpretation:
    data = text.encode() if isinstance(text, str) else text
    served = {"f": data, **(files or {})}
    return interpret("f", served.get, PHONE, firmware=None if firmware is None else Firmware(firmware), group=group)


def reasons(interpretation: Interpretation) -> list[tuple[int, str]]:
    return [(line.line, line.reason) for line in interpretation.ignored]


def test_a_set_is_known_by_file_and_line() -> None:
    result = read("## x\r\nSET MYCERTCAID MyCA\r\n")
    setting = result.settings["MYCERTCAID"]
    assert (setting.value, setting.file, setting.line) == ("MyCA", "f", 2)
    assert result.value("MYCERTCAID") == "MyCA"
    assert result.value("MYCERTRENEW") == "90"
    assert result.ignored == ()


def test_a_value_of_an_unknown_parameter_is_misuse() -> None:
    with pytest.raises(Misuse, match="MYCERTKEYLEN_3"):
        read("").value("MYCERTKEYLEN3")


def test_the_last_of_two_sets_wins() -> None:
    assert read("SET MYCERTRENEW 10\nSET MYCERTRENEW 20").value("MYCERTRENEW") == "20"


def test_an_invalid_value_keeps_the_former() -> None:
    result = read("SET MYCERTKEYLEN 4096\nSET MYCERTKEYLEN 1024\n")
    assert result.value("MYCERTKEYLEN") == "4096"
    assert [(line, "former value stays" in reason) for line, reason in reasons(result)] == [(2, True)]


def test_an_invalid_value_keeps_the_default() -> None:
    result = read("SET MYCERTCN phone\n")
    assert result.value("MYCERTCN") == "$SERIALNO"
    assert "default stays" in result.ignored[0].reason


def test_an_unknown_parameter_is_told() -> None:
    result = read("SET MYCERTKEYLEN3 4096\nSET AGCHAND 0\n")
    assert dict(result.settings) == {}
    assert "MYCERTKEYLEN_3" in result.ignored[0].reason
    assert "not in the catalog" in result.ignored[1].reason


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("$MODEL4 SEQ J179", True),
        ("J179 SEQ $MODEL4", True),
        ("$MODEL4 SEQ j179", False),
        ("$MODEL4 SEQ J189", False),
        ("$GROUP SEQ 7", True),
        ("$GROUP SEQ 07", False),
        ("$MACADDR SEQ c81fea83e85a", True),
        ("$MODEL4-$GROUP SEQ J179-7", True),
        ("$APPNAME_IN_USE SEQ 4.1.3.0.6", True),
        ("a SEQ a", True),
    ],
)
def test_conditions(condition: str, holds: bool) -> None:
    result = read(
        f"IF {condition} GOTO HIT\nSET MYCERTCAID no\nGOTO END\n# HIT\nSET MYCERTCAID yes\n# END\n", firmware="4.1.3.0.6", group=7
    )
    assert result.value("MYCERTCAID") == ("yes" if holds else "no")
    assert result.ignored == ()


@pytest.mark.parametrize("name", ["SIG", "HWVERS", "MYCERTCAID", "model4", "APPNAME_IN_USE", "MODEL4X"])
def test_a_condition_on_what_cannot_be_tested_is_ignored_whole(name: str) -> None:
    result = read(f"SET MYCERTCAID x\nIF ${name} SEQ ${name} GOTO NOWHERE\nSET MYCERTRENEW 5\n")
    assert result.value("MYCERTRENEW") == "5"
    assert "whole condition" in result.ignored[0].reason


def test_goto_an_unknown_label_ends_the_file() -> None:
    result = read("SET MYCERTRENEW 5\nGOTO END\nSET MYCERTRENEW 6\nSET MYCERTCAID x\n")
    assert result.value("MYCERTRENEW") == "5"
    assert result.value("MYCERTCAID") == "CAIdentifier"
    assert reasons(result) == [(2, "no label END in the file, so the rest of the file is ignored (2 live lines from line 3)")]


def test_a_condition_that_holds_and_leads_nowhere_ends_the_file_too() -> None:
    assert read("IF $MODEL4 SEQ J179 GOTO X\nSET MYCERTRENEW 5").value("MYCERTRENEW") == "90"
    assert read("IF $MODEL4 SEQ J139 GOTO X\nSET MYCERTRENEW 5").value("MYCERTRENEW") == "5"


def test_the_label_trap_leads_nowhere() -> None:
    result = read("GOTO SET\n# SET TRUSTCERTS x\nSET MYCERTRENEW 5\n")
    assert result.value("MYCERTRENEW") == "90"
    result = read("# SET MYCERTRENEW 5\n")
    assert "label" in result.ignored[0].reason


def test_the_first_of_two_labels_counts() -> None:
    assert read("GOTO A\n# A\nSET MYCERTRENEW 5\nGOTO E\n# A\nSET MYCERTRENEW 6\n# E\n").value("MYCERTRENEW") == "5"


def test_a_jump_back_is_taken_once() -> None:
    result = read("GOTO B\n# A\nSET MYCERTRENEW 5\nGOTO C\n# B\nGOTO A\n# C\nSET MYCERTCAID end\n")
    assert (result.value("MYCERTRENEW"), result.value("MYCERTCAID")) == ("5", "end")
    assert result.ignored == ()


def test_a_loop_ends_and_is_told() -> None:
    result = read("# A\nSET MYCERTRENEW 5\nGOTO A\nSET MYCERTCAID never\n")
    assert (result.value("MYCERTRENEW"), result.value("MYCERTCAID")) == ("5", "CAIdentifier")
    assert [line for line, reason in reasons(result) if "for ever" in reason] == [3]


def test_a_file_that_is_obtained_takes_the_place_of_the_rest() -> None:
    result = read("GET $MACADDR.txt\nSET MYCERTRENEW 5\n", files={"c81fea83e85a.txt": b"SET MYCERTCAID mine\n"})
    assert (result.value("MYCERTCAID"), result.value("MYCERTRENEW")) == ("mine", "90")
    assert result.settings["MYCERTCAID"].file == "c81fea83e85a.txt"
    assert (result.files, result.missing) == (("f", "c81fea83e85a.txt"), ())
    assert "takes the place" in result.ignored[0].reason


def test_a_file_that_is_not_obtained_changes_nothing() -> None:
    result = read("GET $MACADDR.txt\nSET MYCERTRENEW 5\n")
    assert result.value("MYCERTRENEW") == "5"
    assert (result.files, result.missing, result.ignored) == (("f", "c81fea83e85a.txt"), ("c81fea83e85a.txt",), ())


def test_a_last_get_leaves_nothing_to_tell() -> None:
    assert read("GET a\n# END\n", files={"a": b""}).ignored == ()


def test_no_file_at_all() -> None:
    nothing: dict[str, bytes] = {}
    result = interpret("46xxsettings.txt", nothing.get, PHONE)
    assert (result.files, result.missing, dict(result.settings)) == (("46xxsettings.txt",), ("46xxsettings.txt",), {})


@pytest.mark.parametrize("files", [{"f": b"GET f\nSET MYCERTRENEW 5\n"}, {"f": b"GET a\n", "a": b"GET f\nSET MYCERTRENEW 5\n"}])
def test_a_file_that_gets_itself_ends_and_is_told(files: dict[str, bytes]) -> None:
    result = interpret("f", files.get, PHONE)
    assert "never end" in result.ignored[-1].reason


def test_endless_files_are_bounded() -> None:
    asked: list[str] = []

    def fetch(name: str) -> bytes:
        asked.append(name)
        return f"GET {int(name) + 1}\n".encode()

    result = interpret("0", fetch, PHONE)
    assert len(asked) == MAX_FILES
    assert "more than" in result.ignored[-1].reason


def test_firmware_gates_parameters() -> None:
    text = "SET MYCERTURL_2 http://a/\nSET MYCERTKEYLEN 4096\n"
    assert dict(read(text, firmware="4.0.12.1").settings) == {}
    assert set(read(text, firmware="4.0.13.0").settings) == {"MYCERTURL_2"}
    assert set(read(text, firmware="4.1").settings) == {"MYCERTURL_2", "MYCERTKEYLEN"}
    assert set(read(text).settings) == {"MYCERTURL_2", "MYCERTKEYLEN"}


def test_a_value_beyond_ascii_is_ignored() -> None:
    assert read(b"SET MYCERTCAID caf\xe9\n").settings == {}
    assert read("SET MYCERTCAID caf\u00e9\n").settings == {}


def test_no_password_is_shown() -> None:
    result = read(
        "SET SCEPPASSWORD hunter2\nSET SCEPPASSWORD_2 hunter2 hunter2\nSET SCEPPASSWORD_4 hunter2\n# SET SCEPPASSWORD hunter2\n"
    )
    assert len(result.ignored) == 3
    assert "hunter2" not in repr(result)
    assert result.value("SCEPPASSWORD") == "hunter2"


UPGRADE = b"""SET HTTPDIR J100

IF $MODEL4 SEQ J129 GOTO J129_SW
IF $MODEL4 SEQ J179 GOTO J179_SW
IF $MODEL4 SEQ J189 GOTO J189_SW
GOTO GETSET
# J129_SW
SET APPNAME FW_S_J129_R4_1_11_0_9.bin
GOTO GETSET
# J179_SW
SET APPNAME FW_S_J179_R4_1_11_0_9.bin
SET JEM24_APPNAME FW_JEM24_R1_0_1_0_27.bin
GOTO GETSET
# J189_SW
IF $HWVERS SEQ 1 GOTO J189_SW_OLD
#SET APPNAME off.bin
SET APPNAME FW_S_J189A_R4_1_11_0_9.bin
GOTO GETSET
# J189_SW_OLD
SET APPNAME FW_S_J189_R4_1_11_0_9.bin
# GETSET
GET 46xxsettings.txt
"""


def test_an_upgrade_file_as_the_field_has_it() -> None:
    files = {"J100Supgrade.txt": UPGRADE.replace(b"\n", b"\r\n"), "46xxsettings.txt": b"GOTO END\r\nSET MYCERTRENEW 5"}
    result = interpret("J100Supgrade.txt", files.get, PHONE)
    assert result.value("APPNAME") == "FW_S_J179_R4_1_11_0_9.bin"
    assert result.value("HTTPDIR") == "J100"
    assert result.files == ("J100Supgrade.txt", "46xxsettings.txt")
    assert [(i.file, i.line) for i in result.ignored] == [("46xxsettings.txt", 1)]


def test_hardware_that_is_not_known_here_takes_the_later_firmware_and_is_told() -> None:
    result = interpret("f", {"f": UPGRADE}.get, Identity("J189", PHONE.mac, PHONE.serial))
    assert result.value("APPNAME") == "FW_S_J189A_R4_1_11_0_9.bin"
    assert "$HWVERS is not known here" in result.ignored[0].reason


STATEMENTS = st.sampled_from(
    [
        *("SET MYCERTRENEW 5", "SET MYCERTKEYLEN 1", " SET A 1", "SET A", ""),
        *("# A", "# B", "# A B", "GOTO A", "GOTO B", "GOTO END", "GET f", "GET g", "GET none"),
        *("IF $MODEL4 SEQ J179 GOTO A", "IF $GROUP SEQ 1 GOTO B", "IF $X SEQ 1 GOTO A", "IF a"),
    ]
)


@given(st.lists(STATEMENTS, max_size=40), st.lists(STATEMENTS, max_size=20))
def test_any_file_of_statements_ends(first: list[str], second: list[str]) -> None:
    files = {"f": "\n".join(first).encode(), "g": "\r\n".join(second).encode()}
    result = interpret("f", files.get, PHONE)
    assert len(result.files) <= MAX_FILES
    assert {name: s.value for name, s in result.settings.items()} in ({}, {"MYCERTRENEW": "5"})


@given(st.binary(max_size=2048))
def test_any_bytes_leave_only_values_that_the_catalog_takes(data: bytes) -> None:
    result = read(data)
    for name, setting in result.settings.items():
        assert refusal(CATALOG[name], setting.value) is None
        assert 1 <= setting.line <= len(data.splitlines())


def test_the_worst_files_take_bounded_time() -> None:
    lines = [f"# L{i}\nIF $MODEL4 SEQ J179 GOTO L{i + 1}" for i in range(20_000)]
    worst = [
        "\n".join(reversed(lines)),
        "\n".join(["GET none"] * 100_000),
        "\n".join(["GOTO A", *["SET X " + '"' * 4000] * 400, "# A"]),
        "SET MYCERTCN " + "$MACADDR" * 400 + "\n" + "SET A" * 800,
    ]
    began = time.process_time()
    for text in worst:
        read(text)
    assert time.process_time() - began < 10

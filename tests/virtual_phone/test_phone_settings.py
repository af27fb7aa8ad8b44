"""The phone's own reading of settings files, and what it makes of them for each profile."""

from __future__ import annotations

import pytest

from hil.virtual.phone import boot, language, parameters, profiles
from hil.virtual.phone.habits import Habits
from hil.virtual.phone.parameters import Settings
from hil.virtual.phone.unit import Unit

UNIT = Unit("J179D02A", "c8:1f:ea:83:e8:5a", "19wz1234567A", "4.1.3.0.6")


def read(files: dict[str, str | bytes], unit: Unit = UNIT, asked: list[str] | None = None) -> dict[str, str]:
    known = parameters.known(unit, Habits())

    def fetch(name: str) -> bytes | None:
        if asked is not None:
            asked.append(name)
        content = files.get(name)
        return content.encode() if isinstance(content, str) else content

    return language.read_files(
        "J100Supgrade.txt", fetch, boot.settings_macros(unit), lambda *setting: parameters.accepted(known, *setting)
    )


def one(text: str | bytes, unit: Unit = UNIT) -> dict[str, str]:
    return read({"J100Supgrade.txt": text}, unit)


def profile(slot: int = 1, unit: Unit = UNIT, **values: str) -> profiles.Profile:
    known = parameters.known(unit, Habits())
    return profiles.profile(slot, "http://10.0.0.1/", Settings(known, {}, values), unit, Habits())


@pytest.mark.parametrize(
    "line", ["## SET MYCERTCAID x", "#SET MYCERTCAID x", " SET MYCERTCAID x", "set MYCERTCAID x", "# SET MYCERTCAID x"]
)
def test_only_a_live_line_counts(line: str) -> None:
    assert one(line) == {}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("SET MYCERTCAID Other", "Other"),
        ('SET MYCERTCAID "Other CA"', "Other CA"),
        ('SET MYCERTCAID ""', ""),
        ("SET MYCERTCAID Other\r", "Other"),
        ("SET   MYCERTCAID\tOther  ", "Other"),
    ],
)
def test_a_value_is_read_as_it_is_quoted(line: str, value: str) -> None:
    assert one(line) == {"MYCERTCAID": value}


@pytest.mark.parametrize("value", ["“Other”".encode(), b'"Other', b'Oth"er', "Öther".encode("latin-1"), b"", b"x" * 256])
def test_an_invalid_value_leaves_the_former(value: bytes) -> None:
    assert one(b"SET MYCERTCAID First\r\nSET MYCERTCAID " + value + b"\r\n") == {"MYCERTCAID": "First"}


def test_labels_and_conditions() -> None:
    text = """IF $MODEL4 SEQ J139 GOTO J139
IF $UNKNOWN SEQ $UNKNOWN GOTO J139
IF J179 SEQ "$MODEL4" GOTO J139
SET MYCERTRENEW 50
IF $MACADDR SEQ c81fea83e85a GOTO MINE
SET MYCERTRENEW 60
# J139
SET MYCERTRENEW 70
# MINE
SET MYCERTCAID mine
GOTO NOWHERE
SET MYCERTCAID lost
"""
    assert one(text) == {"MYCERTRENEW": "50", "MYCERTCAID": "mine"}


def test_a_file_that_is_got_takes_over() -> None:
    asked: list[str] = []
    files: dict[str, str | bytes] = {
        "J100Supgrade.txt": "GET missing.txt\nGET 46xxsettings.txt\nSET MYCERTCAID lost\n",
        "46xxsettings.txt": "SET MYCERTCAID common\nGET $MACADDR.txt\nSET MYCERTRENEW 10\n",
        "c81fea83e85a.txt": "SET MYCERTRENEW 20\n",
    }
    assert read(files, asked=asked) == {"MYCERTCAID": "common", "MYCERTRENEW": "20"}
    assert asked == ["J100Supgrade.txt", "missing.txt", "46xxsettings.txt", "c81fea83e85a.txt"]


def test_files_that_get_each_other_end() -> None:
    asked: list[str] = []
    read({"J100Supgrade.txt": "GET J100Supgrade.txt"}, asked=asked)
    assert len(asked) == language.MAX_FILES + 1


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("MYCERTKEYLEN", ["2048", "4096"], ["1024", "3072", "02048", "x", ""]),
        ("MYCERTCN", ["$SERIALNO", "a b $MACADDR_UPPER"], ["$MACADD", "no macro here", "x" * 250 + "$MACADDR"]),
        ("MYCERTDN", ["", "/C=US/O=Lab"], ["C=US"]),
        ("SCEPPASSWORD", ["", "x" * 32], ["x" * 33]),
        ("SCEPENCALG", ["0", "1"], ["2", ""]),
        ("MYCERTRENEW", ["1", "99"], ["0", "100", "-1", "1.5"]),
        ("DELETE_SCEP_2_CERT", ["0", "1"], ["2"]),
        ("MYCERTKEYLEN3", [], ["2048", "4096"]),
        ("DELETE_SCEP_CERT_2", [], ["1"]),
    ],
)
def test_valid_values(name: str, good: list[str], bad: list[str]) -> None:
    known = parameters.known(UNIT, Habits())
    assert [value for value in good + bad if parameters.accepted(known, name, value)] == good


def test_firmware_decides_what_is_known() -> None:
    old = Unit("J179", UNIT.mac, UNIT.serial, "4.0.12.1")
    older = Unit("J179", UNIT.mac, UNIT.serial, "3.0.0.0.20")
    assert one("SET MYCERTURL_2 http://10.0.0.1/\nSET MYCERTKEYLEN 4096\nSET SCEPENCALG 1\n", old) == {"SCEPENCALG": "1"}
    assert one("SET SCEPENCALG 1\nSET DELETE_SCEP_CERT 1\n", older) == {}
    assert profiles.slots(old) == (1,)
    assert profile(unit=older).cipher == "des"
    assert profile(unit=old, MYCERTCN="$MACADDR_UPPER").subject == (("CN", "c81fea83e85a_UPPER"),)


def test_a_profile_by_default() -> None:
    assert profile(2) == profiles.Profile(
        slot=2,
        url="http://10.0.0.1/",
        key_bits=2048,
        subject=(("CN", "19WZ1234567A"),),
        ca_identifier="CAIdentifier",
        cipher="des",
        prompts=False,
        challenge="19WZ1234567A",
    )


def test_a_profile_as_told() -> None:
    told = profile(
        3,
        MYCERTCN_3="$MACADDR-$MACADDR_UPPER-$SERIALNO.",
        MYCERTDN_3="/C=US/ST=New Jersey/O=A, B",
        MYCERTCAID_3="",
        MYCERTKEYLEN_3="4096",
        SCEPENCALG_3="1",
        SCEPPASSWORD_3="$SERIALNO$MACADDR_UPPER",
    )
    assert told.subject == (
        *(("C", "US"), ("ST", "New Jersey"), ("O", "A, B")),
        ("CN", "c81fea83e85a-C81FEA83E85A-19WZ1234567A."),
    )
    assert (told.ca_identifier, told.key_bits, told.cipher) == ("", 4096, "aes256_cbc")
    assert told.challenge == "19WZ1234567AC81FEA83E85A"
    assert "19WZ1234567AC81" not in repr(told)


def plan(held: dict[int, str], **values: str) -> profiles.Plan:
    settings = Settings(parameters.known(UNIT, Habits()), {}, values)
    return profiles.plan(settings, UNIT, Habits(), held, {1: "http://10.0.0.9/"}, "http://10.0.0.1")


def test_no_url_no_contact() -> None:
    assert plan({}) == profiles.Plan((), (), dict.fromkeys((1, 2, 3), "no SCEP server is set"))


def test_a_certificate_is_held_for_its_url() -> None:
    told = {"MYCERTURL": "http://10.0.0.1/a", "MYCERTURL_3": "http://10.0.0.1/c"}
    assert [each.slot for each in plan({1: "http://10.0.0.1/a", 3: "http://10.0.0.1/old"}, **told).enrol] == [3]


@pytest.mark.parametrize(
    ("name", "held", "clear", "enrol"),
    [
        ("DELETE_SCEP_CERT", {1, 2}, (1,), []),
        ("DELETE_SCEP_2_CERT", {1, 2}, (2,), []),
        ("DELETE_SCEP_2_CERT", set(), (), [1]),
        ("DELETE_MY_CERT", {1}, (1,), []),
        ("DELETE_MY_CERT", {1, 2}, (), []),
        ("DELETE_MY_CERT", set(), (), []),
    ],
)
def test_deleting_clears_and_blocks(name: str, held: set[int], clear: tuple[int, ...], enrol: list[int]) -> None:
    told = {"MYCERTURL": "http://10.0.0.1/1", "MYCERTURL_2": "http://10.0.0.1/2", name: "1"}
    found = plan({slot: f"http://10.0.0.1/{slot}" for slot in held}, **told)
    assert found.clear == clear
    assert [each.slot for each in found.enrol] == enrol


def test_the_file_server_of_the_lease() -> None:
    lease = {"HTTPSRVR": "10.0.0.1", "HTTPPORT": "8080", "HTTPDIR": "/$MODEL4/$MACADDR/"}
    settings = Settings(parameters.known(UNIT, Habits()), lease, {})
    assert boot.file_server(settings, UNIT) == "http://10.0.0.1:8080/J179/C81FEA83E85A/"


def test_names_of_the_unit() -> None:
    assert UNIT.host_name == "AVX83E85A"
    assert Unit("J129", "00:1B:4F:00:00:01", "1", "1.0").host_name == "AVB000001"
    assert UNIT.user_agent == "Mozilla/4.0 (compatible; MSIE 6.0) AVAYA/J179-4.1.3.0.6 (MAC:c81fea83e85a)"


@pytest.mark.parametrize("wrong", [{"mac": "c8:1f"}, {"firmware": "four"}, {"model": "9611G"}, {"serial": "1/2"}])
def test_a_unit_that_is_no_phone(wrong: dict[str, str]) -> None:
    good = {"model": "J179", "mac": "c81fea83e85a", "serial": "1", "firmware": "4.1"}
    with pytest.raises(ValueError):
        Unit(**{**good, **wrong})

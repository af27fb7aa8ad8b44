"""Files for a phone: what they say, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.errors import Misuse
from hil.identity import Firmware, Identity
from hil.settings.catalog import CATALOG, Parameter, refusal
from hil.settings.interpret import interpret
from hil.settings.writer import PHONE_FILE, SETTINGS_FILE, UPGRADE_FILE, phone_file_name, settings_file, upgrade_file

PHONE = Identity("J179", "C8:1F:EA:83:E8:5A", "19WZ1234567A")


def read(data: bytes) -> dict[str, str]:
    return {name: s.value for name, s in interpret("f", {"f": data}.get, PHONE).settings.items()}


def test_a_settings_file_as_it_is_written() -> None:
    values = {"MYCERTURL": "http://10.0.0.1/scep", "MYCERTCN": "Phone $MACADDR", "SCEPPASSWORD": ""}
    assert settings_file(values, then_get=PHONE_FILE, comment="bench\nnight").splitlines() == [
        b"## bench",
        b"## night",
        b"SET MYCERTURL http://10.0.0.1/scep",
        b'SET MYCERTCN "Phone $MACADDR"',
        b'SET SCEPPASSWORD ""',
        b"GET $MACADDR.txt",
    ]


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("MYCERTKEYLEN", "1024", "2048, 4096"),
        ("MYCERTKEYLEN3", "2048", "MYCERTKEYLEN_3"),
        ("MYCERTCN", "a telephone", "\\$SERIALNO"),
        ("MYCERTDN", "C=US", 'begin with "/"'),
        ("MYCERTRENEW", "100", "from 1 to 99"),
        ("SCEPENCALG", "AES", "0, 1"),
        ("NONSENSE", "1", "not in the catalog"),
        ("MYCERTWAIT", "1", "H.323"),
        ("MYCERTCAID", "caf\u00e9", "ASCII"),
    ],
)
def test_what_a_phone_would_ignore_is_refused_unless_allowed(name: str, value: str, right: str) -> None:
    with pytest.raises(Misuse, match=right) as refused:
        settings_file({name: value})
    assert refused.value.key == name
    assert refused.value.remedy
    assert "allow_ignored" in refused.value.remedy
    data = settings_file({name: value}, allow_ignored=[name])
    assert f"SET {name} ".encode() in data
    result = interpret("f", {"f": data}.get, PHONE)
    assert dict(result.settings) == {}
    assert [line.line for line in result.ignored] == [1]


@pytest.mark.parametrize("value", ["a\nb", "a\rb", 'a"b', "a\x00b", "a\tb", "a\u2028b", "\u0085", "\udce9"])
def test_what_no_line_can_carry_is_refused_always(value: str) -> None:
    with pytest.raises(Misuse, match="cannot be written"):
        settings_file({"MYCERTCAID": value}, allow_ignored=["MYCERTCAID"])


@pytest.mark.parametrize("name", ["", "A B", "A\nSET B", "A=1", "\u00c4"])
def test_a_name_that_is_none_is_refused_always(name: str) -> None:
    with pytest.raises(Misuse):
        settings_file({name: "1"}, allow_ignored=[name])


def test_an_allowed_name_lets_no_other_through() -> None:
    with pytest.raises(Misuse, match="MYCERTKEYLEN"):
        settings_file({"MYCERTKEYLEN": "1024"}, allow_ignored=["MYCERTCN"])


def test_a_line_too_long_to_be_read_back_is_refused() -> None:
    with pytest.raises(Misuse, match="bytes"):
        settings_file({"MYCERTCAID": "x" * 5000}, allow_ignored=["MYCERTCAID"])


def test_a_firmware_that_does_not_know_the_parameter_is_heeded() -> None:
    with pytest.raises(Misuse, match=r"4\.0\.13\.0"):
        settings_file({"MYCERTURL_2": "http://a/"}, firmware=Firmware("4.0.12.1"))


def test_no_refusal_shows_a_password() -> None:
    for value in ("hunter2" * 5, "hunter2\n", "hunter2\u00e9"):
        with pytest.raises(Misuse) as refused:
            settings_file({"SCEPPASSWORD": value})
        assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("name", ["a b", 'a"b', "a\nSET B 1", "", "\u00e4"])
def test_a_get_that_cannot_be_written_is_refused(name: str) -> None:
    with pytest.raises(Misuse, match="GET"):
        settings_file({}, then_get=name)


def test_a_comment_stays_one() -> None:
    assert settings_file({}, comment="SET A 1\r\nGET x") == b"## SET A 1\n## GET x\n"
    with pytest.raises(Misuse, match="comment"):
        settings_file({}, comment="a\x00b")


def test_an_upgrade_file_sends_each_model_to_its_firmware() -> None:
    data = upgrade_file(software={"J139": {"APPNAME": "j139.bin"}, "J179": {"APPNAME": "j179.bin"}})
    for model, expected in (("J139", "j139.bin"), ("J179", "j179.bin"), ("J189", "")):
        identity = Identity(model, PHONE.mac, PHONE.serial)
        result = interpret(UPGRADE_FILE, {UPGRADE_FILE: data, SETTINGS_FILE: b""}.get, identity)
        assert result.value("APPNAME") == expected
        assert result.files == (UPGRADE_FILE, SETTINGS_FILE)
        assert result.ignored == ()


def test_an_upgrade_file_without_software() -> None:
    assert upgrade_file() == b"GET 46xxsettings.txt\n"
    with pytest.raises(Misuse, match="J179"):
        upgrade_file(software={"9611": {}})


def test_a_phone_asks_for_its_own_file_by_mac_in_lower_case() -> None:
    assert phone_file_name(PHONE) == "c81fea83e85a.txt"


def valid_values(parameter: Parameter) -> st.SearchStrategy[str]:
    """Values of `parameter` that a phone takes."""
    text = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"'), max_size=40)
    match parameter.kind:
        case "choice":
            return st.sampled_from(sorted(parameter.choices))
        case "number":
            return st.integers(parameter.low, parameter.high).map(str)
        case _:
            wrapped = st.one_of(text, text.map(lambda t: f"{t} $MACADDR"), text.map(lambda t: f"/O={t}"))
            return st.one_of(st.just(parameter.default), wrapped.filter(lambda value: refusal(parameter, value) is None))


EVERY_SETTING = st.lists(st.sampled_from(sorted(CATALOG)), unique=True, max_size=8).flatmap(
    lambda names: st.fixed_dictionaries({name: valid_values(CATALOG[name]) for name in names})
)


@given(EVERY_SETTING, st.sampled_from([b"\n", b"\r\n"]))
def test_what_is_written_is_what_is_read(values: dict[str, str], line_end: bytes) -> None:
    assert read(settings_file(values, comment="x").replace(b"\n", line_end)) == values


@given(st.sampled_from(sorted(CATALOG)), st.text(max_size=60))
def test_any_value_is_refused_or_read_back(name: str, value: str) -> None:
    try:
        data = settings_file({name: value})
    except Misuse:
        return
    assert read(data) == {name: value}

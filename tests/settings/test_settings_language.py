"""The 46xxsettings language: which lines are live and what they say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.settings.language import MAX_FILE, MAX_LINE, Broken, Get, Goto, If, Label, Set, parse, printable


def only(line: bytes) -> object:
    (statement,) = parse(line, "f").statements
    return statement


@pytest.mark.parametrize(
    "line", [b"## SET A 1", b"#SET A 1", b"#", b"", b"SETA 1", b"set A 1", b"## caf\xe9", b"Avaya \x93quoted\x94", b"-- x"]
)
def test_comments_say_nothing(line: bytes) -> None:
    assert parse(line, "f").statements == ()


@pytest.mark.parametrize("line", [b" SET A 1", b"\tGET x", b"SET\tA 1", b"\xef\xbb\xbfSET A 1"])
def test_a_comment_that_reads_like_a_statement_is_pointed_out(line: bytes) -> None:
    statement = only(line)
    assert isinstance(statement, Broken)
    assert "comment" in statement.reason


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        (b"SET A 1", "A", "1"),
        (b"SET A 1  ", "A", "1"),
        (b"SET   A\t 1", "A", "1"),
        (b'SET A ""', "A", ""),
        (b'SET A "two  words "', "A", "two  words "),
        (b'SET A "1"', "A", "1"),
        (b"SET A /C=US/O=x", "A", "/C=US/O=x"),
    ],
)
def test_set(line: bytes, name: str, value: str) -> None:
    statement = only(line)
    assert isinstance(statement, Set)
    assert (statement.name, statement.value) == (name, value)


@pytest.mark.parametrize(
    "line",
    [b"SET A", b"SET ", b"SET A two words", b'SET A "open', b'SET A "a"b"', b'SET A "a" tail', b'SET A x"y"', b'SET A "'],
)
def test_a_set_that_says_nothing(line: bytes) -> None:
    assert isinstance(only(line), Broken)


@pytest.mark.parametrize("line", ["SET A \u201cx y\u201d".encode(), b"SET A \x93x y\x94", "SET A \u201cx\u201d".encode("utf-8")])
def test_typographic_quotes_are_no_quotes(line: bytes) -> None:
    statement = only(line)
    assert isinstance(statement, Broken)
    assert "typographic" in statement.reason


def test_jumps_labels_and_files() -> None:
    text = b'IF $MODEL4 SEQ J179 GOTO X\nIF "a b" SEQ $GROUP GOTO Y\nGOTO END\n# END\nGET 46xxsettings.txt\n'
    a, b, c, d, e = parse(text, "f").statements
    assert isinstance(a, If)
    assert (a.left, a.right, a.label) == ("$MODEL4", "J179", "X")
    assert isinstance(b, If)
    assert b.left == "a b"
    assert isinstance(c, Goto)
    assert isinstance(d, Label)
    assert (d.name, d.line) == ("END", 4)
    assert isinstance(e, Get)


@pytest.mark.parametrize(
    "line", [b"IF $GROUP GOTO X", b"IF $GROUP EQ 1 GOTO X", b"IF $GROUP SEQ 1", b"GOTO ", b"GOTO A B", b"GET ", b'GOTO "A']
)
def test_broken_jumps_are_told(line: bytes) -> None:
    assert isinstance(only(line), Broken)


@pytest.mark.parametrize("line", [b"# SET TRUSTCERTS x", b"# ", b"#  TWO", b"# a b"])
def test_the_label_trap(line: bytes) -> None:
    statement = only(line)
    assert isinstance(statement, Broken)
    assert "label" in statement.reason


def test_line_ends_do_not_matter() -> None:
    lines = [b"SET A 1", b'SET B "2 3"', b"# END", b"GET x"]
    unix, dos = parse(b"\n".join(lines), "f"), parse(b"\r\n".join(lines) + b"\r\n", "f")
    assert unix == dos
    assert [s.line for s in dos.statements] == [1, 2, 3, 4]


def test_bytes_that_are_no_utf8_are_never_taken_for_ascii() -> None:
    statement = only(b"SET MYCERTCAID caf\xe9")
    assert isinstance(statement, Set)
    assert not statement.value.isascii()
    assert printable(statement.text) == "SET MYCERTCAID caf\\xe9"


def test_a_long_live_line_is_told_and_a_long_comment_is_not() -> None:
    long = b"x" * MAX_LINE
    statement = only(b"SET A " + long + b"\n## " + long)
    assert isinstance(statement, Broken)
    assert len(statement.text) == MAX_LINE


def test_a_file_is_cut_at_its_limit() -> None:
    whole, longer = b"#" * (MAX_FILE - 8) + b"\nSET A 1", b"#" * (MAX_FILE + 1)
    assert len(whole) == MAX_FILE
    assert not parse(whole, "f").cut
    assert parse(longer, "f").cut


@pytest.mark.parametrize(
    "text",
    [
        "SET SCEPPASSWORD hunter2",
        "# SET SCEPPASSWORD hunter2",
        "SET SCEPPASSWORD=hunter2",
        "set sceppassword hunter2",
        'SET "SCEPPASSWORD hunter2"',
        "SET SNMPSTRING hunter2",
        "SET FORCE_DOT1XPSWD hunter2",
    ],
)
def test_passwords_are_left_out(text: str) -> None:
    assert "hunter2" not in printable(text)


def test_other_values_are_not_left_out() -> None:
    line = "SET MYCERTURL http://compass.example.com/scep"
    assert printable(line) == line


def test_no_repr_shows_a_value() -> None:
    assert "hunter2" not in repr(parse(b"SET SCEPPASSWORD hunter2", "f"))


@given(st.binary(max_size=4096))
def test_any_bytes_are_a_file(data: bytes) -> None:
    document = parse(data, "f")
    assert len(document.statements) <= data.count(b"\n") + data.count(b"\r") + 1
    live = (b"SET ", b"IF ", b"GOTO ", b"# ", b"GET ")
    lines = data.splitlines()
    for statement in document.statements:
        assert isinstance(statement, Broken) or lines[statement.line - 1].startswith(live)
        assert printable(statement.text).isprintable() or "\t" in statement.text

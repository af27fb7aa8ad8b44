"""The language of settings files: any bytes are a file, and the virtual phone reads the plain part of it the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from hil.errors import Misuse
from hil.identity import Firmware, Identity, MacroPlace, macros
from hil.settings.catalog import CATALOG, find, refusal
from hil.settings.explain import explanation
from hil.settings.interpret import MAX_FILES, Interpretation, interpret
from hil.settings.language import parse
from hil.settings.writer import SETTINGS_FILE, UPGRADE_FILE, settings_file
from hil.virtual.phone import language as phone
from targets.draw import Draw

BETWEEN_FILES = b"\x1c"
_IDENTITY = Identity("J179D02A", "c8:1f:ea:83:e8:5a", "19WZ1234567a")
_FIRMWARES = (None, Firmware("4.0.13.0"), Firmware("3.0.0.0.20"))
_NAMES = (UPGRADE_FILE, SETTINGS_FILE, "c81fea83e85a.txt", "J179.txt", "other.txt", "J179D02A")
_PARAMETERS = ("SCEPPASSWORD", "MYCERTURL", "MYCERTCN", "MYCERTDN", "MYCERTKEYLEN_2", "SCEP_USAGE", "DELETE_MY_CERT", "HTTPSRVR")
_VALUES = (
    "http://10.0.0.1/scep", "$SERIALNO", "phone-$MACADDR", "/C=US/O=Lab, Inc.", "4096", "1", "", "swordfish", "SIP,802.1x", "0"
)  # fmt: skip
_LABELS = ("ONE", "TWO", "END")
_OPERANDS = ("J179", "J179D02A", "0", "c81fea83e85a", "other")
_TESTABLE = ("$MODEL4", "$MODEL", "$GROUP", "$MACADDR")


def run(data: bytes) -> None:
    """One input: its first octet says how the rest is taken."""
    draw = Draw(data)
    draw.choice((_any_bytes, _plain))(draw)


def seeds() -> Iterator[tuple[str, bytes]]:
    """Name and octets of inputs to begin with."""
    jumps = b"IF $MODEL4 SEQ J179 GOTO A\nSET MYCERTURL http://a/\n# A\nGOTO B\n# B\nGOTO A\n"
    files = {
        "set": b'SET MYCERTURL http://10.0.0.1/scep\r\nSET SCEPPASSWORD "pass word"\nSET MYCERTDN "/C=US/O=Lab, Inc."\n',
        "jumps": jumps,
        "get": BETWEEN_FILES.join(
            (b"GET 46xxsettings.txt\n", b"## comment\nGET $MACADDR.txt\nGET $MODEL4.txt\n", b"SET GROUP 1")
        ),
        "broken": b" SET A 1\nSET A\nSET A \x93b\x94\nIF A EQ B GOTO C\nGET\nGOTO\n# two words\n\xff\xfe\nSET SCEPPASSWORD x y\n",
        "odd-operator": b"IF $MODEL4 \xa3 J179 GOTO A\n# A\n",
        "unknown": b"SET SECP_USAGE All\nSET mycerturl http://a/\nSET MYCERTWAIT 1\nIF $HWVERS SEQ 1 GOTO X\n",
        "numbers": b"SET MYCERTRENEW 100\nSET MYCERTRENEW 99\nSET PKCS12_PASSWD_RETRY -1\nSET MYCERTKEYLEN 1024\n",
    }
    for number, (name, content) in enumerate(files.items()):
        yield name, bytes((0, number % 3)) + content
    for number in range(4):
        yield f"plain-{number}", bytes((1, 0, *range(number, 60 + number)))


def _any_bytes(draw: Draw) -> None:
    firmware = draw.choice(_FIRMWARES)
    contents = draw.rest().split(BETWEEN_FILES)
    files = dict(zip(_NAMES, contents, strict=False))
    for content in contents:
        assert parse(content, "file") == parse(content, "file")
    read = interpret(UPGRADE_FILE, files.get, _IDENTITY, firmware=firmware, group=draw.number(2))
    assert len(read.files) <= MAX_FILES
    _check(read, firmware)


def _check(read: Interpretation, firmware: Firmware | None) -> None:
    """It can be told, and what was taken can be written and is taken again."""
    json.dumps(explanation(read, _IDENTITY, firmware=firmware), ensure_ascii=False).encode()
    assert set(read.settings) <= set(CATALOG)
    values = {name: setting.value for name, setting in read.settings.items()}
    try:
        written = settings_file(values, firmware=firmware)
    except Misuse as misuse:
        raise AssertionError("what was taken cannot be written") from misuse
    again = interpret(SETTINGS_FILE, {SETTINGS_FILE: written}.get, _IDENTITY, firmware=firmware)
    assert {name: setting.value for name, setting in again.settings.items()} == values
    assert not again.ignored


def _plain(draw: Draw) -> None:
    """Files whose every line both readers document alike: jumps and GETs go forward, what holds blanks is quoted."""
    files = {name: _plain_file(draw, _NAMES[place + 1 :]) for place, name in enumerate(_NAMES[: 2 + draw.number(3)])}
    read = interpret(UPGRADE_FILE, files.get, _IDENTITY)
    known = {**macros(_IDENTITY, MacroPlace.FILE), "$GROUP": "0"}
    told = phone.read_files(UPGRADE_FILE, files.get, known, _accepts)
    assert {name: setting.value for name, setting in read.settings.items()} == told, "the virtual phone reads another"
    _check(read, None)


def _accepts(name: str, value: str) -> bool:
    parameter = find(name)
    return parameter is not None and refusal(parameter, value) is None


def _plain_file(draw: Draw, below: Sequence[str]) -> bytes:
    """Statements with each label once, below all that name it."""
    lines: list[str] = []
    for label in _LABELS:
        lines += [_plain_line(draw, label, below) for _ in range(draw.number(8))]
        lines.append(f"# {label}")
    end = "\r\n" if draw.number(2) else "\n"
    return end.join(lines).encode() + end.encode()


def _plain_line(draw: Draw, label: str, below: Sequence[str]) -> str:
    match draw.number(7):
        case 0:
            return f"GOTO {label}"
        case 1:
            return f"IF {draw.choice(_TESTABLE)} SEQ {draw.choice(_OPERANDS)} GOTO {label}"
        case 2:
            name = draw.choice((*below, "missing.txt"))
            return f"GET {name.replace(_IDENTITY.mac_digits, '$MACADDR') if draw.number(2) else name}"
        case 3:
            return "## " + draw.string(20).hex()
        case _:
            value = draw.choice(_VALUES)
            return f"SET {draw.choice(_PARAMETERS)} " + (f'"{value}"' if not value or " " in value or draw.number(2) else value)

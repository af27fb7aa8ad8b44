"""`hil decode` on recordings of other houses' programs and of the bench's own: what they say is known from elsewhere.

`tests/data/index.json` is written by `tests/data/record.py`, which does not use the decoder.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from hil.capture.transcript import read_capture
from hil.capture.tshark import disagreements, read_with_tshark
from hil.cli.decode import decode

DATA = Path(__file__).parents[1] / "data"
INDEX: dict[str, Any] = json.loads((DATA / "index.json").read_text())
MOST_OCTETS = 400_000


def decoded(name: str, *options: str) -> Any:
    app = typer.Typer()
    app.command()(decode)
    keys = [word for key in INDEX[name]["keys"] for word in ("--key", str(DATA / "keys" / key))]
    result = CliRunner().invoke(app, [str(DATA / f"{name}.pcapng"), "--json", *keys, *options])
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def only(found: Any, expected: Any) -> Any:
    """Of what was found the part that something is expected of."""
    if isinstance(found, dict) and isinstance(expected, dict):
        return {name: only(found.get(name), value) for name, value in expected.items()}
    if isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        return [only(*pair) for pair in zip(found, expected, strict=True)]
    return found


@pytest.mark.parametrize("name", INDEX)
def test_a_recording_is_decoded_as_it_is_known_to_be(name: str) -> None:
    told = decoded(name, "--show-secrets")
    expected = INDEX[name]["exchanges"]
    assert only(told["exchanges"], expected) == expected
    assert told["problems"] == []
    assert [exchange["problems"] for exchange in told["exchanges"]] == [[]] * len(expected)


@pytest.mark.parametrize("name", INDEX)
def test_no_password_is_shown_unasked(name: str) -> None:
    requests = [exchange["request"] for exchange in INDEX[name]["exchanges"] if exchange["request"]]
    passwords = {request["csr"]["challenge_password"] for request in requests if request["csr"]}
    assert passwords
    said = json.dumps(decoded(name))
    assert not [password for password in passwords if password in said]


@pytest.mark.parametrize("name", INDEX)
def test_tshark_sees_the_same_requests(name: str) -> None:
    capture = DATA / f"{name}.pcapng"
    assert disagreements(read_capture(capture), read_with_tshark(capture)) == ()


def test_what_the_recordings_hold() -> None:
    """Each kind of message, status, cipher and digest that the programs at hand have is in one of them."""
    sides = [exchange[side] for told in INDEX.values() for exchange in told["exchanges"] for side in ("request", "reply")]
    messages = [message for message in sides if message]

    def held(field: str) -> set[str]:
        return {message[field] for message in messages if message[field]}

    assert held("message_type") == {"PKCSReq", "RenewalReq", "CertPoll", "GetCert", "GetCRL", "CertRep"}
    assert held("status") == {"SUCCESS", "FAILURE", "PENDING"}
    assert held("content_cipher") == {"des-cbc", "des-ede3-cbc", "aes-128-cbc", "aes-256-cbc"}
    assert held("digest") == {"md5", "sha1", "sha256", "sha512"}
    assert {each["http"]["method"] for told in INDEX.values() for each in told["exchanges"] if each["request"]} == {"GET", "POST"}


def test_the_folder_is_whole_and_small() -> None:
    assert {file.stem for file in DATA.glob("*.pcapng")} == set(INDEX)
    assert {file.name for file in (DATA / "keys").iterdir()} == {key for told in INDEX.values() for key in told["keys"]}
    assert sum(file.stat().st_size for file in DATA.rglob("*") if file.is_file() and file.suffix != ".pyc") < MOST_OCTETS

"""The testbed's `tap`: what it says of a login, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from hil.bench.testbed import load
from hil.campaign.recording import tap_access
from hil.errors import Misuse

TESTBEDS = Path(__file__).parents[2] / "testbeds"


@pytest.fixture
def described(tmp_path: Path) -> dict[str, Any]:
    """The example with a tap, and the files beside it."""
    raw = yaml.safe_load((TESTBEDS / "example-tap.yaml").read_text())
    (tmp_path / "known_hosts-tap-7").write_text("tap-7.lab ssh-ed25519 AAAA\n")
    (tmp_path / "id-tap-7").write_text("a key\n")
    (tmp_path / "id-tap-7").chmod(0o600)
    assert isinstance(raw, dict)
    return raw


def written(folder: Path, raw: object) -> Path:
    file = folder / "bench.yaml"
    file.write_text(yaml.safe_dump(raw, sort_keys=False))
    return file


def test_the_example_says_how_to_reach_its_tap(described: dict[str, Any], tmp_path: Path) -> None:
    testbed = load(written(tmp_path, described))
    access = tap_access(testbed)
    assert access is not None
    assert str(access) == "tap@tap-7.lab:22"
    assert (access.known_hosts, access.key_file) == (tmp_path / "known_hosts-tap-7", tmp_path / "id-tap-7")
    assert (access.password, access.passphrase, access.dumpcap) == (None, None, "dumpcap")


def test_a_bench_without_a_tap_has_no_access_to_one() -> None:
    assert tap_access(load(TESTBEDS / "virtual.yaml")) is None


def test_secrets_come_from_the_environment(described: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAP_WORD", "tap-w0rd")
    monkeypatch.setenv("TAP_PHRASE", "open-sesame")
    described["tap"] |= {"password_env": "TAP_WORD", "key_env": "TAP_PHRASE"}
    access = tap_access(load(written(tmp_path, described)))
    assert access is not None
    assert access.password == "tap-w0rd"
    assert access.passphrase == "open-sesame"
    assert "tap-w0rd" not in repr(access)
    assert "open-sesame" not in repr(access)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"known_hosts": "nowhere"}, "tap.known_hosts"),
        ({"key_file": "nowhere"}, "tap.key_file"),
        ({"key_file": None}, "no way to log in; add key_file, password_env or password_file"),
        ({"password_env": "TAP_WORD_THAT_IS_NOT_SET"}, "the environment has no TAP_WORD_THAT_IS_NOT_SET"),
        ({"password": "tap-w0rd"}, "unknown key"),
        ({"interface": "eth0; reboot"}, "tap.interface"),
        ({"dumpcap": "dumpcap; reboot"}, "tap.dumpcap"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(
    described: dict[str, Any], tmp_path: Path, change: dict[str, object], said: str
) -> None:
    described["tap"] |= change
    with pytest.raises(Misuse) as caught:
        tap_access(load(written(tmp_path, described)))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "tap-w0rd" not in str(caught.value)


def test_a_key_that_others_may_read_is_refused(described: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "id-tap-7").chmod(0o644)
    with pytest.raises(Misuse, match="chmod 600"):
        tap_access(load(written(tmp_path, described)))

"""Where the community comes from, and that nobody sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.bench.power import Wiring
from hil.bench.power.snmp import SnmpSettings, connect
from hil.bench.secrets import read_secret
from hil.clock import ManualClock
from hil.errors import Misuse
from hil.secret import Secret

WORD = "w0rd-of-the-switch"


def wiring(folder: Path) -> Wiring:
    return Wiring(ManualClock(), off_time=5, folder=str(folder), file=str(folder / "lab.yaml"), turns=folder)


def settings(**more: str) -> SnmpSettings:
    return SnmpSettings.model_validate({"kind": "snmp", "address": "192.0.2.2", **more})


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "community"
    file.write_text(WORD + "\n")
    file.chmod(0o640)
    with pytest.raises(Misuse, match=r"others may read this secret \(mode 640\); chmod 600") as caught:
        connect(settings(community_file="community"), wiring(tmp_path))
    assert WORD not in str(caught.value)
    file.chmod(0o600)
    assert read_secret(file, named_by="a test") == Secret(WORD)
    connect(settings(community_file="community"), wiring(tmp_path)).close()


def test_an_empty_or_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match=r"community: cannot be read: No such file or directory; named by .*power\.community_file"):
        connect(settings(community_file="community"), wiring(tmp_path))
    (tmp_path / "community").touch(mode=0o600)
    with pytest.raises(Misuse, match="holds no secret"):
        connect(settings(community_file="community"), wiring(tmp_path))


def test_the_environment_is_asked_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAB_COMMUNITY", raising=False)
    with pytest.raises(Misuse, match=r"power\.community_env: the environment has no LAB_COMMUNITY; export LAB_COMMUNITY"):
        connect(settings(community_env="LAB_COMMUNITY"), wiring(tmp_path))
    monkeypatch.setenv("LAB_COMMUNITY", WORD)
    switch = connect(settings(community_env="LAB_COMMUNITY"), wiring(tmp_path))
    assert WORD not in repr(vars(switch))
    switch.close()


def test_no_place_or_two_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="add community_env or community_file"):
        connect(settings(), wiring(tmp_path))
    with pytest.raises(Misuse, match="two places for one community"):
        connect(settings(community_env="A", community_file="b"), wiring(tmp_path))

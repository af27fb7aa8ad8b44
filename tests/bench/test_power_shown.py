"""`hil power` on benches of several ways, and what it costs those who need none of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from power_rigs import RIGS, SECRETS
from power_testbeds import around
from typer.testing import CliRunner

from hil.bench.power.dialects import DIALECTS
from hil.cli.main import app


def hil(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(words))
    return done.exit_code, done.output.strip()


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_STATE", str(tmp_path / "state"))
    for name, word in SECRETS.items():
        monkeypatch.setenv(name, word)


@pytest.mark.parametrize("way", ["SNMP v2c", "SNMP v3", "SSH", "relay"])
def test_status_shows_watts_where_they_are_told(way: str, tmp_path: Path) -> None:
    with RIGS[way](tmp_path) as rig:
        at = ("one", "--testbed", str(around(rig).file))
        measured, unmeasured = (", 3.4 W", ", 0.0 W") if way in ("SNMP v2c", "SSH") else ("", "")
        code, before = hil("power", "status", *at)
        assert (code, before.partition(" (")[0]) == (0, f"one: on{measured}")
        code, off = hil("power", "off", *at)
        assert (code, off.partition(" (")[0]) == (0, f"one: off{unmeasured}")
        code, recovered = hil("recover", *at[1:])
        assert (code, recovered.partition(" (")[0]) == (0, "one: on again")


def test_a_dialect_may_stand_in_the_testbed_whole(tmp_path: Path) -> None:
    with RIGS["SSH"](tmp_path) as rig:
        rig.power["dialect"] = DIALECTS["cisco-ios"].model_dump(mode="json")
        assert hil("power", "cycle", "one", "--testbed", str(around(rig).file))[0] == 0
    assert rig.box.orders == [(rig.names[0], False), (rig.names[0], True)]


def test_nobody_loads_a_login_who_has_no_use_for_one() -> None:
    script = "import sys, hil.bench.testbed; print(sorted({'netmiko', 'paramiko'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

"""A kill in mid-upgrade: whoever comes next, the phone keeps its power until it was seen back."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

SCRIPT = Path(__file__).with_name("killed_scenario.py")
SLOW = 4
"""Phone seconds in a real one: so slow that the phone writes for all the time that others try to cut its power."""


def test_a_kill_while_the_phone_writes_costs_it_no_power(
    run: Callable[..., subprocess.CompletedProcess[str]], bench: dict[str, Any], made: Callable[..., Path], tmp_path: Path
) -> None:
    made("4.1.5.0.6")
    (tmp_path / "virtual.yaml").write_text(yaml.safe_dump(bench | {"rate": SLOW}))
    real = {key: value for key, value in bench.items() if key != "rate"} | {"name": "lab-2", "kind": "real"}
    real["power"] |= {"community_file": "word"}
    real["times"] |= {"settle": 0.5}
    del real["phones"][0]["virtual"]
    (tmp_path / "real.yaml").write_text(yaml.safe_dump(real))
    done = run(str(SCRIPT), str(tmp_path))
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["killed"] == ["j179-1: 4.1.3.0.6 asks for its files", "j179-1: FW_S_J179_R4_1_5_0_6.bin is fetched"]
    for refused in ("off", "cycle"):
        code, said = seen[refused]
        assert code == 11
        assert "the phone is being upgraded to 4.1.5.0.6, and without power now it might never start again" in said
    assert seen["recover"] == [0, "no phone that is free was left without power\n"]
    assert "j179-1: is being upgraded to 4.1.5.0.6, since 20" in seen["status"][1]
    assert seen["still_writing"]
    assert seen["never_without_power"]
    code, said = seen["again"]
    assert code == 0
    begins, back, *_ = said.splitlines()
    assert begins.startswith("j179-1: is being upgraded to 4.1.5.0.6 since 20")
    assert back in ("j179-1: 4.1.5.0.6 asks for its files", "j179-1: runs 4.1.5.0.6, it says by LLDP")
    assert said.splitlines()[-1] == "j179-1: 4.1.5.0.6: installed"
    assert seen["afterwards"] == [0, "j179-1: off (192.0.2.2 1.2)\n"]

"""Installs on the virtual bench as a user has them: whole, taken back, and phones that do not come back."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("installs_scenario.py")
ON = "--phone j179-1"
Said = list[tuple[int | str, str]]


@pytest.fixture
def hil(run: Callable[..., subprocess.CompletedProcess[str]], bench: dict[str, Any]) -> Callable[..., Said]:
    """Lines of words for `hil`, one after another on one virtual bench; exit code and output of each."""

    def play(*lines: str) -> Said:
        done = run(str(SCRIPT), *lines)
        assert done.returncode == 0, done.stderr
        return [(code, said) for code, said in json.loads(done.stdout)]

    return play


def test_a_release_is_installed_and_taken_back(hil: Callable[..., Said], made: Callable[..., Path]) -> None:
    former, new = made("4.1.3.0.6").name, made("4.1.5.0.6").name
    there, back, mistaken = hil(
        f"firmware install {new} --former {former} {ON}", f"firmware back {ON} --json", f"firmware install FW_S_J139.bin {ON}"
    )
    assert there == (
        0,
        "j179-1: 4.1.3.0.6 asks for its files\n"
        f"j179-1: {new} is fetched\n"
        "j179-1: back as 4.1.5.0.6\n"
        "j179-1: 4.1.5.0.6 has read its settings\n"
        "j179-1: 4.1.5.0.6: installed\n",
    )
    assert back[0] == 0
    assert json.loads(back[1])["phones"] == {
        "j179-1": {"target": "4.1.3.0.6", "result": "installed", "before": "4.1.5.0.6", "now": "4.1.3.0.6", "rolled_back": None}
    }
    assert mistaken[0] == "Misuse"


def test_a_release_that_does_not_come_up_is_rolled_back(hil: Callable[..., Said], made: Callable[..., Path]) -> None:
    former, new, damaged = made("4.1.3.0.6").name, made("4.1.6.0.0", "halts").name, made("4.1.7.0.0", damaged=True).name
    halted, old, back = hil(
        f"firmware install {new} --former {former} {ON}", f"firmware install {damaged} {ON}", f"firmware back {ON}"
    )
    assert halted[0] == 1
    assert halted[1].splitlines()[-1] == (
        "j179-1: 4.1.6.0.0: came back, and did not get as far as its settings (last seen as 4.1.6.0.0); "
        "rolled back: 4.1.3.0.6: installed"
    )
    assert back == ("Misuse", "j179-1: nothing was installed on it here; hil firmware install IMAGE installs any release")
    assert old[0] == 1
    assert old[1].splitlines()[-1] == ("j179-1: 4.1.7.0.0: restarted, and came back as something else (last seen as 4.1.3.0.6)")


def test_a_phone_that_never_comes_back_keeps_its_power_until_a_person_gives_it_up(
    hil: Callable[..., Said], made: Callable[..., Path]
) -> None:
    new = made("4.1.8.0.0", "stays-dead").name
    gone, off, waits, given_up, after, status = hil(
        f"firmware install {new} {ON}",
        "power off j179-1",
        f"firmware install {new} {ON} --limit 60",
        "firmware give-up j179-1 --reason 'its screen is dark'",
        "power off j179-1",
        "firmware status",
    )
    assert gone[0] == waits[0] == 1
    assert "4.1.8.0.0: was offered it, and was not seen back" in gone[1]
    assert off[0] == "PowerGuarded"
    assert "asks for its files" not in waits[1]
    assert given_up[0] == 0
    assert after == (0, "j179-1: off (192.0.2.2 1.2)\n")
    assert status == (0, "j179-1: is not being upgraded\n")

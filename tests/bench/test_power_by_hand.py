"""Commands of a site and persons: what is said that is no answer, and what is left running or unasked."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from pathlib import Path

import pytest
from power_rigs import Rig, person
from power_simulators.box import Box
from power_simulators.terminals import Person

from hil.bench.power import PowerRefused, PowerUnreachable, PowerUnreadable
from hil.bench.power.command import CommandSettings
from hil.errors import Misuse


def commanded(folder: Path, status: str, *, program: str = "/bin/sh", timeout: float = 20.0, **more: object) -> Rig:
    """A site whose status is a line of shell; its outlets are `a` and `b`."""
    power = {
        "kind": "command",
        "turn_on": ["true", "{outlet}"],
        "turn_off": ["true", "{outlet}"],
        "status": [program, "-c", status, "{outlet}"],
        "timeout": timeout,
        **more,
    }
    return Rig(power, ({"outlet": "a"}, {"outlet": "b"}), Box(("a", "b")), ("a", "b"), folder)


@pytest.mark.parametrize("said", ["", "the outlet is fine", "on and off", "ON, was OFF", "offline"])
def test_a_status_that_says_both_or_neither_is_not_read(said: str, tmp_path: Path) -> None:
    with commanded(tmp_path, f"echo '{said}'").connected() as (port, _), pytest.raises(PowerUnreadable, match=r"both|neither"):
        port.delivering()


def test_patterns_are_the_site_s_own_and_the_outlet_is_one_word(tmp_path: Path) -> None:
    rig = commanded(tmp_path, 'echo "state=1 of $0"', shows_on="state=1", shows_off="state=0")
    rig.outlets[0]["outlet"] = "a; touch stolen"
    with rig.connected() as (port, _):
        assert port.delivering()
        assert port.label == "a; touch stolen"
    assert not (tmp_path / "stolen").exists()


def test_a_command_that_fails_is_quoted_and_one_that_is_not_there_is_named(tmp_path: Path) -> None:
    failing, missing = commanded(tmp_path, "echo no such outlet >&2; exit 3"), commanded(tmp_path, "", program="./nowhere")
    with failing.connected() as (port, _), pytest.raises(PowerRefused, match="/bin/sh ended with 3: no such outlet"):
        port.delivering()
    with missing.connected() as (port, _), pytest.raises(PowerUnreachable, match=r"\./nowhere cannot be started: No such file"):
        port.delivering()


@pytest.mark.parametrize("end", ["wait", "exit"], ids=["waits for it", "leaves it behind"])
def test_a_command_that_never_ends_leaves_nothing_running(end: str, tmp_path: Path) -> None:
    child = "import os, time; print(os.getpid(), file=open('pid', 'w')); time.sleep(600)"
    os.mkfifo(tmp_path / "pid")
    pid = os.open(tmp_path / "pid", os.O_RDONLY | os.O_NONBLOCK)
    try:
        rig = commanded(tmp_path, f'{sys.executable} -c "{child}" & {end}')
        with rig.connected(timeout=3.0) as (port, _), pytest.raises(PowerUnreachable, match="did not end within 3 s"):
            port.delivering()
        started = int(os.read(pid, 64))
    finally:
        os.close(pid)
    with contextlib.suppress(ProcessLookupError):
        process = os.pidfd_open(started)
        try:
            assert select.select([process], [], [], 10)[0], "it still runs"
        finally:
            os.close(process)


def test_commands_that_name_no_outlet_and_patterns_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match=r"power\.turn_off: names no outlet; put \{outlet\}"):
        commanded(tmp_path, "", turn_off=["true"]).switch()
    with pytest.raises(ValueError, match="is no pattern"):
        CommandSettings.model_validate({**commanded(tmp_path, "").power, "shows_on": "("})


def test_a_person_is_asked_again_until_the_word_comes(tmp_path: Path) -> None:
    with person(tmp_path) as rig:
        somebody = Person(rig.box)
        said = iter(["what?", "off", "", "on"])
        somebody._answer = lambda _: next(said)  # type: ignore[method-assign]
        rig.power["terminal"] = somebody.device
        with somebody, rig.connected() as (port, _):
            port.off()
            port.on()
            assert port.delivering()
        assert [question.split()[1] for question in somebody.questions] == ["off:", "off:", "on:", "on:"]


def test_nobody_to_ask_is_no_answer(tmp_path: Path) -> None:
    with person(tmp_path) as rig:
        rig.power["terminal"] = str(tmp_path / "nowhere")
        with rig.connected() as (port, _), pytest.raises(PowerUnreachable, match=r"there is nobody to ask: .*No such file"):
            port.off()

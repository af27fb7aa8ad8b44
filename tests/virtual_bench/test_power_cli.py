"""`hil power` and `hil recover` on the virtual bench."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Play = Callable[..., dict[str, Any]]

RUN = """
import typer
from typer.testing import CliRunner
from hil.bench.state import state_folder
import hil.cli.power as cli
import hil.bench.bench
app = typer.Typer()
app.command()(cli.power)
app.command()(cli.recover)
cli.bench_for = lambda testbed, use: VirtualBench(testbed, use, program=stand_in)

def hil(*words):
    done = CliRunner().invoke(app, [*words, "--testbed", os.environ["TESTBED"]])
    return [done.exit_code, done.output.strip() or repr(done.exception)]

"""


def test_a_phone_left_off_is_off_until_it_is_recovered(play: Play) -> None:
    facts = play(
        RUN
        + """
show(before=hil("power", "status", "j179-1"), off=hil("power", "off", "j179-1"), status=hil("power", "status", "j179-1"),
     recover=hil("recover"), after=hil("power", "status", "j179-1"), again=hil("recover"), cycle=hil("power", "cycle", "j139-1"))
"""
    )
    assert facts["before"] == [0, "j179-1: on (192.0.2.2 1.2)"]
    assert facts["off"] == facts["status"] == [0, "j179-1: off (192.0.2.2 1.2)"]
    assert facts["recover"][1].startswith("j179-1: on again (192.0.2.2 1.2; off since 20")
    assert facts["after"] == [0, "j179-1: on (192.0.2.2 1.2)"]
    assert facts["again"] == [0, "no phone that is free was left without power"]
    assert facts["cycle"] == [0, "j139-1: on (192.0.2.2 1.1)"]


def test_an_unknown_phone_or_state_is_refused_before_the_bench_is_opened(play: Play) -> None:
    facts = play(
        RUN
        + """
show(phone=hil("power", "on", "j17"), state=hil("power", "up", "j179-1"), opened=state_folder("virtual").exists())
"""
    )
    assert "has no phone 'j17'; did you mean 'j179-1'?" in facts["phone"][1]
    assert facts["state"][0] == 2
    assert not facts["opened"]

"""`hil enroll` at a CA that holds requests pending, over a network that loses answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_rig import PatientClock, Server, facts, pair, run
from typer.testing import Result

from hil.scenario import Answer, Forge, Garbage, HttpError, Issue, Pend, Reject, Reset, Truncate


def enroll(server: Server, out: Path, *options: str, clock: PatientClock | None = None) -> Result:
    arguments = ("--cn", "phone", "--challenge-env", "CHALLENGE", "--key-length", "1024", "--json", *options)
    return run("enroll", server.url, "--out", out, *arguments, clock=clock)


def test_pauses_grow_until_the_certificate_is_there(server: Server, tmp_path: Path) -> None:
    server.script(Pend(times=4), Issue())
    clock = PatientClock()
    done = enroll(server, tmp_path / "out", "--poll-first", "10", "--poll-longest", "30", clock=clock)
    assert done.exit_code == 0
    assert facts(done)["polls"] == 4
    assert clock.waits == [10, 20, 30, 30]
    assert server.told == ["PKCSReq"] + 4 * ["CertPoll"]
    assert server.transactions == {facts(done)["transaction_id"]}
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"client.key", "client.pem", "chain.pem"}


@pytest.mark.parametrize(
    ("options", "waits"),
    [
        (["--poll-first", "10", "--poll-longest", "30", "--poll-limit", "100"], [10, 20, 30, 30, 10]),
        (["--poll-count", "3"], [5, 10, 20]),
        (["--poll-first", "900", "--poll-limit", "1800"], [900, 900]),
        (["--poll-limit", "0"], []),
        (["--no-wait"], []),
    ],
)
def test_polling_is_bounded_in_time_and_number(server: Server, tmp_path: Path, options: list[str], waits: list[float]) -> None:
    server.script(Pend())
    clock = PatientClock()
    done = enroll(server, tmp_path / "out", *options, clock=clock)
    assert done.exit_code == 3
    assert clock.waits == pytest.approx(waits, abs=0.01)
    assert facts(done)["state"] == str(tmp_path / "out" / "pending.json")


@pytest.mark.parametrize("fault", [HttpError(503), Garbage(100)], ids=repr)
def test_a_poll_without_an_answer_to_trust_is_made_again(server: Server, tmp_path: Path, fault: Answer) -> None:
    server.script(Pend(), fault, fault, Issue())
    assert enroll(server, tmp_path / "out").exit_code == 0
    assert server.told == ["PKCSReq"] + 3 * ["CertPoll"]


@pytest.mark.parametrize("lost", [Reset("before"), Truncate(), Forge("signature"), Forge("recipientNonce")], ids=repr)
def test_a_certificate_whose_answer_was_lost_is_asked_for_again(server: Server, tmp_path: Path, lost: Answer) -> None:
    server.script(Pend(), lost, Issue())
    done = enroll(server, tmp_path / "out")
    assert done.exit_code == 0
    assert server.told == ["PKCSReq", "CertPoll", "CertPoll", "PKCSReq"]
    assert server.transactions == {facts(done)["transaction_id"]}
    pair(tmp_path / "out")


def test_too_many_polls_without_an_answer_end_it_and_the_next_run_goes_on(server: Server, tmp_path: Path) -> None:
    server.script(Pend(), *6 * [HttpError(503)], Issue())
    done = enroll(server, tmp_path / "out")
    assert done.exit_code == 4
    assert (facts(done)["outcome"], facts(done)["reason"]) == ("no answer", "HTTP 503")
    again = enroll(server, tmp_path / "out")
    assert again.exit_code == 0
    assert facts(again)["transaction_id"] == facts(done)["transaction_id"]


def test_a_refusal_of_a_poll_is_final(server: Server, tmp_path: Path) -> None:
    server.script(Pend(), Reject("badRequest"))
    assert enroll(server, tmp_path / "out").exit_code == 1
    assert server.told == ["PKCSReq", "CertPoll"]
    assert not (tmp_path / "out").exists()

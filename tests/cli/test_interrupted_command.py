"""`hil enroll` run again: after an interruption, with other options, beside itself."""

from __future__ import annotations

import json
import signal
import stat
from pathlib import Path

import pytest
from cli_rig import PASSWORD, Server, end, facts, killing, pair, run, start
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from typer.testing import Result

from hil.cli.workplace import claimed
from hil.clock import ScaledClock
from hil.errors import Misuse
from hil.scenario import Issue, Pend, Reject, Reset, Silence
from hil.scep.authority import Authority
from hil.scep.trust import fingerprint

ARGUMENTS = ("--cn", "phone", "--challenge-env", "CHALLENGE", "--key-length", "1024", "--json")


def enroll(server: Server, out: Path, *options: str | Path) -> Result:
    return run("enroll", server.url, *ARGUMENTS, "--out", out, *options)


def kept(out: Path) -> dict[str, str]:
    record: dict[str, str] = json.loads((out / "pending.json").read_text())
    return record


def test_the_next_run_polls_at_once_for_what_is_pending(server: Server, tmp_path: Path) -> None:
    server.script(Pend(), Issue())
    first = enroll(server, tmp_path, "--no-wait")
    key = load_pem_private_key(kept(tmp_path)["key"].encode(), None)
    second = enroll(server, tmp_path, "--no-wait")
    assert (first.exit_code, second.exit_code) == (3, 0)
    assert facts(second)["transaction_id"] == facts(first)["transaction_id"]
    assert (facts(first)["resumed"], facts(second)["resumed"]) == (False, True)
    assert server.told == ["PKCSReq", "CertPoll"]
    assert pair(tmp_path)[0].public_key() == key.public_key()


def test_a_request_whose_answer_was_lost_is_the_same_once_more(server: Server, tmp_path: Path) -> None:
    server.script(Reset("before"), Issue())
    lost = enroll(server, tmp_path)
    assert (lost.exit_code, facts(lost)["reason"]) == (4, "no connection")
    done = enroll(server, tmp_path)
    assert done.exit_code == 0
    assert server.told == ["PKCSReq", "PKCSReq"]
    assert server.transactions == {facts(done)["transaction_id"]}
    first, second = server.signer.csrs
    assert first.der == second.der


def test_a_ca_that_has_forgotten_gets_the_request_again(server: Server, tmp_path: Path) -> None:
    server.script(Pend())
    pending = enroll(server, tmp_path, "--no-wait")
    server.script(Issue())
    done = enroll(server, tmp_path)
    assert done.exit_code == 0
    assert server.told == ["PKCSReq", "CertPoll", "PKCSReq"]
    assert facts(done)["transaction_id"] == facts(pending)["transaction_id"]


def test_a_refusal_in_the_next_run_discards_the_request(server: Server, tmp_path: Path) -> None:
    server.script(Pend(), Reject())
    assert enroll(server, tmp_path / "out", "--no-wait").exit_code == 3
    assert enroll(server, tmp_path / "out").exit_code == 1
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--cn", "other"], "--cn was 'phone'"),
        (["--dn", "/O=Lab"], "--dn was ''"),
        (["--san", "dns:a"], "--san was ''"),
        (["--key-length", "2048"], "--key-length was '1024'"),
        (["--identifier", "x"], "--identifier was 'CAIdentifier'"),
        (["--cipher", "des"], "--cipher was 'auto'"),
        (["--digest", "sha1"], "--digest was 'auto'"),
        (["--challenge-env", "OTHER"], "the challenge password was another"),
    ],
)
def test_another_request_in_the_same_folder_is_misuse(server: Server, tmp_path: Path, options: list[str], says: str) -> None:
    server.script(Pend())
    assert enroll(server, tmp_path, "--no-wait").exit_code == 3
    asked = server.operations
    done = run("enroll", server.url, *ARGUMENTS, "--out", tmp_path, *options, env={"OTHER": "guessed"})
    assert isinstance(done.exception, Misuse)
    assert says in str(done.exception)
    assert "--restart" in str(done.exception)
    assert PASSWORD not in str(done.exception)
    assert server.operations == asked


def test_the_password_need_not_be_at_hand_again(server: Server, tmp_path: Path) -> None:
    server.script(Pend(), Issue())
    assert enroll(server, tmp_path, "--no-wait").exit_code == 3
    assert run("enroll", server.url, "--cn", "phone", "--key-length", "1024", "--out", tmp_path).exit_code == 0


def test_restart_begins_anew(server: Server, tmp_path: Path) -> None:
    server.script(Pend(), Issue())
    assert enroll(server, tmp_path, "--no-wait").exit_code == 3
    done = enroll(server, tmp_path, "--restart", "--cn", "other")
    assert (done.exit_code, facts(done)["resumed"]) == (0, False)
    assert len(server.transactions) == 2


def test_another_ca_gets_nothing_of_a_request_unless_it_is_named(server: Server, tmp_path: Path) -> None:
    server.script(Pend())
    assert enroll(server, tmp_path, "--no-wait").exit_code == 3
    asked = len(server.told)
    stranger = Authority.create("Another CA", ScaledClock())
    server.seat(stranger)
    refused = enroll(server, tmp_path)
    assert (refused.exit_code, facts(refused)["reason"]) == (4, "untrusted CA")
    assert len(server.told) == asked
    assert enroll(server, tmp_path, "--fingerprint", fingerprint(stranger.certificate)).exit_code == 0


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"key": 7}', "\udcff"])
def test_a_broken_file_is_named(server: Server, tmp_path: Path, content: str) -> None:
    (tmp_path / "pending.json").write_text(content, errors="surrogateescape")
    done = enroll(server, tmp_path)
    assert isinstance(done.exception, Misuse)
    assert "pending.json" in str(done.exception)
    assert server.operations == []


def test_two_runs_do_not_work_in_one_folder(server: Server, tmp_path: Path) -> None:
    with claimed(tmp_path):
        done = enroll(server, tmp_path)
    assert isinstance(done.exception, Misuse)
    assert "another process" in str(done.exception)


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("script", "asked"),
    [((Silence(), Issue()), ["PKCSReq", "PKCSReq"]), ((Pend(), Silence(), Issue()), ["PKCSReq", "CertPoll", "CertPoll"])],
    ids=["asked", "pending"],
)
def test_a_process_that_was_ended_is_gone_on_with(
    server: Server, tmp_path: Path, by: signal.Signals, script: tuple[Pend | Silence | Issue, ...], asked: list[str]
) -> None:
    server.script(*script)
    out = tmp_path / "out"
    process = start("enroll", server.url, *ARGUMENTS, "--out", out, "--poll-first", "0.1")
    server.await_operation(len(asked) - 1)
    said = end(process, by)
    assert process.returncode == (130 if by == signal.SIGINT else -by)
    if by == signal.SIGINT:
        assert (json.loads(said)["outcome"], json.loads(said)["state"]) == ("interrupted", str(out / "pending.json"))
    transaction = kept(out)["transaction_id"]
    done = enroll(server, out)
    assert done.exit_code == 0
    assert facts(done)["transaction_id"] == transaction
    assert server.told == asked
    assert server.transactions == {transaction}
    pair(out)


def test_wherever_a_process_is_killed_the_next_run_ends_well(server: Server, tmp_path: Path) -> None:
    with killing() as killed:
        for step in range(1, 100):
            out = tmp_path / f"killed-{step}"
            before = server.transactions
            server.script(Pend(), Issue())
            code = killed(out, step, "enroll", server.url, *ARGUMENTS, "--out", out, "--poll-first", "0.1")
            if code == 0:
                break
            assert code == -signal.SIGKILL
            if not (out / "client.pem").exists() or (out / "pending.json").exists():
                assert enroll(server, out).exit_code == 0
            pair(out)
            assert len(server.transactions - before) == 1
            assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in out.iterdir()} == {
                "client.key": 0o600,
                "client.pem": 0o600,
                "chain.pem": 0o600,
            }
    assert code == 0
    assert step > 20

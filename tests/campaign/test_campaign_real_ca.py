"""A real CA behind the phones: what is not played before it, which one is meant, and how its end entities become New."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from proxied import Server, by_endpoint, tls_server

from hil.bench.testbed import Testbed, load
from hil.campaign.plan import PlannedBoot, plan
from hil.campaign.real_ca import Administrator, check_external, require_meant_ca, told_in_slots, why_not_played
from hil.campaign.render import Server as Told
from hil.clock import ScaledClock
from hil.errors import LabFault, Misuse
from hil.scenario import (
    HTTPS,
    ChangeSettings,
    Forge,
    HttpError,
    Issue,
    PassTime,
    Pend,
    Reject,
    Reset,
    Restart,
    Scenario,
    Step,
    TellTime,
)
from hil.scep.authority import Authority, to_pem
from hil.scep.ca import CaService
from hil.scep.endpoint import Endpoint
from hil.scep.signers import issue

VIRTUAL = Path(__file__).parents[2] / "testbeds" / "virtual.yaml"
PASSWORD = "made-up-swordfish"
ENTITIES = [{"common_name": f"$SERIALNO {slot}", "password_env": "CA_PASSWORD"} for slot in (1, 2, 3)]


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CA_PASSWORD", PASSWORD)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("A real CA", ScaledClock())


def bench(folder: Path, **external: object) -> Testbed:
    """The virtual bench with a real CA."""
    told = {"url": "http://127.0.0.1:9/scep", "fingerprint": "00" * 32, "entities": ENTITIES, **external}
    raw = yaml.safe_load(VIRTUAL.read_text()) | {"ca": {"external": {key: value for key, value in told.items() if value}}}
    file = folder / "bench.yaml"
    file.write_text(yaml.safe_dump(raw))
    return load(file)


def administrator(testbed: Testbed) -> Administrator:
    assert testbed.ca.external is not None
    return Administrator(testbed.ca.external, testbed)


def prepare(testbed: Testbed, *scenarios: Scenario, held: frozenset[int] = frozenset()) -> Administrator:
    """Have the end entities prepared that these scenarios ask for, in slots 1, 2 and so on."""
    one = administrator(testbed)
    boot = PlannedBoot("main", tuple(enumerate(scenarios, 1)))
    one.prepare(testbed.phone("j179-1"), boot, held, Told("192.0.2.1", 80, told=told_in_slots(testbed)))
    return one


def by(script: str) -> list[str]:
    return ["sh", "-c", script]


WRITES = by('echo "$HIL_PHONE $HIL_SLOT $HIL_ENTITY $HIL_PASSWORD" >> told')
NAMED = Scenario((("MYCERTCN", "room $MACADDR"), ("SCEPPASSWORD", "$SERIALNO")))


class TestPreparing:
    def test_each_slot_that_is_to_enrol_is_told(self, tmp_path: Path) -> None:
        prepare(bench(tmp_path, prepare=WRITES), Scenario(), NAMED, Scenario((("MYCERTURL", ""),)))
        assert (tmp_path / "told").read_text().splitlines() == [
            f"j179-1 1 19WZ17900002 1 {PASSWORD}",
            "j179-1 2 room c81fea830179 19WZ17900002",
        ]

    def test_a_slot_with_a_certificate_is_left_alone_until_somebody_says_so(self, tmp_path: Path) -> None:
        one = prepare(bench(tmp_path, prepare=WRITES), Scenario(), Scenario(), held=frozenset({1}))
        one.set_new("j179-1")
        one.set_new("j139-1")
        assert [line.split()[1] for line in (tmp_path / "told").read_text().splitlines()] == ["2", "2"]

    def test_without_a_command_nothing_is_done(self, tmp_path: Path) -> None:
        prepare(bench(tmp_path), Scenario())
        assert not (tmp_path / "told").exists()

    @pytest.mark.parametrize(
        ("script", "seen"),
        [
            ('echo "refused $HIL_PASSWORD" >&2; exit 3', "exit code 3: refused <secret>"),
            ("exit 3", "exit code 3: no word"),
            ("kill -9 $$", "ended by SIGKILL"),
            ("exec 3<&0; sleep 60 & wait", "did not end within 0.5 s"),
        ],
    )
    def test_a_command_that_fails_is_a_fault_of_the_bench(self, tmp_path: Path, script: str, seen: str) -> None:
        with pytest.raises(LabFault) as fault:
            prepare(bench(tmp_path, prepare=by(script), limit=0.5 if "sleep" in script else 30), Scenario())
        told = str(fault.value)
        for words in ("j179-1", "the end entity '19WZ17900002 1' of slot 1 could not be set to New", f"sh -c {script}", seen):
            assert words in told
        assert PASSWORD not in told

    def test_a_program_that_is_not_there_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(LabFault, match=r"cannot be started \(No such file"):
            prepare(bench(tmp_path, prepare=["./not-there"]), Scenario())

    def test_two_slots_cannot_have_one_end_entity(self, tmp_path: Path) -> None:
        with pytest.raises(LabFault, match="two slots ask for the end entity 'room c81fea830179'"):
            prepare(bench(tmp_path, prepare=WRITES), NAMED, NAMED)


def lived(*steps: Step, ca: tuple[Any, ...] = (Issue(),), **settings: str) -> Scenario:
    return Scenario(tuple(settings.items()), ca=ca, steps=steps)


@pytest.mark.parametrize(
    ("scenario", "reason"),
    [
        (lived(), None),
        (lived(Restart()), None),
        (lived(ca=(HttpError(503), Reset("before"), Issue())), None),
        (lived(ca=(Pend(), Issue())), "needs the CA's signature"),
        (lived(ca=(Reject(),)), "needs the CA's signature"),
        (lived(ca=(Forge("transactionID"),)), "needs the CA's signature"),
        (lived(ca=(Issue(days=1),)), "chooses validity"),
        (lived(ca=(Issue(), Issue(backdated=3))), "chooses validity"),
        (lived(PassTime(200_000)), "what falls due"),
        (lived(TellTime(-2_600_000.0), Restart()), "what falls due"),
        (lived(PassTime(3600)), None),
        (Scenario(persona="ndes"), "does not behave as ndes"),
        (Scenario(services=("SIP",)), "serial number"),
        (Scenario(slot=1, mates=(Scenario(persona="ejbca", slot=2),)), "does not behave as ejbca"),
        (lived(MYCERTURL=HTTPS), None),
    ],
)
def test_what_no_real_ca_can_be_made_to_do_is_not_played(scenario: Scenario, reason: str | None) -> None:
    told = why_not_played(scenario)
    assert told is None if reason is None else told is not None and reason in told


@pytest.mark.parametrize(
    ("scenario", "prepared", "unprepared"),
    [
        (lived(), None, None),
        (lived(MYCERTCN="$MACADDR"), None, "another name"),
        (lived(ChangeSettings((("MYCERTCN", "$MACADDR"),))), None, "another name"),
        (lived(SCEPPASSWORD="$MACADDR"), None, "another password"),
        (lived(SCEPPASSWORD=""), None, None),
        (lived(ca=(HttpError(500), Issue())), None, None),
        (lived(ca=(Reset("during"), Issue())), "asked more often", None),
        (lived(ca=(Forge("signature"),)), "asked more often", None),
    ],
)
def test_what_this_ca_cannot_know_is_not_played(
    tmp_path: Path, scenario: Scenario, prepared: str | None, unprepared: str | None
) -> None:
    for reason, external in ((prepared, {"prepare": WRITES}), (unprepared, {})):
        told = why_not_played(scenario, bench(tmp_path, **external).ca.external)
        assert told is None if reason is None else told is not None and reason in told


def test_what_is_not_played_is_not_planned() -> None:
    made = plan([lived(), Scenario(persona="ndes")], None, barred=why_not_played)
    assert list(made.sitting_of) == [lived()]
    assert "ndes" in made.not_applicable[Scenario(persona="ndes")]


class TestWhichCaIsMeant:
    def pinned(self, authority: Authority) -> Mapping[str, object]:
        return {"fingerprint": hashlib.sha256(authority.certificate.der).hexdigest()}

    def served(self, authority: Authority) -> Any:
        return by_endpoint(Endpoint(CaService(authority, issue(authority), clock=ScaledClock())))

    def test_over_tls_that_is_verified(self, tmp_path: Path, authority: Authority) -> None:
        context, trust = tls_server(tmp_path, "127.0.0.1")
        (tmp_path / "ca.pem").write_bytes(to_pem(authority.certificate))
        with Server(self.served(authority), tls=context) as server:
            require_meant_ca(bench(tmp_path, url=server.url, tls_trust=trust.name, **self.pinned(authority)))
            by_file = bench(tmp_path, url=server.url, tls_trust=trust.name, fingerprint=None, certificate="ca.pem")
            require_meant_ca(by_file)
            with pytest.raises(LabFault, match="certificate"):
                require_meant_ca(bench(tmp_path, url=server.url, **self.pinned(authority)))

    def test_a_stranger_is_refused(self, tmp_path: Path, authority: Authority) -> None:
        with Server(self.served(authority)) as server, pytest.raises(LabFault, match="another CA than the one meant"):
            require_meant_ca(bench(tmp_path, url=server.url))

    def test_files_that_hold_nothing_are_misuse(self, tmp_path: Path) -> None:
        with pytest.raises(Misuse, match=r"ca\.external\.certificate: there is no"):
            check_external(bench(tmp_path, fingerprint=None, certificate="ca.pem"))
        (tmp_path / "ca.pem").write_text("nothing")
        with pytest.raises(Misuse, match=r"ca\.external\.certificate: .* holds no certificate"):
            check_external(bench(tmp_path, fingerprint=None, certificate="ca.pem"))
        with pytest.raises(Misuse, match=r"ca\.external\.tls_trust: .* holds no certificate"):
            check_external(bench(tmp_path, url="https://ca.example.com/scep", tls_trust="ca.pem"))

    @pytest.mark.parametrize(
        ("wrong", "problem"),
        [
            ({"url": "ca.example.com"}, "url"),
            ({"url": "https://me:secret@ca.example.com/scep"}, "url"),
            ({"fingerprint": "00" * 31}, "fingerprint"),
            ({"fingerprint": None}, "needs either fingerprint or certificate"),
            ({"certificate": "ca.pem"}, "needs either fingerprint or certificate"),
            ({"tls_trust": "ca.pem"}, "tls_trust is for an https url"),
            ({"entities": ENTITIES[:2]}, "entities are three"),
            ({"entities": [ENTITIES[0]] * 3}, "two slots share"),
            ({"entities": None, "prepare": WRITES}, "prepare needs entities"),
            ({"entities": [{"common_name": "no macro"}] * 3}, "common_name"),
        ],
    )
    def test_a_section_that_makes_no_sense_is_refused(self, tmp_path: Path, wrong: dict[str, object], problem: str) -> None:
        with pytest.raises(Misuse, match=problem):
            bench(tmp_path, **wrong)

    def test_a_password_that_cannot_be_had_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("CA_PASSWORD")
        with pytest.raises(Misuse, match=r"ca\.external\.entities\[0\]\.password_env: the environment has no CA_PASSWORD"):
            told_in_slots(bench(tmp_path))
        assert "CA_PASSWORD" not in os.environ

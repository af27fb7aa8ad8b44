"""A thread for each phone: what tests ask of it, and how nothing that goes wrong in it is lost or kept waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from stage_props import Phone, Props, dead_switch

from hil.bench.power import PowerFault
from hil.campaign.play import Played
from hil.campaign.runner import Campaign, NotApplicable, NotSeen, Order, PhoneRun
from hil.errors import LabFault
from hil.evidence import EventName, SittingManifest
from hil.scenario import PassTime, Scenario

FIRST, SECOND, ALONE = Scenario(slot=1), Scenario(slot=2), Scenario((("SCEPPASSWORD", ""),), slot=1, alone=True)
PATIENCE = 20.0


class Runs:
    """Makes runs of phones, and sees to it that their threads end."""

    def __init__(self, folder: Path) -> None:
        self.props = Props(folder)
        self._made: list[PhoneRun] = []

    def run(self, *scenarios: Scenario, wanted: Sequence[Scenario] | None = None, retries: int = 0) -> PhoneRun:
        order = Order(scenarios, frozenset(scenarios if wanted is None else wanted))
        made = PhoneRun(self.props.stage, self.props.phone, self.props, order, retries)
        self._made.append(made)
        made.start()
        return made

    def end(self) -> None:
        for made in self._made:
            made.close()
            made.join(PATIENCE)
        assert not [thread.name for thread in threading.enumerate() if thread.name == "j179-1"]


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path)
    yield made
    made.end()


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hil.campaign.runner._POLL", 0.001)


def asked(ask: Callable[[], Any]) -> Any:
    """What `ask` gives in a thread of its own, within a bound, so that a wait for ever is a failure and not a hang."""
    answers: list[Any] = []

    def answer() -> None:
        try:
            answers.append(ask())
        except Exception as error:  # noqa: BLE001 - the answer is what was raised
            answers.append(error)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert answers, "nobody answered"
    return answers[0]


def evidence(run: PhoneRun, scenario: Scenario) -> Any:
    return asked(lambda: run.evidence(scenario))


def test_evidence_is_the_sitting_that_played_the_scenario(runs: Runs) -> None:
    run = runs.run(FIRST, SECOND, ALONE)
    for scenario, name in ((FIRST, "s01"), (SECOND, "s01"), (ALONE, "s02")):
        played = evidence(run, scenario)
        assert isinstance(played, Played)
        assert scenario.key in {told.key for told in SittingManifest.load(played.folder).scenarios}
        assert played.folder.name == name
    assert str(run.firmware) == "4.1.11.0.9"


def test_nothing_is_switched_before_the_start(runs: Runs, tmp_path: Path) -> None:
    PhoneRun(runs.props.stage, runs.props.phone, runs.props, Order((FIRST,), frozenset({FIRST})), 0)
    assert runs.props.done == []


def test_each_sitting_is_played_in_a_place_of_its_own(runs: Runs) -> None:
    taken: list[int] = []

    class Places:
        """Notes after how many boots each place is taken."""

        def __enter__(self) -> None:
            taken.append(runs.props.boots)

        def __exit__(self, *_: object) -> None:
            taken.append(runs.props.boots)

    order = Order((FIRST, ALONE), frozenset({FIRST, ALONE}))
    run = PhoneRun(runs.props.stage, runs.props.phone, runs.props, order, 0, Places())
    run.start()
    assert isinstance(evidence(run, ALONE), Played)
    run.close()
    run.join(PATIENCE)
    census, first, alone = zip(taken[::2], taken[1::2], strict=True)
    assert census == (0, 1)
    assert first[0] == census[1] < first[1] == alone[0] < alone[1]


def test_only_wanted_sittings_are_played(runs: Runs) -> None:
    run = runs.run(FIRST, ALONE, wanted=[ALONE])
    assert evidence(run, ALONE).folder.name == "s02"
    assert not (runs.props.folder / "evidence" / "j179-1" / "s01").exists()


def test_what_the_firmware_cannot_show_is_not_applicable(runs: Runs) -> None:
    runs.props.phone.agent = "AVAYA/J179-4.0.12.1.3 (MAC:c81fea83e85a)"
    run = runs.run(FIRST, SECOND)
    answer = evidence(run, SECOND)
    assert isinstance(answer, NotApplicable)
    assert "firmware 4.0.12.1.3 has one SCEP profile" in str(answer)
    assert isinstance(evidence(run, FIRST), Played)


def test_what_takes_longer_than_the_bench_may_is_not_applicable(runs: Runs) -> None:
    runs.props.stage.bench.testbed.longest_wait = 7200
    patient = Scenario(slot=2, steps=(PassTime(79 * 3600.0),))
    run = runs.run(FIRST, patient)
    answer = evidence(run, patient)
    assert isinstance(answer, NotApplicable)
    assert "79 h" in str(answer)
    assert "--longest" in str(answer)
    assert isinstance(evidence(run, FIRST), Played)


def test_a_phone_that_never_comes_was_not_seen(runs: Runs) -> None:
    runs.props.phone.reads_settings = None
    answer = evidence(runs.run(FIRST), FIRST)
    assert isinstance(answer, NotSeen)
    assert "never fetched its settings" in str(answer)


class TestFaults:
    def test_a_switch_that_dies_ends_the_campaign_and_the_port_is_tried_again(self, runs: Runs) -> None:
        runs.props.power_faults = {"off": [None, None, dead_switch()]}
        run = runs.run(FIRST, ALONE)
        played = evidence(run, FIRST)
        assert isinstance(played.fault, PowerFault)
        assert SittingManifest.load(played.folder).faults == (str(played.fault),)
        assert isinstance(evidence(run, ALONE), PowerFault), "what comes later is the switch's fault, too"
        runs.end()
        assert runs.props.powered
        assert run.dark is None

    def test_a_switch_that_stays_dead_leaves_a_dark_phone_that_is_told(self, runs: Runs) -> None:
        runs.props.power_faults = {"off": [dead_switch()], "on": [dead_switch() for _ in range(3)]}
        run = runs.run(FIRST)
        assert isinstance(evidence(run, FIRST), PowerFault)
        runs.end()
        assert isinstance(run.dark, PowerFault)

    def test_a_phone_that_is_dark_for_a_reason_that_nobody_foresaw_is_told(self, runs: Runs) -> None:
        runs.props.power_faults = {"off": [dead_switch()], "on": [OSError(5, "Input/output error") for _ in range(3)]}
        run = runs.run(FIRST)
        assert isinstance(evidence(run, FIRST), PowerFault)
        runs.end()
        assert "it could not be powered (phone j179-1, port group 1 port 1, seen OSError(5" in str(run.dark)

    def test_a_power_fault_is_not_tried_again(self, runs: Runs) -> None:
        runs.props.power_faults = {"off": [None, None, dead_switch()]}
        evidence(runs.run(FIRST, retries=3), FIRST)
        assert not (runs.props.folder / "evidence" / "j179-1" / "s01-attempt-2").exists()

    def test_a_census_that_fails_is_the_fault_of_everything(self, runs: Runs) -> None:
        runs.props.start_faults = [LabFault("nothing proves that lab0 is recorded")]
        run = runs.run(FIRST, ALONE)
        for scenario in (FIRST, ALONE):
            assert "nothing proves" in str(evidence(run, scenario))

    def test_a_sitting_that_fails_does_not_end_the_others(self, runs: Runs) -> None:
        runs.props.start_faults = [None, LabFault("nothing proves that lab0 is recorded")]
        run = runs.run(FIRST, ALONE)
        assert "nothing proves" in str(evidence(run, FIRST).fault)
        assert evidence(run, ALONE).fault is None

    def test_a_fault_is_played_again_as_often_as_asked(self, runs: Runs) -> None:
        fault = LabFault("nothing proves that lab0 is recorded")
        runs.props.start_faults = [None, fault, fault, None]
        played = evidence(runs.run(FIRST, retries=2), FIRST)
        assert (played.fault, played.folder.name) == (None, "s01-attempt-3")
        assert SittingManifest.load(played.folder.with_name("s01-attempt-2")).faults
        assert SittingManifest.load(played.folder).attempt == 3

    def test_an_incomplete_recording_is_played_again(self, runs: Runs) -> None:
        runs.props.problems = [(), ("dropped",), (), ()]
        played = evidence(runs.run(FIRST, retries=1), FIRST)
        assert played.whole
        assert played.folder.name == "s01-attempt-2"

    def test_the_last_attempt_stands(self, runs: Runs) -> None:
        fault = LabFault("nothing proves that lab0 is recorded")
        runs.props.start_faults = [None, fault, fault]
        played = evidence(runs.run(FIRST, retries=1), FIRST)
        assert played.fault is fault

    @pytest.mark.parametrize("error", [ValueError("a mistake of ours"), OSError(28, "No space left on device"), KeyError("x")])
    def test_whatever_ends_the_thread_reaches_who_waits(self, runs: Runs, error: Exception) -> None:
        runs.props.start_faults = [None, error]
        run = runs.run(FIRST, ALONE)
        assert evidence(run, FIRST) is evidence(run, ALONE) is error
        runs.end()
        assert runs.props.powered

    def test_a_reference_that_fails_is_the_fault_of_the_sitting(self, runs: Runs) -> None:
        def fail() -> None:
            raise RuntimeError("not as documented")

        runs.props.reference_boots = fail
        assert "the reference failed" in str(evidence(runs.run(FIRST), FIRST).fault)


class TestConfirmation:
    def test_a_shared_scenario_is_played_alone_once(self, runs: Runs) -> None:
        run = runs.run(FIRST, SECOND)
        evidence(run, FIRST)
        played = asked(lambda: run.confirm(SECOND))
        told = SittingManifest.load(played.folder)
        assert told.confirms == "s01"
        assert [(scenario.slot, scenario.key) for scenario in told.scenarios] == [(2, SECOND.key)]
        assert asked(lambda: run.confirm(SECOND)) is played
        runs.end()
        assert runs.props.powered

    @pytest.mark.parametrize("scenario", [ALONE, Scenario(slot=1, mates=(SECOND,))])
    def test_what_was_alone_or_must_not_be_is_not_played_again(self, runs: Runs, scenario: Scenario) -> None:
        run = runs.run(scenario)
        evidence(run, scenario)
        assert asked(lambda: run.confirm(scenario)) is None

    def test_a_fault_in_it_is_told(self, runs: Runs) -> None:
        run = runs.run(FIRST, SECOND)
        evidence(run, FIRST)
        runs.props.power_faults = {"off": [dead_switch()]}
        assert isinstance(asked(lambda: run.confirm(FIRST)).fault, PowerFault)
        assert isinstance(asked(lambda: run.confirm(SECOND)), PowerFault)


class TestEnd:
    def test_an_interruption_is_told_and_leaves_the_phone_powered(self, runs: Runs) -> None:
        runs.props.on_boot = lambda number: runs.props.cancel.set() if number == 2 else None
        answer = evidence(runs.run(FIRST), FIRST)
        assert isinstance(answer, LabFault)
        assert "interrupted" in str(answer)
        runs.end()
        assert runs.props.powered

    def test_a_campaign_closes_every_phone(self, tmp_path: Path) -> None:
        props = [Props(tmp_path / name, phone=Phone(name=name)) for name in ("j179-1", "j179-2")]
        phones = {p.phone.name: (p.phone, p, Order((FIRST,), frozenset({FIRST}))) for p in props}
        stages = {p.phone.name: p.stage for p in props}
        campaigns = [Campaign(stages[name], {name: phones[name]}) for name in phones]
        for campaign in campaigns:
            campaign.start()
        for campaign, name in zip(campaigns, phones, strict=True):
            assert isinstance(evidence(campaign.runs[name], FIRST), Played)
            assert campaign.statuses()[name].total == 1
            campaign.close()
            assert campaign.dark == {}
        assert all(p.powered for p in props)

    def test_an_interrupted_campaign_does_not_wait_for_its_boots(self, runs: Runs) -> None:
        campaign = Campaign(
            runs.props.stage,
            {"j179-1": (runs.props.phone, runs.props, Order((FIRST,), frozenset({FIRST})))},
        )
        reached = threading.Event()
        held = threading.Event()

        def boots(number: int) -> None:
            if number == 2:
                reached.set()
                held.wait(PATIENCE)

        runs.props.on_boot = boots
        campaign.start()
        assert reached.wait(PATIENCE)
        runs.props.cancel.set()
        held.set()
        campaign.close()
        assert runs.props.powered
        assert "interrupted" in str(evidence(campaign.runs["j179-1"], FIRST))


def test_a_phone_by_hand_comes_after_its_plan(runs: Runs) -> None:
    run = runs.run(FIRST)

    def hold() -> list[str]:
        with run.by_hand() as held:
            played = [word for word in runs.props.done if word == "reference boots"]
            since = held.cycle()
            assert held.wait(EventName.FILE_SERVED, span=60.0, since=since, path="/c81fea83e85a.txt") is not None
            return played

    assert asked(hold) == ["reference boots"]


def test_a_phone_whose_campaign_failed_is_not_held(runs: Runs) -> None:
    runs.props.start_faults = [LabFault("nothing proves that lab0 is recorded")]
    run = runs.run(FIRST)

    def hold() -> None:
        with run.by_hand():
            pass

    assert "nothing proves" in str(asked(hold))

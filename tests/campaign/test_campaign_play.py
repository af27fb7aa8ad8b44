"""One sitting played: what is done in which order, what stands in its manifest, and what goes wrong without being lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from stage_props import AGENT, Phone, Props, dead_switch

from hil.bench.power import PowerFault
from hil.campaign.plan import CENSUS, PlannedSitting, plan
from hil.campaign.play import Cancelled, Played, SittingPlayer
from hil.campaign.runner import power_is_lost
from hil.clock import Pace
from hil.errors import LabFault
from hil.evidence import EventName, SittingManifest, read_events
from hil.identity import Firmware
from hil.scenario import ChangeSettings, HangUp, PassTime, Pend, Refuse, Reject, Restart, Scenario, TellTime

NEW = Firmware("4.1.11.0.9")
PLAIN = Scenario(slot=1)
DELETED, ALLOWED = ChangeSettings((("DELETE_SCEP_CERT", "1"),)), ChangeSettings((("DELETE_SCEP_CERT", "0"),))


@pytest.fixture
def props(tmp_path: Path) -> Props:
    return Props(tmp_path)


def sitting(*scenarios: Scenario) -> PlannedSitting:
    (made,) = plan(scenarios, NEW).sittings
    return made


def player(props: Props, firmware: Firmware | None = NEW) -> SittingPlayer:
    return SittingPlayer(props.stage, props.phone, props, lambda _: None, firmware)


def manifest(played: Played) -> SittingManifest:
    return SittingManifest.load(played.folder)


def span(props: Props, *, of: int) -> float:
    """Phone seconds from power-on to power-off of the boot of that number."""
    edges = [e for e in props.events.since() if e.name in (EventName.POWER_ON, EventName.POWER_OFF)]
    ons = [index for index, event in enumerate(edges) if event.name is EventName.POWER_ON]
    return (edges[ons[of - 1] + 1].at - edges[ons[of - 1]].at) / timedelta(seconds=1)


class TestOrder:
    def test_a_boot_is_served_recorded_and_only_then_powered(self, props: Props) -> None:
        player(props).play(sitting(PLAIN))
        boot = [
            "publish j179-1 /",
            "publish j179-1.reference /reference/j179-1/",
            "off",
            "record",
            "on",
            "off",
            "stop recording",
        ]
        played = [word for word in props.done if not word.startswith(("seat", "reference"))]
        assert played == boot * 2

    def test_the_reference_plays_the_main_boot_and_those_after_it(self, props: Props) -> None:
        player(props).play(sitting(Scenario(slot=1, steps=(Restart(), DELETED))))
        assert props.done.count("reference boots") == 3
        assert props.done.index("reference boots") > props.done.index("stop recording")

    def test_both_devices_meet_the_same_ca(self, props: Props) -> None:
        player(props).play(sitting(Scenario(slot=2, ca=(Pend(), Reject()))))
        seats = [word for word in props.done if word.startswith("seat")]
        assert len(seats) == 6
        assert [word for word in seats if "Issue" not in word] == [
            f"seat {device} 2 (Pend(times=1), Reject(fail_info='badRequest'))" for device in ("j179-1", "j179-1.reference")
        ]

    def test_power_stays_until_the_flash_can_be_trusted(self, props: Props) -> None:
        player(props).play(sitting(PLAIN))
        assert span(props, of=2) == pytest.approx(20 + 15, abs=5)

    def test_a_restart_of_the_phones_own_begins_the_wait_anew(self, props: Props) -> None:
        props.phone.restarts = 22.0
        player(props).play(CENSUS)
        assert span(props, of=1) == pytest.approx(22 + 15, abs=5)

    def test_who_restarts_by_itself_is_given_time_to_do_so(self, props: Props) -> None:
        props.phone.reads_settings, props.phone.restarts = 100.0, 240.0
        playing = player(props)
        playing.play(CENSUS)
        assert span(props, of=1) == pytest.approx(240 + 150, abs=5)
        playing.play(sitting(PLAIN))
        assert span(props, of=2) == pytest.approx(240 + 150, abs=5)

    def test_who_does_not_is_not_waited_for(self, props: Props) -> None:
        props.phone.reads_settings = 100.0
        props.phone.answers = {1: 110.0}
        player(props).play(sitting(PLAIN))
        assert span(props, of=1) == pytest.approx(100 + 150, abs=5)
        assert span(props, of=2) == pytest.approx(110 + 15, abs=5)

    def test_who_is_on_its_way_up_when_the_power_goes_is_cleared_again(self, props: Props) -> None:
        off, offs = props.off, iter([False, True])

        def off_as_it_starts() -> None:
            if next(offs, False):
                props.served("/J100Supgrade.txt")
            off()

        props.off = off_as_it_starts  # type: ignore[method-assign]
        told = manifest(player(props).play(sitting(PLAIN)))
        assert [(boot.index, boot.kind, boot.in_time) for boot in told.boots] == [
            (1, "clear", False),
            (2, "clear", True),
            (3, "main", True),
        ]

    def test_its_place_is_checked_in_the_census_while_it_has_power_and_a_wrong_one_is_the_benchs_fault(
        self, props: Props
    ) -> None:
        checked: list[tuple[str, str | None, bool]] = []

        def check(phone: Phone, user_agent: str | None) -> None:
            checked.append((phone.name, user_agent, props.powered))
            raise LabFault("swapped", phone=phone.name)

        props.stage = replace(props.stage, check_place=check)
        played = player(props).play(CENSUS)
        assert checked == [("j179-1", AGENT, True)]
        assert "swapped" in str(played.fault)
        player(props).play(sitting(PLAIN))
        assert len(checked) == 1

    def test_who_restarts_for_ever_was_not_cleared(self, props: Props) -> None:
        def restart() -> None:
            props.served()
            props.clock.after(10, restart)

        props.clock.after(10, restart)
        told = manifest(player(props).play(CENSUS))
        assert [boot.in_time for boot in told.boots] == [False] * 3
        assert span(props, of=1) == pytest.approx(10 + 600, abs=5)

    def test_time_passes_with_the_power_on(self, props: Props) -> None:
        player(props).play(sitting(Scenario(slot=1, steps=(PassTime(5000.0),))))
        assert span(props, of=2) == pytest.approx(20 + 15 + 5000 + 15, abs=5)

    def test_another_time_is_told_until_the_sitting_is_over(self, props: Props) -> None:
        told: list[object] = []
        props.on_boot = lambda _: told.append([props.time_told.ahead_of(name) for name in ("j179-1", "j179-1.reference")])
        steps = (TellTime(60.0), Restart(), TellTime(None), Restart())
        player(props).play(sitting(Scenario(slot=1, steps=steps)))
        minute = timedelta(minutes=1)
        assert told == [[timedelta()] * 2, [timedelta()] * 2, [minute] * 2, [None] * 2]
        assert props.time_told.ahead_of("j179-1") == timedelta()

    def test_the_bench_hangs_up_on_phone_and_reference_where_the_scenario_says_so(self, props: Props) -> None:
        player(props).play(sitting(Scenario(slot=1, steps=(PassTime(60.0), HangUp("SIP")))))
        assert props.done.count("hang up SIP j179-1 j179-1.reference") == 1

    def test_a_port_that_is_to_refuse_is_the_scenarios_own_and_is_given_back(self, props: Props) -> None:
        play = player(props).play
        closes = manifest(play(sitting(Scenario(slot=2, steps=(Refuse(), PassTime(60.0), Refuse(False))))))
        served = b"".join(props.published["j179-1.reference"].values())
        assert b":40002/scep/j179-1.reference/2/pkiclient.exe" in served
        assert [played.port for played in closes.scenarios] == [40_002]
        plain = manifest(play(replace(sitting(Scenario(slot=2)), name="plain")))
        assert [played.port for played in plain.scenarios] == [None]
        ports = [done for done in props.done if done.startswith(("own ports", "refuse", "listen"))]
        assert ports == ["own ports j179-1 2", "refuse j179-1", "listen j179-1", "own ports j179-1"]


class TestAbsence:
    def test_a_restart_is_watched_twice_as_long_as_the_enrolment_before_it_took(self, props: Props) -> None:
        props.phone.answers = {1: 210.0}
        player(props).play(sitting(Scenario(slot=1, steps=(Restart(),))))
        main, restarted = span(props, of=2), span(props, of=3)
        assert main == pytest.approx(210 + 15, abs=10)
        assert restarted >= 10 + 2 * 200 + 15

    def test_a_slot_without_a_url_is_watched_twice_as_long_as_its_control_took(self, props: Props) -> None:
        props.phone.answers = {1: 110.0}
        player(props).play(sitting(Scenario((("MYCERTURL", ""),), slot=2)))
        assert span(props, of=4) >= 10 + 2 * 100 + 15

    def test_a_certificate_that_is_held_is_not_waited_for(self, props: Props) -> None:
        player(props).play(sitting(Scenario(slot=1, steps=(Restart(),))))
        assert span(props, of=3) < 100

    def test_one_that_was_deleted_is_waited_for_again(self, props: Props) -> None:
        answers = [20.0, 20.0, 300.0]
        props.on_boot = lambda number: setattr(props.phone, "answers", {1: answers[min(number, 4) - 2]} if number > 1 else {})
        player(props).play(sitting(Scenario(slot=1, steps=(DELETED, ALLOWED))))
        assert span(props, of=4) == pytest.approx(300 + 15, abs=10)

    def test_a_phone_that_never_enrols_has_its_time_from_the_settings_on(self, props: Props) -> None:
        props.phone.reads_settings, props.phone.answers = 200.0, {}
        player(props).play(sitting(PLAIN))
        assert span(props, of=2) >= 200 + 600 + 15


class TestManifest:
    def test_it_tells_what_was_played(self, props: Props) -> None:
        played = player(props).play(sitting(PLAIN, Scenario((("SCEPPASSWORD", "swordfish"),), slot=2)))
        told = manifest(played)
        assert (told.sitting, told.attempt, told.faults, told.firmware) == ("s01", 1, (), "4.1.11.0.9")
        assert (told.scenarios[0].slot, told.scenarios[0].key) == (1, PLAIN.key)
        assert [boot.kind for boot in told.boots] == ["clear", "main"]
        assert all(boot.power_on < boot.ended for boot in told.boots)
        assert played.whole
        assert played.fault is None
        assert "swordfish" not in (played.folder / "manifest.json").read_text()

    def test_it_names_what_each_device_was_served(self, props: Props) -> None:
        played = player(props).play(sitting(PLAIN))
        for boot in manifest(played).boots:
            assert set(boot.files) == {"j179-1", "j179-1.reference"}
            for files in boot.files.values():
                assert set(files) == {"J100Supgrade.txt", "46xxsettings.txt", "c81fea83e85a.txt"}
                assert all((played.folder / file).is_file() for file in files.values())
        urls = (played.folder / manifest(played).boots[1].files["j179-1.reference"]["c81fea83e85a.txt"]).read_text()
        assert "http://127.77.1.1:80/scep/j179-1.reference/1/pkiclient.exe" in urls

    def test_each_boot_has_a_log_of_its_own_phone(self, props: Props) -> None:
        props.on_boot = lambda _: props.served(device="j179-2")
        played = player(props).play(sitting(PLAIN))
        for boot in manifest(played).boots:
            lines = read_events(played.folder / boot.events)
            assert [lines[0]["name"], lines[-1]["name"]] == ["boot begins", "boot ends"]
            assert {line["device"] for line in lines} <= {"j179-1", "j179-1.reference", None}

    def test_a_recording_with_a_gap_is_not_whole(self, props: Props) -> None:
        props.problems = [(), ("3 packets of lab0 were dropped",)]
        played = player(props).play(sitting(PLAIN))
        assert not played.whole
        assert played.fault is None
        assert [boot.problems for boot in manifest(played).boots] == [(), ("3 packets of lab0 were dropped",)]

    def test_a_further_attempt_has_a_folder_of_its_own(self, props: Props) -> None:
        own = player(props)
        first, second = own.play(sitting(PLAIN)), own.play(sitting(PLAIN), attempt=2)
        assert [first.folder.name, second.folder.name] == ["s01", "s01-attempt-2"]
        assert manifest(second).attempt == 2


class TestFirmware:
    def test_it_is_read_from_what_the_phone_calls_itself(self, props: Props) -> None:
        census = player(props, firmware=None)
        census.play(CENSUS)
        assert str(census.firmware) == "4.1.11.0.9"
        assert census.seen
        assert "reference boots" not in props.done

    @pytest.mark.parametrize("agent", [None, "curl/8.0"])
    def test_a_phone_that_does_not_tell_is_seen_all_the_same(self, props: Props, agent: str | None) -> None:
        props.phone.agent = agent
        census = player(props, firmware=None)
        census.play(CENSUS)
        assert census.firmware is None
        assert census.seen

    def test_a_phone_that_never_comes_is_not_seen(self, props: Props) -> None:
        props.phone.reads_settings = None
        census = player(props, firmware=None)
        census.play(CENSUS)
        assert not census.seen


class TestFault:
    def faulty(self, props: Props) -> tuple[LabFault, SittingManifest]:
        played = player(props).play(sitting(PLAIN))
        assert isinstance(played.fault, LabFault)
        assert not played.whole
        told = manifest(played)
        assert told.faults == (str(played.fault),)
        fault = [event for event in props.events.since() if event.name is EventName.FAULT][-1]
        assert (fault.device, fault.details["text"]) == ("j179-1", str(played.fault))
        return played.fault, told

    @pytest.mark.parametrize(
        ("faults", "boots"),
        [
            ({"off": [dead_switch()]}, 0),
            ({"on": [dead_switch()]}, 0),
            ({"off": [None, dead_switch()]}, 0),
            ({"on": [None, dead_switch()]}, 1),
        ],
    )
    def test_a_switch_that_dies(self, props: Props, faults: dict[str, list[Exception | None]], boots: int) -> None:
        props.power_faults = faults
        fault, told = self.faulty(props)
        assert power_is_lost(fault)
        assert len(told.boots) == boots

    def test_what_was_being_recorded_is_stopped(self, props: Props) -> None:
        props.power_faults = {"on": [dead_switch()]}
        self.faulty(props)
        assert props.done[-1] == "stop recording"

    @pytest.mark.parametrize("boot", [1, 2])
    def test_a_clock_of_this_pc_that_is_set(self, props: Props, boot: int) -> None:
        def set_clock(begun: int) -> None:
            if begun == boot:
                now = props.clock.now()
                props.clock.paces += (Pace(now - timedelta(seconds=25), now, props.rate, -25.0),)

        props.on_boot = set_clock
        fault, told = self.faulty(props)
        assert "this PC's clock was set while a sitting was played (seen set by -25.0 s)" in str(fault)
        assert len(told.boots) == 2
        props.boots = 2
        assert player(props).play(sitting(PLAIN), attempt=2).whole, "what was set before is over"

    def test_a_recorder_that_does_not_record(self, props: Props) -> None:
        props.start_faults = [LabFault("nothing proves that lab0 is recorded")]
        fault, told = self.faulty(props)
        assert not power_is_lost(fault)
        assert told.boots == ()
        assert "on" not in props.done, "what is not recorded is not played"

    @pytest.mark.parametrize("error", [ValueError("a reference of ours"), LabFault("the file server does not answer")])
    def test_a_reference_that_fails(self, props: Props, error: Exception) -> None:
        def fail() -> None:
            raise error

        props.reference_boots = fail
        fault, told = self.faulty(props)
        assert "the reference failed" in str(fault)
        assert fault.__cause__ is error
        assert len(told.boots) == 1

    def test_a_reference_that_does_not_end(self, props: Props, monkeypatch: pytest.MonkeyPatch) -> None:
        released = threading.Event()
        props.reference_boots = lambda: released.wait(30)
        monkeypatch.setattr("hil.campaign.play._REFERENCE_JOIN", 0.01 - props.times.boot_limit / props.rate)
        fault, _ = self.faulty(props)
        released.set()
        assert "the reference did not finish its boot" in str(fault)

    @pytest.mark.parametrize("device", [None, "j179-1", "j179-1.reference"])
    def test_a_server_that_fails_beside_the_phone(self, props: Props, device: str | None) -> None:
        props.on_boot = lambda number: (
            props.events.publish(EventName.FAULT, device=device, text="ValueError: the CA") if number == 2 else None
        )
        fault, told = self.faulty(props)
        assert "ValueError: the CA" in str(fault)
        assert len(told.boots) == 1

    def test_the_fault_of_another_phone_is_its_own(self, props: Props) -> None:
        props.on_boot = lambda _: props.events.publish(EventName.FAULT, device="j179-2", text="its switch")
        assert player(props).play(sitting(PLAIN)).whole

    def test_a_power_fault_is_the_one_that_ends_a_campaign(self) -> None:
        assert power_is_lost(PowerFault("dead"))
        assert not power_is_lost(LabFault("a server"))
        assert not power_is_lost(None)


@pytest.mark.parametrize(
    "when", [lambda props: props.cancel.set(), lambda props: props.clock.after(30, props.cancel.set)], ids=["before", "in a boot"]
)
def test_an_interrupted_sitting_is_no_evidence(props: Props, when: Callable[[Props], None]) -> None:
    when(props)
    with pytest.raises(Cancelled):
        player(props).play(sitting(PLAIN))
    assert not (props.folder / "evidence" / "j179-1" / "s01" / "manifest.json").exists()
    assert props.done.count("record") == props.done.count("stop recording")

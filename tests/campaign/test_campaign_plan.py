"""Which scenarios share which boots: each exactly once, in a slot that never changes, after a boot that clears."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from suite_reading import scenarios_of_the_suite

from hil.campaign.plan import CENSUS, CONTROL, PlannedSitting, confirmation, plan, slot_of, why_not_applicable, why_too_long
from hil.identity import Firmware
from hil.scenario import ChangeSettings, EntityNew, Issue, PassTime, Pend, Restart, Scenario

OLD, THREE, NEW = Firmware("4.0.12.1"), Firmware("4.0.13.0"), Firmware("4.1.11.0.9")
NO_URL = (("MYCERTURL", ""),)
DELETED, ALLOWED = ChangeSettings((("DELETE_SCEP_CERT", "1"),)), ChangeSettings((("DELETE_SCEP_CERT", "0"),))

settings = st.sampled_from(
    [(), NO_URL, (("SCEPPASSWORD", ""),), (("MYCERTKEYLEN", "4096"),), (("MYCERTCN", "$MACADDR"),), (("SCEPENCALG", "1"),)]
)
scenarios = st.builds(
    Scenario,
    settings=settings,
    common=st.sampled_from([(), (("FIPS_ENABLED", "1"),), (("TLS_VERSION", "1"),)]),
    slot=st.sampled_from([None, None, 1, 2, 3]),
    ca=st.sampled_from([(Issue(),), (Pend(), Issue())]),
    steps=st.sampled_from([(), (Restart(),), (DELETED, ALLOWED), (PassTime(60.0),)]),
    alone=st.sampled_from([False, False, False, True]),
)
companies = st.builds(
    lambda first, second, third: Scenario(first, slot=1, mates=(Scenario(second, slot=2), Scenario(third, slot=3))),
    settings,
    settings,
    settings,
)
nights = st.lists(st.one_of(scenarios, scenarios, companies), max_size=24)
firmwares = st.sampled_from([None, OLD, THREE, NEW])


def kinds(sitting: PlannedSitting) -> list[str]:
    return [boot.kind for boot in sitting.boots]


@given(nights, firmwares)
def test_every_scenario_is_played_exactly_once_or_cannot_be_shown(night: list[Scenario], firmware: Firmware | None) -> None:
    made = plan(night, firmware)
    mates = {mate for scenario in night for mate in scenario.mates}
    played = Counter(scenario for sitting in made.sittings for _, scenario in sitting.scenarios if scenario in night)
    for scenario in set(night):
        assert (scenario in made.not_applicable) is (why_not_applicable(scenario, firmware) is not None)
        times = played[scenario]
        if scenario in made.not_applicable:
            assert times == 0 or scenario in mates
        else:
            assert times == 1 or (scenario in mates and times >= 1)
            assert scenario in dict(made.sitting_of[scenario].scenarios).values()


@given(nights, firmwares)
def test_a_sitting_shares_only_what_can_be_shared(night: list[Scenario], firmware: Firmware | None) -> None:
    for sitting in plan(night, firmware).sittings:
        slots = [slot for slot, _ in sitting.scenarios]
        assert 1 <= len(slots) == len(set(slots)) <= 3
        assert set(slots) <= ({1} if firmware == OLD else {1, 2, 3})
        played = [scenario for _, scenario in sitting.scenarios]
        assert len({(scenario.common, scenario.steps) for scenario in played}) == 1
        assert len(played) == 1 or not any(scenario.alone for scenario in played)


@given(nights, firmwares)
def test_no_boot_plays_on_what_another_sitting_left(night: list[Scenario], firmware: Firmware | None) -> None:
    for sitting in plan(night, firmware).sittings:
        assert kinds(sitting)[0] == "clear"
        assert kinds(sitting).count("main") == 1
        assert kinds(sitting)[kinds(sitting).index("main") - 1] == "clear"
        assert all(boot.scenarios == () for boot in sitting.boots if boot.kind == "clear")


@given(nights, firmwares)
def test_a_sitting_in_which_nothing_enrols_has_a_control(night: list[Scenario], firmware: Firmware | None) -> None:
    for sitting in plan(night, firmware).sittings:
        controls = [boot for boot in sitting.boots if boot.kind == "control"]
        enrols = any(scenario.enrols for _, scenario in sitting.scenarios)
        assert [boot.scenarios for boot in controls] == ([] if enrols else [((1, CONTROL),)])
        if controls:
            assert kinds(sitting)[:3] == ["clear", "control", "clear"]


@given(nights, st.data())
def test_a_scenario_keeps_its_slot_whatever_else_is_selected(night: list[Scenario], data: st.DataObject) -> None:
    fewer = data.draw(st.lists(st.sampled_from(night), unique=True) if night else st.just([]))
    whole, part = plan(night, NEW), plan(fewer, NEW)
    for scenario in fewer:
        places = [dict(map(reversed, made.sitting_of[scenario].scenarios))[scenario] for made in (whole, part)]
        assert places[0] == places[1] == slot_of(scenario, NEW)


@given(nights, st.data())
def test_a_selection_plays_whole_sittings_under_their_names(night: list[Scenario], data: st.DataObject) -> None:
    wanted = data.draw(st.lists(st.sampled_from(night), unique=True) if night else st.just([]))
    whole, part = plan(night, NEW), plan(night, NEW, wanted=wanted)
    assert set(part.sittings) <= set(whole.sittings)
    assert all(scenario in part.sitting_of for scenario in wanted)
    assert all(set(wanted) & {scenario for _, scenario in sitting.scenarios} for sitting in part.sittings)


@given(nights, firmwares)
def test_a_plan_is_the_same_every_night(night: list[Scenario], firmware: Firmware | None) -> None:
    assert plan(night, firmware).sittings == plan(night + night, firmware).sittings


def test_slots_are_used_evenly_by_scenarios_that_name_none() -> None:
    slots = Counter(slot_of(Scenario((("MYCERTCN", f"$MACADDR {number}"),)), None) for number in range(300))
    assert set(slots) == {1, 2, 3}
    assert min(slots.values()) > 60


def test_scenarios_of_three_slots_share_one_sitting() -> None:
    made = plan([Scenario(slot=slot) for slot in (3, 1, 2)], NEW)
    assert [[slot for slot, _ in sitting.scenarios] for sitting in made.sittings] == [[1, 2, 3]]


@pytest.mark.parametrize(
    "other",
    [
        Scenario(slot=1, alone=True),
        Scenario(slot=2, alone=True),
        Scenario(slot=2, steps=(Restart(),)),
        Scenario(slot=2, common=(("FIPS_ENABLED", "1"),)),
        Scenario((("MYCERTKEYLEN", "4096"),), slot=1),
    ],
)
def test_what_does_not_fit_has_a_sitting_of_its_own(other: Scenario) -> None:
    assert len(plan([Scenario(slot=1), other], NEW).sittings) == 2


def test_mates_share_every_boot() -> None:
    mates = (Scenario((("MYCERTCN", "b $MACADDR"),), slot=2), Scenario((("MYCERTCN", "c $MACADDR"),), slot=3))
    company = Scenario(slot=1, mates=mates)
    (sitting,) = plan([company], NEW).sittings
    assert dict(sitting.scenarios) == {1: company, 2: mates[0], 3: mates[1]}
    assert len(plan([Scenario(slot=2), company], NEW).sittings) == 2


class TestFirmware:
    def test_before_three_profiles_everything_sits_in_the_first(self) -> None:
        unpinned = [Scenario((("MYCERTCN", f"$MACADDR {number}"),)) for number in range(9)]
        made = plan([*unpinned, Scenario(slot=1)], OLD)
        assert len(made.sittings) == 10
        assert {slot for sitting in made.sittings for slot, _ in sitting.scenarios} == {1}

    @pytest.mark.parametrize(
        ("scenario", "firmware", "said"),
        [
            (Scenario(slot=2), OLD, "one SCEP profile"),
            (Scenario(slot=1, mates=(Scenario(slot=2),)), OLD, "one SCEP profile"),
            (Scenario((("DELETE_SCEP_CERT", "0"),)), OLD, "does not know DELETE_SCEP_CERT; it came with 4.0.13.0"),
            (Scenario((("SCEPENCALG", "1"),)), Firmware("3.0.0.0.20"), "does not know SCEPENCALG; it came with 4.0.0.0"),
            (Scenario(common=(("LOGSRVR_SECURE", "1"),)), Firmware("4.0.4.0"), "does not know LOGSRVR_SECURE"),
            (Scenario(steps=(DELETED, ALLOWED)), OLD, "does not know DELETE_SCEP_CERT"),
            (Scenario((("MYCERTKEYLEN", "4096"),), slot=1), THREE, "MYCERTKEYLEN 4096 is documented from firmware 4.1"),
        ],
    )
    def test_what_came_later_is_not_applicable(self, scenario: Scenario, firmware: Firmware, said: str) -> None:
        made = plan([scenario], firmware)
        assert said in made.not_applicable[scenario]
        assert not made.sittings

    @pytest.mark.parametrize(
        ("longest", "spans", "bars"),
        [
            (7200.0, (7200.0,), False),
            (7200.0, (7000.0, 201.0), True),
            (7199.0, (7200.0,), True),
            (None, (30_000_000.0,), False),
            (1.0, (), False),
        ],
    )
    def test_a_bench_without_leaps_shows_what_its_longest_wait_allows(
        self, longest: float | None, spans: tuple[float, ...], bars: bool
    ) -> None:
        steps = tuple(step for span in spans for step in (PassTime(span), Restart()))
        assert (why_too_long(Scenario(steps=steps), longest) is not None) is bars

    @pytest.mark.parametrize("scenario", scenarios_of_the_suite())
    def test_the_newest_firmware_and_an_unknown_one_show_the_whole_suite(self, scenario: Scenario) -> None:
        assert why_not_applicable(scenario, NEW) is None
        assert why_not_applicable(scenario, None) is None


class TestStory:
    def boots(self, *steps: Restart | ChangeSettings | PassTime, **how: Any) -> PlannedSitting:
        (sitting,) = plan([Scenario(slot=1, steps=steps, **how)], NEW).sittings
        return sitting

    def test_each_step_but_time_is_a_boot(self) -> None:
        sitting = self.boots(Restart(), PassTime(60.0), DELETED, PassTime(30.0), PassTime(5.0))
        assert kinds(sitting) == ["clear", "main", "restart", "change"]
        assert [boot.life for boot in sitting.boots] == [(), (), (PassTime(60.0),), (PassTime(30.0), PassTime(5.0))]

    def test_changes_add_up(self) -> None:
        sitting = self.boots(
            ChangeSettings((("MYCERTKEYLEN", "4096"),)),
            ChangeSettings((("MYCERTCAID", "x"),)),
            settings=(("MYCERTKEYLEN", "2048"),),
        )
        told = [dict(scenario.settings) for boot in sitting.boots[1:] for _, scenario in boot.scenarios]
        assert told == [
            {"MYCERTKEYLEN": "2048"},
            {"MYCERTKEYLEN": "4096"},
            {"MYCERTKEYLEN": "4096", "MYCERTCAID": "x"},
        ]

    def test_a_common_setting_can_be_changed(self) -> None:
        sitting = self.boots(ChangeSettings((("FIPS_ENABLED", "1"),)), common=(("FIPS_ENABLED", "0"),))
        (_, changed) = sitting.boots[-1].scenarios[0]
        assert (changed.common, changed.settings) == ((("FIPS_ENABLED", "1"),), ())

    def test_a_change_of_one_slot_leaves_its_mates_as_they_are(self) -> None:
        steps = (replace(DELETED, slot=2), EntityNew())
        mate = Scenario(slot=2, steps=steps)
        (sitting,) = plan([Scenario(slot=1, steps=steps, mates=(mate,))], NEW).sittings
        assert [scenario.deletes for _, scenario in sitting.boots[-1].scenarios] == [False, True]
        assert sitting.boots[-1].life == (EntityNew(),)

    def test_a_change_keeps_the_ca_and_the_slot(self) -> None:
        sitting = self.boots(DELETED, ca=(Pend(), Issue()))
        before, after = (boot.scenarios[0][1] for boot in sitting.boots[1:])
        assert (after.ca, after.slot) == (before.ca, before.slot)


class TestConfirmation:
    def test_it_plays_the_scenario_alone_in_its_slot(self) -> None:
        night = [Scenario(slot=1), Scenario((("MYCERTKEYLEN", "4096"),), slot=2), Scenario(slot=3)]
        (shared,) = plan(night, NEW).sittings
        again = confirmation("s01-alone", night[1], shared)
        assert again.scenarios == ((2, night[1]),)
        assert (again.name, again.confirms) == ("s01-alone", "s01")
        assert kinds(again) == ["clear", "main"]

    def test_an_absence_alone_has_its_own_control(self) -> None:
        night = [Scenario(slot=1), Scenario(NO_URL, slot=2)]
        (shared,) = plan(night, NEW).sittings
        assert "control" not in kinds(shared)
        assert kinds(confirmation("again", night[1], shared)) == ["clear", "control", "clear", "main"]


def test_the_census_shows_nothing_but_the_firmware() -> None:
    assert kinds(CENSUS) == ["clear"]
    assert CENSUS.scenarios == ()


def test_the_suite_fits_into_few_sittings() -> None:
    made = plan(scenarios_of_the_suite(), NEW)
    assert [sitting.name for sitting in made.sittings] == [f"s{number:02}" for number in range(1, len(made.sittings) + 1)]
    assert len(made.sittings) < len(scenarios_of_the_suite()) * 2 / 3
    assert all(one != other for one, other in pairwise(made.sittings))

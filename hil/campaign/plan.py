"""Which scenarios share which boots: pure, and the same every night.

A sitting is at most one scenario in each slot, with equal common settings, services and steps. A
scenario keeps its slot whatever else is selected, so that one night is comparable with the next. A
phone that holds a SCEP certificate does not enrol again, so each sitting begins with a boot that
clears what the one before it left. The census, a boot before all others, shows which firmware the
phone runs, and the plan is made for that. A sitting in which nothing is expected to enrol begins with
a control boot, the witness of its absence, which also tells how long an absence has to be watched.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hil.campaign.services import WITHOUT_ADDRESS, why_not_offered
from hil.errors import Misuse
from hil.evidence import BootKind
from hil.identity import Firmware
from hil.scenario import ChangeSettings, LiveStep, PassTime, Restart, Scenario, Step
from hil.settings.catalog import CATALOG, find, for_slot, why_unknown

THREE_PROFILES_SINCE = Firmware("4.0.13.0")
"""First release with profiles 2 and 3 (J100 template, history)."""

Settings = tuple[tuple[str, str], ...]

CONTROL = Scenario()

_HOUR = 3600.0


@dataclass(frozen=True)
class PlannedBoot:
    """One power cycle: what it is for, the scenario in each slot, and what happens in it after its end."""

    kind: BootKind
    scenarios: tuple[tuple[int, Scenario], ...]
    life: tuple[LiveStep, ...] = ()

    @property
    def guarded(self) -> bool:
        """Whether the port asks for 802.1X: in boots after that in which the phone got its certificate through an open port."""
        told = any(WITHOUT_ADDRESS in scenario.services for _, scenario in self.scenarios)
        return told and self.kind in ("restart", "change")


@dataclass(frozen=True)
class PlannedSitting:
    """Consecutive boots that up to three scenarios share."""

    name: str
    scenarios: tuple[tuple[int, Scenario], ...]
    boots: tuple[PlannedBoot, ...]
    confirms: str | None = None


CENSUS = PlannedSitting("census", (), (PlannedBoot("clear", ()),))


@dataclass(frozen=True)
class Plan:
    """The sittings of one phone, where each scenario sits, and what its firmware cannot show."""

    sittings: tuple[PlannedSitting, ...]
    sitting_of: Mapping[Scenario, PlannedSitting]
    not_applicable: Mapping[Scenario, str]


def slot_of(scenario: Scenario, firmware: Firmware | None) -> int:
    """The slot in which a scenario always sits; before three profiles there is only the first."""
    if firmware is not None and firmware < THREE_PROFILES_SINCE:
        return 1
    return scenario.slot or 1 + int(scenario.key, 16) % 3


def why_not_applicable(scenario: Scenario, firmware: Firmware | None, offered: Collection[str] | None = None) -> str | None:
    """Why `firmware` cannot show this scenario where these services are `offered`, None where it can.

    An unknown firmware can show all, and None offers every service.
    """
    lacking = [service for service in scenario.services if offered is not None and service not in offered]
    if lacking:
        return why_not_offered(lacking)
    if firmware is None:
        return None
    if firmware < THREE_PROFILES_SINCE and (scenario.mates or (scenario.slot or 1) > 1):
        return f"firmware {firmware} has one SCEP profile; profiles 2 and 3 came with {THREE_PROFILES_SINCE}"
    slot = slot_of(scenario, firmware)
    changed = [pair for step in scenario.steps if isinstance(step, ChangeSettings) for pair in step.settings]
    for name, value in (*scenario.settings, *scenario.common, *changed):
        parameter = find(slot_name(name, slot))
        if parameter is not None and parameter.since is not None and firmware < parameter.since:
            return f"firmware {firmware} does not know {parameter.name}; it came with {parameter.since}"
        since = parameter.value_since.get(value) if parameter is not None else None
        if since is not None and firmware < since:
            return f"{name} {value} is documented from firmware {since}, not for {firmware}"
    return None


def why_too_long(scenario: Scenario, longest: float | None) -> str | None:
    """Why a bench on which a test may let `longest` phone seconds pass does not show this scenario, None where it does."""
    span = sum(step.span for step in scenario.steps if isinstance(step, PassTime))
    if longest is None or span <= longest:
        return None
    return f"it lets {span / _HOUR:g} h pass, and a run here {longest / _HOUR:g} h (times.longest; --longest HOURS plays it)"


def told_apart(settings: Mapping[str, str]) -> tuple[Settings, Settings]:
    """A scenario's settings: those of its profile, as profile 1 spells them, and those common to the phone.

    Raises `Misuse` for a name that no document has, and for one of another profile, which would be told to the scenario
    that sits there; a spelling of the documents that phones do not read is a profile's.
    """
    spellings = {spelling for parameter in CATALOG.values() for spelling in parameter.spellings}
    for name in settings:
        parameter = find(name)
        if parameter is None and name not in spellings:
            raise Misuse(f"no J100 parameter is called {name}", key=name, remedy=why_unknown(name))
        if parameter is not None and parameter.slot not in (None, 1):
            raise Misuse(f"is {parameter.base} of profile {parameter.slot}", key=name, remedy=f"{parameter.base} and slot=")
    common = {name for name in settings if (parameter := find(name)) is not None and parameter.slot is None}
    own = tuple((name, value) for name, value in settings.items() if name not in common)
    return own, tuple((name, value) for name, value in settings.items() if name in common)


def slot_name(name: str, slot: int) -> str:
    """The name that profile `slot` has for the parameter that profile 1 calls `name`; others keep theirs."""
    parameter = find(name)
    return for_slot(name, slot) if parameter is not None and parameter.slot == 1 else name


def plan(
    scenarios: Iterable[Scenario],
    firmware: Firmware | None,
    *,
    wanted: Collection[Scenario] | None = None,
    offered: Collection[str] | None = None,
    barred: Callable[[Scenario], str | None] = lambda _: None,
) -> Plan:
    """Pack the scenarios of one phone into sittings, in the order in which they are asked for.

    `barred` says why the bench cannot show a scenario whatever the firmware, None where it can.
    Only sittings with a `wanted` scenario are kept, each whole and under the name it has among all.
    """
    not_applicable: dict[Scenario, str] = {}
    packs: list[dict[int, Scenario]] = []
    open_packs: dict[object, list[dict[int, Scenario]]] = defaultdict(list)
    for scenario in dict.fromkeys(scenarios):
        if reason := why_not_applicable(scenario, firmware, offered) or barred(scenario):
            not_applicable[scenario] = reason
            continue
        slot = slot_of(scenario, firmware)
        if scenario.alone or scenario.mates:
            packs.append({slot: scenario} | {slot_of(mate, firmware): mate for mate in scenario.mates})
            continue
        company = (scenario.common, scenario.steps, scenario.services)
        pack = next((pack for pack in open_packs[company] if slot not in pack), None)
        if pack is None:
            pack = {}
            open_packs[company].append(pack)
            packs.append(pack)
        pack[slot] = scenario
    named = {f"s{number:02}": pack for number, pack in enumerate(packs, 1)}
    kept = {name: pack for name, pack in named.items() if wanted is None or any(s in wanted for s in pack.values())}
    sittings = tuple(_sitting(name, pack) for name, pack in kept.items())
    sitting_of = {scenario: sitting for sitting in reversed(sittings) for _, scenario in sitting.scenarios}
    return Plan(sittings, sitting_of, not_applicable)


def confirmation(name: str, scenario: Scenario, shared: PlannedSitting) -> PlannedSitting:
    """The sitting that plays a scenario of `shared` again, alone in its slot."""
    slot = next(slot for slot, other in shared.scenarios if other == scenario)
    return _sitting(name, {slot: scenario}, confirms=shared.name)


def _sitting(name: str, pack: Mapping[int, Scenario], confirms: str | None = None) -> PlannedSitting:
    scenarios = tuple(sorted(pack.items()))
    boots = [PlannedBoot("clear", ()), *_story(scenarios)]
    if not any(scenario.enrols for scenario in pack.values()):
        boots = [PlannedBoot("clear", ()), PlannedBoot("control", ((1, CONTROL),)), *boots]
    return PlannedSitting(name, scenarios, tuple(boots), confirms)


def _story(scenarios: Sequence[tuple[int, Scenario]]) -> list[PlannedBoot]:
    boots = [PlannedBoot("main", tuple(scenarios))]
    steps: tuple[Step, ...] = scenarios[0][1].steps
    for step in steps:
        last = boots[-1]
        match step:
            case Restart():
                boots.append(PlannedBoot("restart", last.scenarios))
            case ChangeSettings(settings):
                changed = tuple(
                    (slot, _overlaid(scenario, settings) if step.changes(slot) else scenario) for slot, scenario in last.scenarios
                )
                boots.append(PlannedBoot("change", changed))
            case _:
                boots[-1] = replace(last, life=(*last.life, step))
    return boots


def _overlaid(scenario: Scenario, settings: tuple[tuple[str, str], ...]) -> Scenario:
    changed = dict(settings)
    common = tuple((name, changed.pop(name, value)) for name, value in scenario.common)
    return replace(scenario, settings=tuple((dict(scenario.settings) | changed).items()), common=common)

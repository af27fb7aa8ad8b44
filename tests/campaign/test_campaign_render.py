"""The files of a boot say to a reader of the settings language what the scenarios mean, slot by slot."""

from __future__ import annotations

import pytest
from suite_reading import scenarios_of_the_suite

from hil.campaign.plan import CENSUS, PlannedBoot, PlannedSitting, plan, slot_of
from hil.campaign.render import Server, boot_files, boot_settings, clearing
from hil.errors import Misuse
from hil.identity import Firmware, Identity
from hil.scenario import HTTPS, Scenario
from hil.settings.interpret import Interpretation, interpret
from hil.settings.profiles import Profile, profile_of, profiles

PHONE = Identity("J179", "c8:1f:ea:83:e8:5a", "19wz1234567a")
SERVER = Server("192.0.2.1", 8080)
OLD, THREE, NEW = Firmware("4.0.12.1"), Firmware("4.0.13.0"), Firmware("4.1.11.0.9")
SUITE = plan(scenarios_of_the_suite(), NEW).sittings


def read(boot: PlannedBoot, firmware: Firmware | None = NEW, device: str = "j179-1") -> Interpretation:
    return interpret("J100Supgrade.txt", boot_files(boot, device, PHONE, SERVER, firmware).get, PHONE, firmware=firmware)


def intended(scenario: Scenario, device: str = "j179-1") -> Profile | None:
    """The profile that a scenario means, were it alone in the first slot and its URL the one of its own slot."""
    slot = slot_of(scenario, NEW)
    own_url = f"http://192.0.2.1:8080/scep/{device}/{slot}/pkiclient.exe"
    values = {"MYCERTURL": own_url, **dict(scenario.settings), **dict(scenario.common)}
    if values["MYCERTURL"] == HTTPS:
        values["MYCERTURL"] = own_url.replace("http:", "https:")
    return profile_of(values, 1, PHONE)


@pytest.mark.parametrize("sitting", SUITE, ids=lambda sitting: sitting.name)
def test_every_boot_of_the_suite_tells_each_slot_what_its_scenario_means(sitting: PlannedSitting) -> None:
    for boot in (boot for boot in sitting.boots if boot.kind in ("main", "restart", "change")):
        found = {profile.slot: profile for profile in profiles(read(boot), PHONE)}
        for slot, scenario in boot.scenarios:
            meant = intended(Scenario(scenario.settings, scenario.common, slot=slot))
            seen = found.pop(slot, None)
            assert (seen and vars(seen) | {"slot": 0}) == (meant and vars(meant) | {"slot": 0}), scenario.text
        assert not found, "a slot without a scenario is told a URL"


@pytest.mark.parametrize("sitting", SUITE, ids=lambda sitting: sitting.name)
def test_no_boot_of_the_suite_deletes_a_certificate_unasked(sitting: PlannedSitting) -> None:
    for boot in sitting.boots:
        told = read(boot)
        for slot, name in ((0, "DELETE_MY_CERT"), (1, "DELETE_SCEP_CERT"), (2, "DELETE_SCEP_2_CERT"), (3, "DELETE_SCEP_3_CERT")):
            asked = any(s.deletes if at == slot else slot == 0 and s.deletes_an_only_one for at, s in boot.scenarios)
            clears = boot.kind == "clear" and slot > 0
            assert told.value(name) == ("1" if asked or clears else "0"), f"{name} in a boot of kind {boot.kind}"
            assert name in told.settings, "what stands in no file keeps its former value where the file is not read"


@pytest.mark.parametrize("slot", [1, 2, 3])
@pytest.mark.parametrize("device", ["j179-1", "j179-1.reference"])
def test_the_url_of_a_device_and_slot_never_changes(slot: int, device: str) -> None:
    urls = {
        profiles(read(PlannedBoot("main", ((slot, Scenario(settings)),)), device=device), PHONE)[0].url
        for settings in ((), (("MYCERTKEYLEN", "4096"),), (("MYCERTCN", "$MACADDR"),))
    }
    assert urls == {f"http://192.0.2.1:8080/scep/{device}/{slot}/pkiclient.exe"}


@pytest.mark.parametrize(
    ("firmware", "ones"),
    [
        (OLD, {"DELETE_MY_CERT", "DELETE_SCEP_CERT", "DELETE_SCEP_2_CERT", "DELETE_SCEP_3_CERT"}),
        (None, {"DELETE_MY_CERT", "DELETE_SCEP_CERT", "DELETE_SCEP_2_CERT", "DELETE_SCEP_3_CERT"}),
        (THREE, {"DELETE_SCEP_CERT", "DELETE_SCEP_2_CERT", "DELETE_SCEP_3_CERT"}),
        (NEW, {"DELETE_SCEP_CERT", "DELETE_SCEP_2_CERT", "DELETE_SCEP_3_CERT"}),
    ],
)
def test_a_clearing_boot_deletes_by_the_firmware_s_own_means(firmware: Firmware | None, ones: set[str]) -> None:
    assert {name for name, value in clearing(firmware).items() if value == "1"} == ones
    told = read(CENSUS.boots[0], firmware)
    assert profiles(told, PHONE) == ()
    effective = {name for name in ones if told.value(name) == "1"}
    assert effective == ({"DELETE_MY_CERT"} if firmware == OLD else ones)


def test_what_a_phone_ignores_is_written_only_where_a_scenario_asks() -> None:
    asked = PlannedBoot("main", ((2, Scenario((("MYCERTKEYLEN", "1024"),))), (3, Scenario((("MYCERTKEYLEN3", "4096"),)))))
    text = boot_files(asked, "j179-1", PHONE, SERVER, NEW)["c81fea83e85a.txt"].decode()
    assert "SET MYCERTKEYLEN_2 1024\n" in text
    assert "SET MYCERTKEYLEN3 4096\n" in text
    found = profiles(read(asked), PHONE)
    assert [profile.key_bits for profile in found] == [2048, 2048]


def test_what_a_phone_ignores_is_refused_where_nobody_asked() -> None:
    with pytest.raises(Misuse, match="MYCERTURL"):
        boot_files(PlannedBoot("main", ((1, Scenario()),)), "j179-1", PHONE, Server("192.0.2.1", 999_999), NEW)


def test_a_common_setting_reaches_every_profile_under_its_own_name() -> None:
    common = (("FIPS_ENABLED", "1"),)
    boot = PlannedBoot("main", ((1, Scenario(common=common)), (3, Scenario(common=common))))
    assert boot_settings(boot, "j179-1", SERVER, NEW)["FIPS_ENABLED"] == "1"
    assert read(boot).value("FIPS_ENABLED") == "1"


def test_every_boot_says_where_time_and_logs_go() -> None:
    told = read(CENSUS.boots[0])
    assert (told.value("SNTPSRVR"), told.value("LOGSRVR"), told.value("SYSLOG_ENABLED")) == ("192.0.2.1", "192.0.2.1", "1")
    assert (told.value("SYSLOG_LEVEL"), told.value("LOG_CATEGORY")) == ("7", "CERTMGMT,NETMGR")
    assert told.value("DES_STAT") == "1", "0 is undone by a reset to factory defaults alone"
    assert told.files == ("J100Supgrade.txt", "46xxsettings.txt", "c81fea83e85a.txt")
    assert not told.ignored

from __future__ import annotations

from hil.services.roster import Roster


def placed(**addresses: str) -> Roster:
    roster = Roster()
    for device, address in addresses.items():
        roster.place(device, address)
    return roster


def test_a_device_whose_address_is_known_speaks_from_there_only() -> None:
    roster = placed(one="10.0.0.1", two="10.0.0.2")
    assert roster.owner(["one"], "10.0.0.1") == "one"
    assert roster.owner(["one"], "10.0.0.2") is None
    assert roster.owner(["one"], "10.0.0.9") is None


def test_what_several_share_belongs_to_the_one_at_the_address() -> None:
    assert placed(one="10.0.0.1", two="10.0.0.2").owner(["one", "two"], "10.0.0.2") == "two"


def test_an_unplaced_device_is_whoever_has_no_other_name() -> None:
    roster = placed(one="10.0.0.1")
    assert roster.owner(["new"], "10.0.0.9") == "new"
    assert roster.owner(["new"], "10.0.0.1") is None, "that address is somebody else's"
    assert roster.owner(["new", "newer"], "10.0.0.9") is None, "it could be either"


def test_an_address_of_two_devices_names_neither() -> None:
    roster = placed(one="127.0.0.1", two="127.0.0.1", three="127.0.0.3")
    assert roster.resident("127.0.0.1") is None
    assert roster.resident("127.0.0.3") == "three"
    assert roster.owner(["two"], "127.0.0.1") == "two", "unless what it asks for does"

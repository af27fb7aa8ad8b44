"""Whether the lab's DHCP server sends phones to the bench, and whether a second one answers: asked of real dnsmasq."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hil.bench.testbed import Testbed, load
from hil.campaign.addressing import Addressing, problems, site_parameters
from hil.capture.dhcp import Offer, offers_for, read_offer
from hil.errors import LabFault

ROOT = Path(__file__).resolve().parents[2]
SCENARIO = Path(__file__).with_name("addressing_scenario.py")
CASES = (
    "right",
    "by option 43",
    "nobody",
    "two",
    "without option 242",
    "elsewhere",
    "another port",
    "over TLS",
    "alone",
    "rival",
    "opened",
    "opened beside a rival",
)
WRONG = {
    "right": [],
    "by option 43": [],
    "nobody": ["j179-1: no DHCP server offers c8:1f:ea:00:00:01 an address: give it 10.9.0.11, or set network.dhcp: true"],
    "without option 242": [
        "j179-1: 10.9.0.100 names no file server: send option 242 HTTPSRVR=10.9.0.1,HTTPPORT=8080",
    ],
    "elsewhere": [
        "j179-1: 10.9.0.100 offers 10.9.0.50: reserve 10.9.0.11 for c8:1f:ea:00:00:01, as the testbed has it",
        "j179-1: 10.9.0.100 sends phones to 10.9.0.77, port 8080, and not to the bench: "
        "send option 242 HTTPSRVR=10.9.0.1,HTTPPORT=8080",
    ],
    "another port": [
        "j179-1: 10.9.0.100 sends phones to 10.9.0.1, port 80, and not to the bench: "
        "send option 242 HTTPSRVR=10.9.0.1,HTTPPORT=8080"
    ],
    "over TLS": [
        "j179-1: 10.9.0.100 sends phones to 10.9.0.77 over TLS, which one that does not trust it cannot follow: leave TLSSRVR out"
    ],
    "alone": [],
    "rival": [
        "10.9.0.100 gives addresses too, such as 10.9.0.50: "
        "take it off bench, or set network.dhcp: false and let it serve the phones"
    ],
}


@pytest.fixture(scope="module")
def seen(own_network: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of each case."""
    if shutil.which("dnsmasq") is None:
        pytest.skip("dnsmasq is not installed")
    command = [*own_network, sys.executable, str(SCENARIO), str(tmp_path_factory.mktemp("dhcp")), *CASES]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HIL_STATE": str(tmp_path_factory.mktemp("state"))}
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_with_a_labs_addresses_is_told_with_its_remedy(seen: dict[str, Any], case: str) -> None:
    assert seen[case]["problems"] == WRONG[case]


def test_what_a_phone_is_offered_is_read_whole(seen: dict[str, Any]) -> None:
    assert seen["right"]["offers"] == [["10.9.0.100", "10.9.0.11", 43_200, "HTTPSRVR=10.9.0.1,HTTPPORT=8080"]]


def test_two_servers_at_once_are_both_seen(seen: dict[str, Any]) -> None:
    assert sorted(offer[0] for offer in seen["two"]["offers"]) == ["10.9.0.100", "10.9.0.101"]
    (problem,) = seen["two"]["problems"]
    assert problem.endswith("offer an address each, and the phone takes whichever it likes: leave one")


def test_the_benchs_own_server_is_not_taken_for_a_second(seen: dict[str, Any]) -> None:
    assert (seen["alone"]["offers"], seen["alone"]["strangers"]) == ([], [])


def test_a_real_bench_gives_its_phones_all_that_they_need(seen: dict[str, Any]) -> None:
    assert seen["opened"] == {
        "address": "10.9.0.11",
        "router": "10.9.0.1",
        "told": {
            "HTTPSRVR": "10.9.0.1",
            "HTTPPORT": "8080",
            "VLANTEST": "0",
            "SNTPSRVR": "10.9.0.1",
            "LOGSRVR": "10.9.0.1",
            "DNSSRVR": "10.9.0.1",
        },
    }


def test_a_real_bench_is_not_opened_beside_a_second_server(seen: dict[str, Any]) -> None:
    assert "10.9.0.100 gives addresses too, such as 10.9.0.50" in seen["opened beside a rival"]["refused"]


def test_a_run_does_not_start_where_phones_would_not_boot_on_the_bench(seen: dict[str, Any]) -> None:
    assert seen["right"]["fault"] is None
    assert seen["rival"]["fault"].startswith("phones would not get what they need from DHCP (bench lab")
    assert "10.9.0.100 gives addresses too" in seen["rival"]["fault"]


def test_the_verb_shows_what_is_offered_and_ends_with_what_is_wrong(seen: dict[str, Any]) -> None:
    code, said, errors = seen["right"]["verb"]
    assert (code, errors, said.splitlines()[-1]) == (0, "", "every phone is sent to the bench")
    assert said.startswith("j179-1: 10.9.0.100 offers 10.9.0.11 for 43200 s, option 242 'HTTPSRVR=")
    code, said, _ = seen["rival"]["verb"]
    assert (code, said.splitlines()[-1]) == (11, f"wrong: {WRONG['rival'][0]}")


def test_what_cannot_be_asked_is_a_fault() -> None:
    with pytest.raises(LabFault, match="nobody can be asked for addresses"):
        offers_for(["c8:1f:ea:00:00:01"], "nowhere", patience=0.1)


def offered(options: bytes, *, file: bytes = b"", name: bytes = b"") -> Offer | None:
    """An offer of 10.9.0.11 from 10.9.0.2, in this wire form."""
    head = bytes((2, 1, 6, 0)) + bytes(12) + bytes((10, 9, 0, 11)) + bytes(24)
    message = head + name.ljust(64, b"\0") + file.ljust(128, b"\0") + bytes.fromhex("63825363") + options + b"\xff"
    return read_offer(message.ljust(300, b"\0"), bytes((10, 9, 0, 2, 0, 67)))


def test_an_option_in_parts_and_in_borrowed_fields_is_put_together() -> None:
    whole = offered(b"\x35\x01\x02\x34\x01\x03\xf2\x05HTTPS", file=b"\xf2\x04RVR=\xff", name=b"\xf2\x0810.9.0.1\xff")
    assert whole is not None
    assert (whole.site, whole.server, whole.address) == ("HTTPSRVR=10.9.0.1", "10.9.0.2", "10.9.0.11")


@pytest.mark.parametrize("options", [b"", b"\x35\x01\x05", b"\x35\x00", b"\x35"])
def test_what_is_no_offer_is_none(options: bytes) -> None:
    assert offered(options) is None


def test_an_offer_without_a_lease_time_is_wrong() -> None:
    testbed: Testbed = load(ROOT / "testbeds" / "example-snmp.yaml")
    lab = testbed.model_copy(update={"network": testbed.network.model_copy(update={"dhcp": False}), "phones": testbed.phones[:1]})
    offer = Offer("192.168.77.9", str(lab.phones[0].address), {242: b"HTTPSRVR=192.168.77.1"})
    assert problems(lab, Addressing({lab.phones[0].name: (offer,)}, ())) == (
        f"{lab.phones[0].name}: 192.168.77.9 offers no lease time, and phones refuse that: send option 51",
    )


def test_option_43_is_read_only_where_it_is_avayas() -> None:
    own = bytes.fromhex("010400001ae9") + b"\x02\x0810.9.0.1" + b"\x04\x0280\xff"
    assert site_parameters(Offer("s", "a", {43: own})) == {"HTTPSRVR": "10.9.0.1", "HTTPPORT": "80"}
    for other in (own.replace(bytes.fromhex("1ae9"), bytes.fromhex("0009")), b"\x02\x0810.9.0.1", b"\x01", b""):
        assert site_parameters(Offer("s", "a", {43: other})) == {}
    assert site_parameters(Offer("s", "a", {43: own, 242: b" httpport = 81 ,junk"})) == {"HTTPPORT": "81"}

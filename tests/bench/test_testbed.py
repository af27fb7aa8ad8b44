"""Reading a testbed: what is right is taken whole, what is wrong is one line that says what would be right."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
import yaml

from hil.bench.bench import bench_for
from hil.bench.power.snmp import SnmpOutlet, SnmpSettings
from hil.bench.testbed import load, schema
from hil.errors import Misuse

TESTBEDS = Path(__file__).parents[2] / "testbeds"


@pytest.fixture
def described() -> dict[str, Any]:
    raw = yaml.safe_load((TESTBEDS / "virtual.yaml").read_text())
    assert isinstance(raw, dict)
    return raw


def written(folder: Path, raw: object) -> Path:
    file = folder / "bench.yaml"
    file.write_text(yaml.safe_dump(raw))
    return file


def complaint(folder: Path, raw: object) -> str:
    with pytest.raises(Misuse) as caught:
        load(written(folder, raw))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_virtual_testbed_is_read_whole() -> None:
    testbed = load(TESTBEDS / "virtual.yaml")
    assert [phone.model for phone in testbed.phones] == ["J139", "J179", "J189"]
    assert testbed.rate == 30
    assert testbed.network.address == IPv4Address("192.0.2.1")
    assert testbed.network.subnet == IPv4Network("192.0.2.0/24")
    assert isinstance(testbed.power, SnmpSettings)
    assert testbed.phone("j179-1").power == SnmpOutlet(group=1, port=2)
    assert testbed.phone("j179-1").mac == "c8:1f:ea:83:01:79"
    assert testbed.phone("j179-1").identity.serial == "19WZ17900002"


def test_the_example_of_a_real_bench_is_valid_and_names_no_firmware() -> None:
    testbed = load(TESTBEDS / "example-real.yaml")
    assert testbed.rate == 1
    assert testbed.times.off_time >= 5
    assert all(phone.virtual is None for phone in testbed.phones)


def test_reading_and_choosing_a_bench_enters_no_namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_STATE", str(tmp_path / "state"))
    spaces = {name: Path(f"/proc/self/ns/{name}").readlink() for name in ("net", "user", "pid")}
    testbed = load(TESTBEDS / "example-real.yaml")
    bench_for(testbed)
    assert {name: Path(f"/proc/self/ns/{name}").readlink() for name in spaces} == spaces
    assert not (tmp_path / "state").exists()


def test_a_wrong_key_is_named_with_file_value_and_the_nearest_right_one(tmp_path: Path, described: dict[str, Any]) -> None:
    described["phones"][1]["modle"] = "J179"
    text = complaint(tmp_path, described)
    assert text == f"{tmp_path}/bench.yaml: phones[1].modle: unknown key (value 'J179'); did you mean 'model'?"


@pytest.mark.parametrize(
    ("place", "key", "value", "words"),
    [
        ((), "raet", 30, ["raet: unknown key (value 30)", "did you mean 'rate'?"]),
        (("times",), "boot", 3, ["times.boot: unknown key", "did you mean 'boot_limit'?"]),
        (("times",), "quiet", -1, ["times.quiet: input should be greater than 0 (value -1)"]),
        (("network",), "http_port", "eighty", ["network.http_port", "'eighty'"]),
        (("network",), "prefix", 31, ["network.prefix", "(value 31)"]),
        (("power",), "adress", "1.2.3.4", ["power.adress: unknown key", "did you mean 'address'?"]),
        (("power",), "kind", "snpm", ["power.kind: unknown way of power 'snpm'", "did you mean 'snmp'?"]),
        (("power",), "version", "v3", ["power.version", "'v3'"]),
        (("phones", 0), "model", "J19", ["phones[0].model: 'J19' is not a J100 model", "for example J179"]),
        (("phones", 0), "mac", "c8:1f", ["phones[0].mac: 'c8:1f' is not a MAC address"]),
        (("phones", 0), "serial", 123456789012, ["phones[0].serial: input should be a valid string", "put it in quotes"]),
        (("phones", 0), "name", "j139.reference", ["phones[0].name", "'j139.reference'"]),
        (("phones", 0), "address", "192.0.3.7", ["phones[0].address: 192.0.3.7 is outside", "192.0.2.0/24"]),
        (("phones", 0), "address", "192.0.2.1", ["phones[0].address: 192.0.2.1 is the PC's own"]),
        (("phones", 0), "reference", "10.0.0.1", ["phones[0].reference: 10.0.0.1 is not a loopback address"]),
        (("phones", 0, "power"), "prot", 1, ["phones[0].power.prot: unknown key (value 1)", "did you mean 'port'?"]),
        (("phones", 0, "virtual"), "firmware", 4.1, ["phones[0].virtual.firmware", "put it in quotes"]),
        (("phones", 0, "virtual"), "firmware", "newest", ["phones[0].virtual.firmware: 'newest' is not a firmware release"]),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    tmp_path: Path, described: dict[str, Any], place: tuple[str | int, ...], key: str, value: object, words: list[str]
) -> None:
    here: Any = described
    for part in place:
        here = here[part]
    here[key] = value
    text = complaint(tmp_path, described)
    assert text.startswith(f"{tmp_path}/bench.yaml: ")
    for word in words:
        assert word in text


def test_a_missing_key_is_named(tmp_path: Path, described: dict[str, Any]) -> None:
    del described["phones"][2]["serial"]
    assert "phones[2].serial: is missing; add it" in complaint(tmp_path, described)
    del described["power"]["kind"]
    assert "power.kind: is missing; known here: snmp" in complaint(tmp_path, described)
    del described["power"]
    assert "bench.yaml: power: is missing" in complaint(tmp_path, described)


@pytest.mark.parametrize("key", ["name", "mac", "address", "reference", "power"])
def test_two_phones_share_nothing(tmp_path: Path, described: dict[str, Any], key: str) -> None:
    described["phones"][0][key] = described["phones"][2][key]
    assert f"phones.{key}: " in complaint(tmp_path, described)


def test_a_community_in_a_testbed_is_refused_and_not_repeated(tmp_path: Path, described: dict[str, Any]) -> None:
    described["power"]["community"] = "s3cr3t-word"
    text = complaint(tmp_path, described)
    assert "s3cr3t-word" not in text
    assert "power.community: unknown key (value hidden); did you mean 'community_env'?" in text


def test_a_real_phone_is_told_no_firmware_and_lives_in_real_time(tmp_path: Path, described: dict[str, Any]) -> None:
    described["kind"] = "real"
    assert "rate: a bench of kind real cannot run at 30" in complaint(tmp_path, described)
    described["rate"] = 1
    assert "phones[0].virtual: only a virtual phone is told what it plays" in complaint(tmp_path, described)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: a\nname: b\n", "line 2: is not YAML: the key 'name' stands twice"),
        ("phones: [", "is not YAML"),
        ("- a\n", "is not a mapping"),
        ("", "is not a mapping"),
        ("a: *b\n", "is not YAML"),
        ("? [a, b]\n: c\n", "line 1: is not YAML: a key is a list or a mapping"),
        ("a: 2026-13-01\n", "is not YAML: month must be in 1..12"),
        ("[" * 1500, "is not YAML"),
    ],
)
def test_what_is_no_testbed_at_all(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "bench.yaml"
    file.write_text(text)
    with pytest.raises(Misuse, match=r"^[^\n]*$") as caught:
        load(file)
    assert words in str(caught.value)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(Misuse, match=r"no/such\.yaml: cannot be read: No such file"):
        load("no/such.yaml")


def test_an_unknown_phone_and_an_unknown_kind_name_the_nearest(tmp_path: Path, described: dict[str, Any]) -> None:
    testbed = load(written(tmp_path, described))
    with pytest.raises(Misuse, match=r"has no phone 'j179'; did you mean 'j179-1'\?"):
        testbed.phone("j179")
    described |= {"kind": "reel", "rate": 1}
    for phone in described["phones"]:
        del phone["virtual"]
    with pytest.raises(Misuse, match=r"kind: unknown kind of bench 'reel'; did you mean 'real'\?"):
        bench_for(load(written(tmp_path, described)))


def test_the_schema_for_editors_knows_every_key_and_no_other(described: dict[str, Any]) -> None:
    described_by = schema()
    json.dumps(described_by)
    definitions = described_by["$defs"]
    assert set(described) <= set(described_by["properties"])
    assert described_by["additionalProperties"] is False
    assert set(described["phones"][0]) <= set(definitions["Phone"]["properties"])
    assert set(described["power"]) <= set(definitions["SnmpSettings"]["properties"])

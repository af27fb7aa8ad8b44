"""Reading a testbed: what is right is taken whole, what is wrong is one line that says what would be right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
import yaml

from hil.bench.bench import bench_for
from hil.bench.power.snmp import SnmpOutlet, SnmpSettings
from hil.bench.source import parse_yaml
from hil.bench.testbed import load, parse
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
    assert testbed.longest_wait is None
    assert testbed.network.address == IPv4Address("192.0.2.1")
    assert testbed.network.subnet == IPv4Network("192.0.2.0/24")
    assert isinstance(testbed.power, SnmpSettings)
    assert testbed.phone("j179-1").power == SnmpOutlet(group=1, port=2)
    assert testbed.phone("j179-1").mac == "c8:1f:ea:83:01:79"
    assert testbed.phone("j179-1").identity.serial == "19WZ17900002"


def test_the_example_of_a_real_bench_is_valid_and_names_no_firmware() -> None:
    testbed = load(TESTBEDS / "example-snmp.yaml")
    assert testbed.rate == 1
    assert testbed.times.off_time >= 5
    assert testbed.longest_wait == 7200
    assert all(phone.virtual is None for phone in testbed.phones)


def test_no_two_examples_share_a_folder_of_state() -> None:
    names = [load(file).name for file in TESTBEDS.glob("*.yaml")]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", ["ssh", "serial", "relay", "command"])
def test_the_examples_of_other_ways_of_power_are_valid(name: str) -> None:
    testbed = load(TESTBEDS / f"example-{name}.yaml")
    assert testbed.power.kind == name
    assert len({phone.power for phone in testbed.phones}) == 3


def test_reading_and_choosing_a_bench_enters_no_namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_STATE", str(tmp_path / "state"))
    spaces = {name: Path(f"/proc/self/ns/{name}").readlink() for name in ("net", "user", "pid")}
    testbed = load(TESTBEDS / "example-snmp.yaml")
    bench_for(testbed)
    assert {name: Path(f"/proc/self/ns/{name}").readlink() for name in spaces} == spaces
    assert not (tmp_path / "state").exists()


def test_a_wrong_key_is_named_with_file_value_and_the_nearest_right_one(tmp_path: Path, described: dict[str, Any]) -> None:
    described["phones"][1]["modle"] = described["phones"][1].pop("model")
    text = complaint(tmp_path, described)
    line = (tmp_path / "bench.yaml").read_text().splitlines().index("  modle: J179") + 1
    assert text == f"{tmp_path}/bench.yaml:{line}: phones[1].modle: unknown key (value 'J179'); did you mean 'model'?"


@pytest.mark.parametrize(
    ("place", "key", "value", "words"),
    [
        ((), "raet", 30, ["raet: unknown key (value hidden)", "did you mean 'rate'?"]),
        (("times",), "boot", 3, ["times.boot: unknown key", "did you mean 'boot_limit'?"]),
        (
            ("times",),
            "quiet",
            -1,
            ["times.quiet: input should be greater than 0 (value -1)", "wanted: a phone that asked for nothing this long"],
        ),
        (("network",), "http_port", "eighty", ["network.http_port", "'eighty'"]),
        (("network",), "prefix", 31, ["network.prefix", "(value 31)"]),
        (("power",), "adress", "1.2.3.4", ["power.adress: unknown key", "did you mean 'address'?"]),
        (("power",), "kind", "snpm", ["power.kind: unknown way of power 'snpm'", "did you mean 'snmp'?"]),
        (("power",), "version", "v4", ["power.version", "'v4'"]),
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
    told = re.match(rf"{tmp_path}/bench\.yaml:(\d+): ", text)
    assert told
    assert f"{key}:" in (tmp_path / "bench.yaml").read_text().splitlines()[int(told[1]) - 1]
    for word in words:
        assert word in text


@pytest.mark.parametrize(("name", "value"), [("TLSSRVR", "10.0.0.1"), ("SIG", "2,TLSSRVR=10.0.0.1")])
def test_option_242_of_a_phone_cannot_lead_it_off_the_bench(
    tmp_path: Path, described: dict[str, Any], name: str, value: str
) -> None:
    described["phones"][0]["option_242"] = {name: value}
    assert f"phones[0].option_242.{name}" in complaint(tmp_path, described)


def test_a_missing_key_is_named(tmp_path: Path, described: dict[str, Any]) -> None:
    del described["phones"][2]["serial"]
    assert "phones[2].serial: is missing; add it: serial number as its label says" in complaint(tmp_path, described)
    kind = described["power"].pop("kind")
    described["power"]["knid"] = kind
    assert "power.knid: unknown key; did you mean 'kind'?" in complaint(tmp_path, described)
    del described["power"]["knid"]
    assert "power.kind: is missing; known here: command, manual, relay, serial, snmp, ssh" in complaint(tmp_path, described)
    del described["power"]
    assert "bench.yaml:1: power: is missing" in complaint(tmp_path, described)


@pytest.mark.parametrize("key", ["name", "mac", "address", "reference", "power"])
def test_two_phones_share_nothing(tmp_path: Path, described: dict[str, Any], key: str) -> None:
    described["phones"][0][key] = described["phones"][2][key]
    assert f"phones[2].{key}: phones[0] has " in complaint(tmp_path, described)


@pytest.mark.parametrize("example", ["snmp", "ssh", "tap", "external-ca", "relay"])
def test_whatever_stands_at_a_key_that_we_do_not_know_is_not_repeated(tmp_path: Path, example: str) -> None:
    def raw() -> Any:
        return one_phone(f"example-{example}.yaml") | {"phone_snmp": {"community_env": "HIL_COMMUNITY"}}

    sections = [at for at in ((), *keys_in(raw())) if isinstance(value_at(raw(), at), dict)]
    for at in sections:
        for key in ("comunity", "comm", "enable", "pwd", "secret"):
            wrong = raw()
            value_at(wrong, at)[key] = "hunter2"
            assert f"{key}: unknown key (value hidden); " in complaint(tmp_path, wrong)


def value_at(here: Any, at: tuple[str | int, ...]) -> Any:
    for part in at:
        here = here[part]
    return here


@pytest.mark.parametrize("example", ["snmp", "ssh", "tap", "external-ca"])
@pytest.mark.parametrize("secret", ["pr1vate-w", "hunter2"])
def test_a_secret_where_its_variable_is_named_is_refused_and_not_repeated(tmp_path: Path, example: str, secret: str) -> None:
    name = f"example-{example}.yaml"
    named = [at for at in keys_in(one_phone(name)) if str(at[-1]).endswith("_env")]
    assert named
    for at in named:
        wrong = one_phone(name)
        value_at(wrong, at[:-1])[at[-1]] = secret
        told = complaint(tmp_path, wrong)
        assert (
            f"{at[-1]}: is no name of an environment variable: capitals, digits and _, such as HIL_SECRET (value hidden)" in told
        )
        assert secret not in told


def test_a_community_in_a_testbed_is_sent_to_its_place(tmp_path: Path, described: dict[str, Any]) -> None:
    described["power"]["community"] = "s3cr3t-word"
    assert "power.community: unknown key (value hidden); did you mean 'community_env'?" in complaint(tmp_path, described)


def test_a_real_phone_is_told_no_firmware_and_lives_in_real_time(tmp_path: Path, described: dict[str, Any]) -> None:
    described["kind"] = "real"
    assert "rate: a bench of kind real cannot run at 30" in complaint(tmp_path, described)
    described["rate"] = 1
    assert "phones[0].virtual: only a virtual phone is told what it plays" in complaint(tmp_path, described)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: a\nname: b\n", ".yaml:2: is not YAML: the key 'name' stands twice"),
        ("phones: [", "is not YAML"),
        ("- a\n", "is not a mapping"),
        ("", "is not a mapping"),
        ("a: *b\n", "is not YAML"),
        ("? [a, b]\n: c\n", ".yaml:1: is not YAML: a key is a list or a mapping"),
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
    for kind, meant in (("reel", "real"), ("vortual", "virtual")):
        told = complaint(tmp_path, described | {"kind": kind})
        assert f"kind: unknown kind of bench {kind!r}; did you mean {meant!r}?" in told


def test_what_opens_later_still_knows_the_line(tmp_path: Path, described: dict[str, Any]) -> None:
    testbed = load(written(tmp_path, described))
    line = (tmp_path / "bench.yaml").read_text().splitlines().index("  interface: lab0") + 1
    assert str(Misuse("is down", file=testbed.source, key="network.interface")).startswith(f"{testbed.file}:{line}: network.i")


@pytest.mark.parametrize(
    ("dialect", "words"),
    [
        ("cisco-iso", ["power.dialect: input should be 'cisco-ios', ", "(value 'cisco-iso')", "wanted: whose commands"]),
        ({"device_type": 7}, ["power.dialect.device_type: ", "(value 7); put it in quotes"]),
        ({"device_type": "a"}, ["power.dialect.turn_on: is missing; add it: commands that let a port"]),
    ],
)
def test_of_a_key_with_two_shapes_the_one_meant_is_told(tmp_path: Path, dialect: object, words: list[str]) -> None:
    raw = yaml.safe_load((TESTBEDS / "example-ssh.yaml").read_text())
    raw["power"]["dialect"] = dialect
    text = complaint(tmp_path, raw)
    for word in words:
        assert word in text


def test_lines_are_those_of_keys_that_anchors_bring() -> None:
    text = "times: &times\n  quiet: 3\nother:\n  <<: *times\n  settle: 4\n"
    _, source = parse_yaml(text, Path("bench.yaml"))
    keys = ("times.quiet", "other.quiet", "other.settle", "other.gone", "gone", "times.quiet.gone", "times[0]")
    assert [source.line_of(key) for key in keys] == [2, 2, 5, 3, 1, 2, 1]


def test_what_stands_under_a_wrong_key_is_not_repeated(tmp_path: Path, described: dict[str, Any]) -> None:
    described["powr"] = {"kind": "snmp", "community": "s3cr3t-word"}
    assert "powr: unknown key (a mapping); did you mean 'power'?" in complaint(tmp_path, described)


def keys_in(here: object, *above: str | int) -> Iterator[tuple[str | int, ...]]:
    """Every place in what a YAML file holds."""
    for key, value in here.items() if isinstance(here, dict) else enumerate(here) if isinstance(here, list) else ():
        yield (*above, key)
        yield from keys_in(value, *above, key)


def one_phone(name: str) -> Any:
    raw = yaml.safe_load((TESTBEDS / name).read_text())
    return {**raw, "phones": raw["phones"][:1]}


@pytest.mark.parametrize("wrong", [None, 3, "x y", [], {}, ["x y"], {"x": "y"}], ids=repr)
def test_whatever_stands_at_a_key_is_taken_or_told_with_line_and_remedy(wrong: object) -> None:
    told = []
    for name in ("virtual.yaml", "example-ssh.yaml"):
        for *above, key in keys_in(one_phone(name)):
            raw = here = one_phone(name)
            for part in above:
                here = here[part]
            here[key] = wrong
            try:
                parse(yaml.safe_dump(raw), Path("bench.yaml"))
            except Misuse as misuse:
                told.append(misuse)
    assert len(told) > 40
    for misuse in told:
        assert re.fullmatch(r"bench\.yaml:\d+: [a-z_.0-9\[\]]+: [^\n]+; [^\n]+", str(misuse))
        assert not re.search("valid dictionary|tuple|pydantic", str(misuse))

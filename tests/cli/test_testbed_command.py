"""`hil testbed init` writes what `load` accepts, whole or not at all; `hil testbed check` tells what a testbed needs."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from ipaddress import IPv4Address
from pathlib import Path

import pytest
import yaml
from cli_rig import ROOT, facts, killing, run, start

from hil.bench.inventory import needed_secrets
from hil.bench.testbed import Testbed, load
from hil.cli.asking import TRIES
from hil.clock import ScaledClock
from hil.errors import Misuse
from hil.scep.authority import Authority, to_pem

TESTBEDS = ROOT / "testbeds"
EXAMPLES = sorted(TESTBEDS.glob("*.yaml"))
NETWORK = ["eth9", "192.168.77.1", "24", "n", "y"]
IDENTITY = ["J179", "", "C8:1F:EA:00:00:02", "123456789012", "", ""]
"""A serial number that YAML would take for a number; the name and both addresses as they are proposed."""

WAYS = {
    "snmp": (["192.168.77.2", "v2c", "env", ""], ["1", "7"]),
    "snmp v3": (["192.168.77.2", "v3", "bench", "SHA-512", "env", "", "AES", "file", ""], ["2", "7"]),
    "ssh": (["cisco-ios", "bench", "env", "", "none", "192.168.77.2", "", ""], ["Gi1/0/7"]),
    "serial": (["junos", "bench", "file", "", "/dev/ttyUSB0", "115200"], ["ge-0/0/7"]),
    "relay": (["/dev/ttyACM0", "numato", "y"], ["3"]),
    "command": (["pdu {outlet} on", "pdu '{outlet}' off", "pdu {outlet}"], ["7"]),
    "manual": ([], ["adapter under desk 4"]),
}
"""Answers about the way of power, and about the first outlet."""


def said(*answers: str) -> str:
    return "".join(f"{answer}\n" for answer in answers)


def story(way: str, *after: str) -> str:
    """The answers of a whole interview about one phone; `after` is about others."""
    settings, outlet = WAYS[way]
    return said("", *NETWORK, way.split()[0], *settings, "n", *IDENTITY, *outlet, *(after or ("n",)))


def written(folder: Path, way: str, *after: str) -> Testbed:
    file = folder / "lab-2.yaml"
    done = run("testbed", "init", file, stdin=story(way, *after))
    assert done.exit_code == 0, done.output
    return load(file)


@pytest.mark.parametrize("way", WAYS)
def test_what_init_writes_is_the_bench_that_was_told(tmp_path: Path, way: str) -> None:
    testbed = written(tmp_path, way)
    assert (testbed.name, testbed.kind, testbed.power.kind) == ("lab-2", "real", way.split()[0])
    assert (testbed.network.interface, testbed.network.address) == ("eth9", IPv4Address("192.168.77.1"))
    phone = testbed.phones[0]
    assert (phone.name, phone.serial, str(phone.address), str(phone.reference)) == (
        "j179-1",
        "123456789012",
        "192.168.77.101",
        "127.77.1.1",
    )
    asked = testbed.power.model_dump() | phone.power.model_dump()
    told = {"snmp": {"port": 7, "version": "v2c", "community_env": "HIL_SWITCH_COMMUNITY", "user": None}}
    told["snmp v3"] = {"group": 2, "user": "bench", "authentication": "SHA-512", "privacy_file": "switch-privacy"}
    told["ssh"] = {"dialect": "cisco-ios", "known_hosts": "known_hosts-lab-2", "enable_env": None, "port": "Gi1/0/7"}
    told["serial"] = {"baud": 115200, "password_file": "switch-password", "port": "ge-0/0/7"}
    told["relay"] = {"inverted": True, "relay": 3}
    told["command"] = {"turn_on": ("pdu", "{outlet}", "on"), "outlet": "7"}
    told["manual"] = {"where": "adapter under desk 4"}
    assert told[way].items() <= asked.items()


@pytest.mark.parametrize("way", WAYS)
def test_every_key_is_in_the_file_with_what_holds_where_it_is_left_out(tmp_path: Path, way: str) -> None:
    testbed = written(tmp_path, way)
    text = testbed.file.read_text()
    assert text.startswith("# yaml-language-server: $schema=testbed.schema.json\n")
    assert (tmp_path / "testbed.schema.json").read_bytes() == (TESTBEDS / "testbed.schema.json").read_bytes()
    testbed.file.write_text(re.sub(r"^( *)# ((?:  )*[a-z0-9_]+:)", r"\1\2", text, flags=re.MULTILINE))
    assert load(testbed.file).model_dump() == testbed.model_dump()
    raw = yaml.safe_load(testbed.file.read_text())
    for model, keys in ((testbed, raw), (testbed.power, raw["power"]), (testbed.network.tls, raw["network"]["tls"])):
        assert set(type(model).model_fields) == set(keys)


def test_the_next_phone_is_proposed_what_is_free(tmp_path: Path) -> None:
    testbed = written(tmp_path, "snmp", "y", "", "", "C8:1F:EA:00:00:03", "19WZ3", "", "", "", "", "n")
    second = testbed.phones[1]
    assert (second.name, str(second.address), str(second.reference)) == ("j179-2", "192.168.77.102", "127.77.2.1")
    assert second.power.model_dump() == {"group": 1, "port": 8}


def test_what_is_wrong_is_said_and_asked_again(tmp_path: Path) -> None:
    same = ["y", "", "", "C8:1F:EA:00:00:02", "19WZ3", "", "", "", ""]  # another phone's MAC address
    right = ["", "", "C8:1F:EA:00:00:03", "", "", "", "", "", "n"]
    answers = said("a b", "lab", *NETWORK[:2], "31", *NETWORK[2:], "snpm", "snmp", "192.168.77.2", "v4", *WAYS["snmp"][0][1:3])
    answers += said("public word", "", "n", "J17", *IDENTITY[:2], "C8:1F", *IDENTITY[2:], "zero", "1", "7", *same, *right)
    done = run("testbed", "init", tmp_path / "lab.yaml", stdin=answers)
    assert done.exit_code == 0, done.output
    for words in (
        "string should match pattern",
        "input should be less than or equal to 30",
        "'snpm' is none of these; did you mean 'snmp'?",
        "input should be 'v1', 'v2c' or 'v3'",
        "is no name of an environment variable",
        "'J17' is not a J100 model, for example J179",
        "'C8:1F' is not a MAC address",
        "input should be a valid integer",
        "phones[1].mac: phones[0] has c8:1f:ea:00:00:02 already; each phone needs its own",
    ):
        assert words in done.output
    assert load(tmp_path / "lab.yaml").phones[1].mac == "c8:1f:ea:00:00:03"


@pytest.mark.parametrize("answer", ["", "maybe"])
def test_it_does_not_ask_for_ever(tmp_path: Path, answer: str) -> None:
    done = run("testbed", "init", tmp_path / "lab.yaml", stdin=said("", "eth9", *[answer] * 1000))
    assert isinstance(done.exception, Misuse)
    assert f"no right answer in {TRIES} tries" in str(done.exception)
    assert not [*tmp_path.iterdir()]


def test_a_switch_that_asks_for_8021x_is_asked_for(tmp_path: Path) -> None:
    network = ["eth9", "192.168.77.1", "24", "y", "192.168.77.2 192.168.77.3", "n", "y"]
    answers = said("", *network, "manual", "n", *IDENTITY, "desk", "n")
    assert run("testbed", "init", tmp_path / "lab.yaml", stdin=answers).exit_code == 0
    testbed = load(tmp_path / "lab.yaml")
    assert testbed.network.radius is not None
    assert [str(client) for client in testbed.network.radius.clients] == ["192.168.77.2", "192.168.77.3"]
    assert testbed.network.names
    assert not testbed.network.dhcp


def test_what_is_there_is_overwritten_only_when_told_and_only_by_a_whole_file(tmp_path: Path) -> None:
    file = tmp_path / "lab-2.yaml"
    file.write_text("mine")
    refused = run("testbed", "init", file, stdin=story("snmp"))
    assert isinstance(refused.exception, Misuse)
    assert "is there already; name another file, or overwrite it with --force" in str(refused.exception)
    ended = run("testbed", "init", file, "--force", stdin=story("snmp")[:-2])
    assert (ended.exit_code, file.read_text()) == (130, "mine")
    assert "nothing was written" in ended.output
    assert "Aborted" not in ended.output
    assert run("testbed", "init", file, "--force", stdin=story("snmp")).exit_code == 0
    assert load(file).name == "lab-2"


def test_a_folder_that_is_not_there_is_said_before_the_first_question(tmp_path: Path) -> None:
    done = run("testbed", "init", tmp_path / "none" / "lab.yaml")
    assert isinstance(done.exception, Misuse)
    assert not done.output


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_who_ends_it_at_a_question_finds_nothing_written(tmp_path: Path, by: signal.Signals) -> None:
    with start("testbed", "init", tmp_path / "lab.yaml") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(story("manual")[:-2])
        process.stdin.flush()
        heard = ""
        while "another phone?" not in heard:
            letter = process.stdout.read(1)
            assert letter, process.communicate()
            heard += letter
        process.send_signal(by)
        assert process.wait(60) in (130, -by)
    assert not [*tmp_path.iterdir()]


def test_killed_at_any_step_it_leaves_a_whole_testbed_or_none(tmp_path: Path) -> None:
    left = []
    with killing("hil.cli.testbed") as killed:
        for step in range(1, 100):
            folder = tmp_path / str(step)
            folder.mkdir()
            code = killed(folder, step, "testbed", "init", folder / "lab-2.yaml", stdin=story("manual"))
            left.append((folder / "lab-2.yaml").exists())
            assert not left[-1] or load(folder / "lab-2.yaml").name == "lab-2"
            if code == 0:
                break
    assert code == 0
    assert left[0] is False
    assert left == sorted(left)


def test_the_interface_of_this_pc_is_proposed(tmp_path: Path, own_network: list[str]) -> None:
    answers = tmp_path / "answers"
    answers.write_text(said("", "", "", "", "n", "", "manual", "n", *IDENTITY, "desk", "n"))
    file = tmp_path / "lab.yaml"
    made = "ip link add lab0 type veth peer name far0 && ip address add 192.0.2.9/28 dev lab0 && ip link set lab0 up"
    command = f"{made} && exec {sys.executable} -m hil.cli testbed init {file} <{answers}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
    shell = [*own_network, "sh", "-c", command]
    done = subprocess.run(shell, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "lab0: 192.0.2.9/28" in done.stdout
    assert "far0: no IPv4 address" in done.stdout
    testbed = load(file)
    assert (testbed.network.interface, str(testbed.network.address), testbed.network.prefix) == ("lab0", "192.0.2.9", 28)
    assert str(testbed.phones[0].address) == "192.0.2.10"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.stem)
def test_each_example_is_fit_where_its_secrets_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, example: Path) -> None:
    monkeypatch.setenv("HIL_STATE", str(tmp_path / "state"))
    file = Path(shutil.copy(example, tmp_path))
    text = file.read_text()
    for variable in re.findall(r"_env: (\w+)", text):
        monkeypatch.setenv(variable, "s3cret-word")
    for name in re.findall(r"(?:_file|known_hosts): ([\w.-]+)", text):
        (tmp_path / name).write_text("s3cret-word\n")
        (tmp_path / name).chmod(0o600)
    for name in re.findall(r"tls_trust: ([\w.-]+)", text):
        (tmp_path / name).write_bytes(to_pem(Authority.create("Web CA of a lab", ScaledClock()).certificate))
    done = run("testbed", "check", file, "--json")
    assert done.exit_code == 0, done.output
    assert "s3cret-word" not in done.output
    told, testbed = facts(done), load(file)
    assert told["problems"] == []
    assert [phone["name"] for phone in told["phones"]] == [phone.name for phone in testbed.phones]
    assert all(secret["there"] for secret in told["secrets"])
    assert len(told["secrets"]) == len(needed_secrets(testbed))
    assert not (tmp_path / "state").exists()


def test_check_shows_phones_outlets_servers_and_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HIL_SWITCH_PASSWORD", raising=False)
    monkeypatch.setenv("HIL_SWITCH_ENABLE", "s3cret-word")
    file = Path(shutil.copy(TESTBEDS / "example-ssh.yaml", tmp_path))
    done = run("testbed", "check", file)
    assert done.exit_code == 10
    for words in (
        r"lab-3: a real bench; this PC is 192\.168\.77\.1/24 on eth1",
        r"j179-1 +J179 +c8:1f:ea:00:00:02 +19WZ00000002 +192\.168\.77\.102 +port Gi1/0/2",
        r"settings and SCEP +TCP 80",
        r"DHCP +UDP 67",
        r"LDAP over TLS +TCP 636",
        r"power\.password_env +the environment, HIL_SWITCH_PASSWORD +missing",
        r"power\.enable_env +the environment, HIL_SWITCH_ENABLE +there",
        r"example-ssh\.yaml:\d+: power\.password_env: the environment has no HIL_SWITCH_PASSWORD; export HIL_SWITCH_PASSWORD",
    ):
        assert re.search(words, done.output), words
    assert "s3cret-word" not in done.output


BROKEN = {
    "key": ("example-snmp.yaml", "limit: 20", "limt: 20", "power.limt", "did you mean 'limit'?"),
    "value": ("example-relay.yaml", "dhcp: true", "dhcp: perhaps", "network.dhcp", "wanted: whether the bench gives"),
    "relay": ("example-relay.yaml", "protocol: numato ", "protocol: lcus ", "phones[0].power.relay", "it has 1 to 8"),
    "outlet": ("example-command.yaml", '"{outlet}"]   # prints', '"1"]   # prints', "power.status", "put {outlet} where"),
    "kind": ("example-relay.yaml", "kind: real", "kind: reel", "kind", "did you mean 'real'?"),
    "persona": ("virtual.yaml", "network:", "ca: {persona: edjbca}\nnetwork:", "ca.persona", "ejbca"),
    "syntax": ("virtual.yaml", "network:", "network: [", None, "correct it there"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_no_run_could_start_from_is_told_with_its_line(tmp_path: Path, case: str) -> None:
    name, right, wrong, key, remedy = BROKEN[case]
    text = (TESTBEDS / name).read_text()
    assert right in text
    file = tmp_path / name
    file.write_text(text.replace(right, wrong, 1))
    done = run("testbed", "check", file, "--json")
    assert done.exit_code == 10
    (problem,) = facts(done)["problems"]
    assert problem["key"] == key
    assert remedy in problem["remedy"]
    shown = run("testbed", "check", file)
    assert (shown.exit_code, shown.stderr) == (10, f"hil: {problem['text']}\n")
    line = re.match(rf"{re.escape(str(file))}:(\d+): ", problem["text"])
    assert line
    if key:
        assert key.rpartition(".")[2] in file.read_text().splitlines()[int(line[1]) - 1]


def test_a_secret_that_others_may_read_is_none(tmp_path: Path) -> None:
    file = Path(shutil.copy(TESTBEDS / "example-serial.yaml", tmp_path))
    (tmp_path / "switch-password").write_text("s3cret-word\n")
    (tmp_path / "switch-password").chmod(0o640)
    done = run("testbed", "check", file)
    assert done.exit_code == 10
    assert "others may read this secret (mode 640); chmod 600" in done.stderr
    assert "s3cret-word" not in done.output


def test_a_file_that_is_not_there_leads_to_init(tmp_path: Path) -> None:
    done = run("testbed", "check", tmp_path / "lab.yaml")
    assert done.exit_code == 10
    assert "lab.yaml: cannot be read: No such file or directory; hil testbed init writes one" in done.stderr


def test_a_section_is_asked_for_like_the_rest(tmp_path: Path) -> None:
    tap = ["y", "tap-7.lab", "tap", "eth2", "known_hosts-tap-7", "none", "env", ""]
    done = run("testbed", "init", tmp_path / "lab.yaml", stdin=said("", *NETWORK, "manual", *tap, *IDENTITY, "desk", "n"))
    assert done.exit_code == 0, done.output
    described = load(tmp_path / "lab.yaml").tap
    assert described is not None
    assert (described.address, described.interface, described.password_env) == ("tap-7.lab", "eth2", "HIL_TAP_PASSWORD")
    checked = run("testbed", "check", tmp_path / "lab.yaml", env={"HIL_TAP_PASSWORD": "s3cret-word"})
    assert checked.exit_code == 10
    assert re.search(r":\d+: tap\.known_hosts: there is no .*ssh-keyscan", checked.stderr)


def test_who_gives_addresses_is_not_asked_at_an_interface_that_this_pc_has_not() -> None:
    asked = run("dhcp", "--testbed", ROOT / "testbeds" / "example-snmp.yaml")
    assert isinstance(asked.exception, Misuse)
    assert re.search(
        r"example-snmp\.yaml:\d+: network\.(interface: no interface|address: 192.168.77.1 is not)", str(asked.exception)
    )

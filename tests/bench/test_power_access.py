"""Who a switch lets in, which switch we believe, and that no secret is shown."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest
from power_rigs import ACCESS, RIGS, SECRETS, Rig, held, new_key
from power_simulators.box import Box

from hil.bench.power import PowerBusy, PowerFault, PowerRefused, PowerUnreachable
from hil.errors import Misuse
from hil.virtual.command_line.houses import CISCO
from hil.virtual.command_line.ssh import SshSwitch


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, word in SECRETS.items():
        monkeypatch.setenv(name, word)


@contextlib.contextmanager
def rig_of(way: str, folder: Path, **power: object) -> Iterator[Rig]:
    with RIGS[way](folder) as rig:
        rig.power.update(power)
        yield rig


def fault_of(rig: Rig, timeout: float = 20.0) -> PowerFault:
    with rig.connected(timeout=timeout) as (port, _):
        with pytest.raises(PowerFault) as caught:
            port.off()
        assert rig.box.orders == []
        assert not [word for word in [*SECRETS.values(), "another-w0rd"] if word in str(caught.value)]
    return caught.value


def test_a_switch_whose_key_is_not_known_gets_no_password(tmp_path: Path) -> None:
    with rig_of("SSH", tmp_path) as rig:
        (tmp_path / "known_hosts").write_text("")
        fault = fault_of(rig)
        assert type(fault) is PowerUnreachable
        port = rig.power["port"]
        assert f"[127.0.0.1]:{port} is not in {tmp_path}/known_hosts" in str(fault)
        assert f"ssh-keyscan -p {port} 127.0.0.1 >> {tmp_path}/known_hosts" in str(fault)
        assert (tmp_path / "known_hosts").read_text() == ""


def test_a_switch_whose_key_has_changed_gets_no_password(tmp_path: Path) -> None:
    with rig_of("SSH", tmp_path) as rig:
        file = tmp_path / "known_hosts"
        name = file.read_text().split()[0]
        other = paramiko.ECDSAKey.generate()
        before = f"{name} {other.get_name()} {other.get_base64()}\n"
        file.write_text(before)
        fault = fault_of(rig)
        assert type(fault) is PowerUnreachable
        assert "shows another key than the one in" in str(fault)
        assert f"ssh-keygen -R '{name}' -f {file}" in str(fault)
        assert file.read_text() == before


@pytest.mark.parametrize("damaged", [b"[127.0.0.1]:22 ssh-rsa AAAAB3Nza\n", b"\xff\xfe\n"])
def test_a_file_of_known_switches_that_is_damaged_is_named(tmp_path: Path, damaged: bytes) -> None:
    with rig_of("SSH", tmp_path) as rig:
        (tmp_path / "known_hosts").write_bytes(damaged)
        fault = fault_of(rig)
        assert type(fault) is PowerUnreachable
        assert f"{tmp_path}/known_hosts is damaged" in str(fault)


def test_a_file_of_known_switches_that_is_not_there_is_named(tmp_path: Path) -> None:
    with rig_of("SSH", tmp_path, known_hosts="nowhere") as rig, pytest.raises(Misuse, match=r"power\.known_hosts: there is no"):
        rig.switch()


@pytest.mark.parametrize("way", ["SSH", "serial"])
def test_a_wrong_password_is_told_apart_from_no_answer(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIG_PASSWORD", "another-w0rd")
    with rig_of(way, tmp_path) as rig:
        fault = fault_of(rig)
        assert type(fault) is PowerUnreachable
        assert fault.problem == "the switch does not let us in"


def test_a_key_opens_where_it_is_known(tmp_path: Path) -> None:
    key = new_key(tmp_path / "key")
    names = (CISCO.port, CISCO.other_port)
    box = Box(names)
    with SshSwitch(CISCO, box, ACCESS, user_key=key) as switch, rig_of("SSH", tmp_path) as other:
        switch.known_as(tmp_path / "known_hosts")
        power = {**other.power, "port": switch.port, "password_env": None, "key_file": "key"}
        rig = Rig(power, other.outlets, box, names, tmp_path)
        with rig.connected() as (port, _):
            port.off()
        assert not box.ports[CISCO.port].power
        assert switch.is_idle()
        (tmp_path / "key").chmod(0o644)
        with pytest.raises(Misuse, match=r"power\.key_file: others may read .*chmod 600"):
            rig.switch()


def test_no_password_at_all_is_a_misuse(tmp_path: Path) -> None:
    with rig_of("SSH", tmp_path, password_env=None) as rig, pytest.raises(Misuse, match="add password_env or password_file"):
        rig.switch()


def test_a_full_switch_that_says_so_is_quoted(tmp_path: Path) -> None:
    box = Box((CISCO.port, CISCO.other_port))
    with SshSwitch(CISCO, box, ACCESS) as switch, rig_of("SSH", tmp_path) as other:
        switch.known_as(tmp_path / "known_hosts")
        switch.full, switch.most_sessions = b"Sorry, the maximum number of sessions are active.\r\n", 0
        rig = Rig({**other.power, "port": switch.port, "busy_wait": 0}, other.outlets, box, other.names, tmp_path)
        fault = fault_of(rig)
        assert type(fault) is PowerBusy
        assert "says 'Sorry, the maximum number of sessions are active.' and hangs up" in str(fault)


def test_words_before_ssh_are_passed_over(tmp_path: Path) -> None:
    with rig_of("SSH", tmp_path) as rig, socket.create_server(("127.0.0.1", 0)) as front:
        behind = ("127.0.0.1", rig.power["port"])
        known = (tmp_path / "known_hosts").read_text().replace(str(behind[1]), str(front.getsockname()[1]))
        (tmp_path / "known_hosts").write_text(known)
        thread = threading.Thread(target=_greet_and_pass_on, args=(front, behind), daemon=True)
        thread.start()
        rig.power["port"] = front.getsockname()[1]
        with rig.connected() as (port, _):
            assert port.delivering()
            assert port.watts() == pytest.approx(3.4)
        front.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def _greet_and_pass_on(front: socket.socket, behind: tuple[str, int]) -> None:
    """Until `front` is shut: a switch that is still busy with a former session is asked once more."""
    while True:
        try:
            near, _address = front.accept()
        except OSError:
            return
        with near, socket.create_connection(behind) as far, contextlib.suppress(ConnectionError):
            near.sendall(b"Authorised users only.\r\nYou are being watched.\r\n")
            ways = {near: far, far: near}
            while ready := select.select(list(ways), [], [])[0]:
                data = ready[0].recv(4096)
                if not data:
                    break
                ways[ready[0]].sendall(data)


def test_nobody_at_the_address_is_no_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with rig_of("SSH", tmp_path, port=port) as rig:
        fault = fault_of(rig)
        assert type(fault) is PowerUnreachable
        assert "Connection refused" in str(fault)


@pytest.mark.parametrize("way", ["serial", "relay"])
def test_a_port_that_is_not_there_or_not_free_is_told(way: str, tmp_path: Path) -> None:
    with rig_of(way, tmp_path) as rig:
        with held(rig.power["device"])():
            assert type(fault_of(rig)) is PowerBusy
        rig.power["device"] = str(tmp_path / "nowhere")
        fault = fault_of(rig)
        assert type(fault) is PowerUnreachable
        assert "No such file" in str(fault)


@pytest.mark.parametrize(
    ("changes", "environment"),
    [
        ({"user": "stranger"}, {}),
        ({}, {"RIG_AUTHENTICATION": "another-w0rd"}),
        ({}, {"RIG_PRIVACY": "another-w0rd"}),
        ({"authentication": "SHA"}, {}),
    ],
    ids=["user", "authentication", "privacy", "algorithm"],
)
def test_what_snmp_v3_does_not_take_is_told(
    changes: dict[str, object], environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, word in environment.items():
        monkeypatch.setenv(name, word)
    with rig_of("SNMP v3", tmp_path, **changes) as rig:
        fault = fault_of(rig, timeout=1.0)
        assert type(fault) is PowerUnreachable
        if "privacy" not in str(environment).lower():  # a message that it cannot decipher, an agent may pass over in silence
            assert fault.problem == "the switch does not let us in"


def test_snmp_v3_without_privacy_and_with_a_meter(tmp_path: Path) -> None:
    meter = {"oid": "1.3.6.1.4.1.9.9.402.1.2.1.9", "unit": "deciwatts"}
    with rig_of("SNMP v3", tmp_path, privacy="none", meter=meter) as rig, rig.connected() as (port, _):
        assert port.watts() == pytest.approx(340)
        port.off()
        assert port.watts() == 0


def test_a_meter_that_the_switch_does_not_have_is_told(tmp_path: Path) -> None:
    with rig_of("SNMP v2c", tmp_path, meter="hp") as rig, rig.connected() as (port, _):
        with pytest.raises(PowerRefused, match="NoSuch"):
            port.watts()
        assert port.delivering()


def test_snmp_v3_needs_a_user_and_long_passphrases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with rig_of("SNMP v3", tmp_path) as rig:
        monkeypatch.setenv("RIG_PRIVACY", "short")
        with pytest.raises(Misuse, match=r"power\.privacy: is shorter than 8 characters"):
            rig.switch()
        rig.power["user"] = None
        with pytest.raises(Misuse, match=r"power\.user: is missing"):
            rig.switch()

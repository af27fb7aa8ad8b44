"""Two services on one port: whoever names the host of one is there, everybody else at the other."""

from __future__ import annotations

from typing import Any

import pytest

from hil.errors import Misuse
from hil.evidence import EventName
from hil.services.tls.services import by_port
from hil.settings.usage import PUBLIC_HOSTS

HOST = PUBLIC_HOSTS["RINGCENTRAL"]


def test_which_services_share_a_port() -> None:
    assert by_port({"RINGCENTRAL": 443, "PPM": 443, "SIP": 0, "LDAP": 0, "XSI": 8446}) == {
        ("PPM", "RINGCENTRAL"): 443,
        ("SIP",): 0,
        ("LDAP",): 0,
        ("XSI",): 8446,
    }
    assert by_port({"RINGCENTRAL": 443}) == {("RINGCENTRAL",): 443}


def test_services_that_nothing_tells_apart_share_none() -> None:
    with pytest.raises(Misuse, match="PPM and XSI have one port, 443"):
        by_port({"PPM": 443, "RINGCENTRAL": 443, "XSI": 443})


def test_a_client_is_where_the_host_is_that_it_names(shared: Any) -> None:
    assert shared.lab.tls_port("PPM") == shared.lab.tls_port("RINGCENTRAL")
    identity = shared.desk.issue("phone")
    for host in (HOST, HOST.upper(), "127.0.0.1"):
        with shared.connect("PPM", identity, host) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200")
    shakes, asked, closed = (
        shared.seen(name, 3) for name in (EventName.TLS_HANDSHAKE, EventName.TLS_REQUEST, EventName.TLS_CLOSED)
    )
    for events in (shakes, asked, closed):
        of_client = {event.details["client"]: event.details["service"] for event in events}
        assert list(of_client.values()).count("PPM") == 1
        assert [of_client[shake.details["client"]] for shake in shakes] == ["RINGCENTRAL", "RINGCENTRAL", "PPM"]
    assert {event.details["serial"] for event in shakes} == {identity.serial}


def test_a_handshake_that_fails_is_told_of_the_service_that_was_asked_for(shared: Any) -> None:
    wrong = shared.desk.issue_for_servers("wrong")
    shared.openssl("PPM", "-servername", HOST, "-cert", str(wrong.file), "-key", str(wrong.file))
    [shake] = shared.seen(EventName.TLS_HANDSHAKE)
    assert (shake.details["service"], "failure" in shake.details) == ("RINGCENTRAL", True)


def test_only_the_connections_to_one_of_them_are_hung_up(shared: Any) -> None:
    with shared.connect("PPM", server_name=HOST) as ended, shared.connect("PPM") as kept:
        shared.seen(EventName.TLS_HANDSHAKE, 2)
        shared.lab.hang_up("RINGCENTRAL", ["j179-1"])
        assert ended.recv(1) == b""
        kept.sendall(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")
        assert kept.recv(100).startswith(b"HTTP/1.1 200")
    [closed, *_] = shared.seen(EventName.TLS_CLOSED, 2)
    assert (closed.details["service"], closed.details["reason"]) == ("RINGCENTRAL", "the bench hung up")

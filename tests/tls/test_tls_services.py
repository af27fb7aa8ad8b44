"""What each service answers over TLS, to real clients where there are some."""

from __future__ import annotations

import http.client
import os
import shutil
import ssl
import subprocess
from typing import Any

import pytest

from hil.evidence import EventName

REGISTER = (
    b"REGISTER sip:bench.example SIP/2.0\r\n"
    b"Via: SIP/2.0/TLS 10.0.0.3:5061;branch=z9hG4bK1;rport\r\n"
    b"f: <sip:1000@bench.example>;tag=a1\r\n"
    b"To: <sip:1000@bench.example>\r\n"
    b"Call-ID: c1\r\n"
    b"CSeq: 7 REGISTER\r\n"
    b'Contact: "A, B" <sip:1000@10.0.0.3:5061;transport=tls>;expires=600, <sip:1001@10.0.0.3>\r\n'
    b"Expires: 1800\r\n"
    b"Content-Length: 0\r\n\r\n"
)


def https(rig: Any, service: str, identity: Any = None) -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cafile=rig.desk.root)
    if identity is not None:
        context.load_cert_chain(identity.file)
    port = rig.lab.tls_port(service)
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context, source_address=("127.0.0.3", 0))


def test_settings_files_are_served_as_over_http(rig: Any) -> None:
    rig.lab.publish("j179-1", "/", {"46xxsettings.txt": b"SET X 1\n"})
    client = https(rig, "PROVISIONING")
    client.request("GET", "/46xxsettings.txt")
    answer = client.getresponse()
    assert (answer.status, answer.read(), answer.headers["Connection"]) == (200, b"SET X 1\n", "close")
    [event] = rig.seen(EventName.FILE_SERVED)
    assert (event.device, event.details["path"], event.details["service"]) == ("j179-1", "/46xxsettings.txt", "PROVISIONING")
    [shake] = rig.seen(EventName.TLS_HANDSHAKE)
    assert shake.details["client"] == event.details["client"]
    client.close()


@pytest.mark.parametrize("service", ["PPM", "XSI", "PUSH", "RINGCENTRAL"])
def test_a_web_service_says_yes_and_keeps_the_connection(rig: Any, service: str) -> None:
    client = https(rig, service)
    for method, body in (("POST", b"<getAllEndpointConfiguration/>"), ("GET", None)):
        client.request(method, "/axis/services/PPM", body)
        assert client.getresponse().read() == b""
    client.close()
    first, second = rig.seen(EventName.TLS_REQUEST, 2)
    assert (first.device, first.details["service"], first.details["request"], first.details["status"]) == (
        "j179-1",
        service,
        "POST",
        200,
    )
    assert first.details["client"] == second.details["client"]
    [closed] = rig.seen(EventName.TLS_CLOSED)
    assert int(str(closed.details["received"])) > 30


def test_a_phone_registers(rig: Any) -> None:
    with rig.connect("SIP") as phone:
        phone.sendall(REGISTER)
        answer = phone.recv(10_000).decode()
        client = phone.getsockname()
    lines = answer.split("\r\n")
    assert lines[0] == "SIP/2.0 200 OK"
    assert f"Via: SIP/2.0/TLS 10.0.0.3:5061;branch=z9hG4bK1;received={client[0]};rport={client[1]}" in lines
    assert "From: <sip:1000@bench.example>;tag=a1" in lines
    assert any(line.startswith("To: <sip:1000@bench.example>;tag=") for line in lines)
    assert {"Call-ID: c1", "CSeq: 7 REGISTER", "Content-Length: 0", "Expires: 1800"} <= set(lines)
    assert 'Contact: "A, B" <sip:1000@10.0.0.3:5061;transport=tls>;expires=600' in lines
    assert "Contact: <sip:1001@10.0.0.3>;expires=1800" in lines
    [event] = rig.seen(EventName.TLS_REQUEST)
    assert event.details["request"] == "REGISTER"


def test_syslog_is_an_event_as_over_udp(rig: Any) -> None:
    with rig.connect("SYSLOG") as phone:
        phone.sendall(b"26 <165>CERTMGMT: renewal due14 <166>NET: link")
        first, second = rig.seen(EventName.SYSLOG, 2)
    assert (first.device, first.details["priority"], first.details["text"]) == ("j179-1", 165, "CERTMGMT: renewal due")
    assert (second.details["priority"], second.details["text"], second.details["size"]) == (166, "NET: link", 14)


def test_ldapsearch_binds_and_finds_nothing(rig: Any) -> None:
    if shutil.which("ldapsearch") is None:
        pytest.skip("ldapsearch is not installed")
    own = rig.desk.issue("own")
    url = f"ldaps://127.0.0.1:{rig.lab.tls_port('LDAP')}"
    command = ("ldapsearch", "-x", "-H", url, "-D", "cn=phone", "-w", "not shown", "-b", "dc=example", "(cn=a*)")
    files = {"LDAPTLS_CACERT": str(rig.desk.root), "LDAPTLS_CERT": str(own.file), "LDAPTLS_KEY": str(own.file)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=os.environ | files)
    assert done.returncode == 0, done.stderr
    assert "result: 0 Success" in done.stdout
    requests = [(event.details["request"], event.details.get("entry")) for event in rig.seen(EventName.TLS_REQUEST, 3)]
    assert requests == [("bind", "cn=phone"), ("search", "dc=example"), ("unbind", None)]
    [shake] = rig.seen(EventName.TLS_HANDSHAKE)
    assert shake.details["serial"] == own.serial
    assert not [event for event in rig.lab.events.since() if "not shown" in str(event.to_json())]


@pytest.mark.parametrize("service", ["SIP", "LDAP", "SYSLOG"])
def test_what_is_not_the_services_protocol_ends_the_connection_alone(rig: Any, service: str) -> None:
    with rig.connect(service) as wrong, rig.connect(service) as right:
        wrong.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wrong.recv(10) == b""
        [stray] = rig.seen(EventName.STRAY)
        assert (stray.device, stray.details["service"]) == ("j179-1", service)
        sends = {"SIP": b"\r\n\r\n", "LDAP": b"\x30\x05\x02\x01\x01\x42\x00", "SYSLOG": b"5 <1>ok"}
        right.sendall(sends[service])
        rig.seen(EventName.SYSLOG if service == "SYSLOG" else EventName.TLS_REQUEST)

"""The table of `hil doctor`: what is asked, in which order, what it needs, and what to do where it is not well."""

from __future__ import annotations

from hil.doctor import pc, phones, switch, wire
from hil.doctor.examining import Check
from hil.doctor.visit import Visit

CHECKS: tuple[Check[Visit], ...] = (
    Check("testbed", "the testbed and its secrets", (), pc.testbed, "correct the testbed; docs/testbed.md explains each key"),
    Check("tshark", "tshark", (), pc.tshark, "apt-get install tshark"),
    Check("disk", "room for a night", ("testbed",), pc.disk, "make room, or choose another place by HIL_STATE"),
    Check("clock", "this PC's clock", ("testbed",), pc.clock, "let a time server keep it, for example by chrony"),
    Check("CA", "the bench's root", ("testbed", "clock"), pc.ca, "docs/network.md tells how to restore it"),
    Check("bench", "whether the bench is ours", ("testbed",), pc.opened, "hil who tells who has it"),
    Check("ports", "ports of the servers", ("bench",), pc.ports, "stop what listens there, or give the bench another port"),
    Check(
        "capture", "the recorder's rights", ("bench", "disk"), wire.capture,
        "run as root, or let this user record: dpkg-reconfigure wireshark-common, and its group; a tap: docs/tap.md",
    ),
    Check("load", "the recorder under load", ("capture",), wire.load, "stop what else keeps this PC busy, or record at a tap"),
    Check("DHCP", "who gives addresses", ("capture",), wire.dhcp, "leave one DHCP server on the bench; see docs/network.md"),
    Check(
        "switch", "whether the switch obeys", ("bench",), switch.switch,
        "look at its address and cable, and whether our community or user may write; see docs/power.md",
    ),
    Check(
        "servers", "the servers of a run", ("ports", "CA", "DHCP", "disk"), phones.servers,
        "see what the text names; docs/network.md has the servers",
    ),
    Check("enrolment", "an enrolment by the reference", ("servers",), phones.enrolment, "report it: phones could not either"),
    Check("wiring", "where each phone hangs", ("switch",), switch.wiring, "hil wiring tells more; see docs/wiring.md"),
    Check("edge port", "spanning tree", ("switch",), switch.edge, "make the phones' ports edge ports (portfast, admin-edge)"),
    Check(
        "canary", "whether phones do what their file says", ("servers", "wiring", "capture"), phones.canary,
        "see what the text names; docs/troubleshooting.md has what can be wrong with a phone",
        restarts=True,
    ),
    Check("mirror", "both directions", ("canary",), wire.mirror, "mirror what is sent and what is received; see docs/tap.md"),
)  # fmt: skip

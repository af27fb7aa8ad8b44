"""A capture read by pyshark as its users do, as `python pyshark_reading.py CAPTURE DISPLAY-FILTER`."""

from __future__ import annotations

import sys

import pyshark


def main(capture: str, display_filter: str) -> None:
    """Ask each packet whether it is HTTP, and what for."""
    seen = 0
    with pyshark.FileCapture(capture, display_filter=display_filter or None, keep_packets=False) as packets:
        for packet in packets:
            if "HTTP" in packet and hasattr(packet.http, "request_uri"):
                seen += "operation=" in packet.http.request_uri
    if not seen:
        sys.exit("no SCEP request was seen")


if __name__ == "__main__":
    main(*sys.argv[1:])

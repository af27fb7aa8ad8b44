"""What an exporter of labgrid is told of a testbed's phones."""

from __future__ import annotations

import yaml

from hil.bench.labgrid import RESOURCE, Labgrid, place_of
from hil.bench.labgrid.places import tags_of
from hil.bench.testbed import Testbed


def exporter_file(testbed: Testbed, labgrid: Labgrid) -> str:
    """The file for `labgrid-exporter`: a group for each phone, in it the phone as plain data."""
    groups = {
        place_of(testbed.name, phone.name): {
            "location": testbed.name,
            RESOURCE: {
                **tags_of(testbed, labgrid, phone),
                "mac": phone.mac,
                "serial": phone.serial,
                "address": str(phone.address),
            },
        }
        for phone in testbed.phones
    }
    return yaml.safe_dump(groups, sort_keys=False)

"""The testbed's `phone_snmp`: how phones are asked who they are by SNMP."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hil.bench.network import Port
from hil.bench.strict import Strict


class PhoneSnmp(Strict):
    """Phones are asked by SNMPv2c; a run tells them the community (SNMPSTRING) and from where they are asked (SNMPADD)."""

    community_env: str | None = Field(default=None, description="environment variable that holds the community")
    community_file: str | None = Field(default=None, description="file of mode 600 that holds it, relative to this one")
    port: Port = Field(default=161, description="UDP port of the phones")
    timeout: Annotated[float, Field(gt=0, le=60)] = Field(default=1.0, description="wait for one answer [real s]")
    retries: Annotated[int, Field(ge=0, le=10)] = Field(default=1, description="how often a question is asked again")

"""Phones shared by labgrid: the testbed's `labgrid`, and what labgrid calls each phone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from hil.bench.strict import Strict

Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]

RESOURCE = "J100Phone"
"""Class of the resource that a phone is; no driver of labgrid knows it, so it is exported as plain data."""


class Labgrid(Strict):
    """The labgrid coordinator that hands out the phones of many benches, of which this is one."""

    coordinator: Annotated[str, Field(pattern=r"^\S+:\d{1,5}$")] = Field(description="its address and port, host:port")
    pool: Word = Field(default="lab", description="what a run names to have any phone of it")
    pools: Mapping[str, Word] = Field(default={}, description="phones that belong to another pool, by name")
    patience: Annotated[float, Field(gt=0, le=600)] = Field(
        default=30.0, description="the coordinator may be away for so long, as when it starts anew [real s]"
    )

    def pool_of(self, phone: str) -> str:
        """The pool that the phone of that name belongs to."""
        return self.pools.get(phone, self.pool)


def place_of(bench: str, phone: str) -> str:
    """What labgrid calls the place, and the exported group, of a phone."""
    return f"{bench}.{phone}"

"""The private keys of a run's CAs, which open what devices sent to them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hil.scep.authority import Authority

Keys = Sequence[RSAPrivateKey]


def keys_in(folder: Path) -> Keys:
    """The private keys, kept with a run, that open what devices sent to its CAs: the bench's own and each persona's."""
    own = (folder, *sorted(each for each in folder.iterdir() if each.is_dir()))
    return tuple(key for ca in own for key in _keys_of(ca))


@cache
def _keys_of(folder: Path) -> Keys:
    authority = Authority.load(folder)
    return (authority.key,) if authority.ra is None else (authority.key, authority.receiver_key)

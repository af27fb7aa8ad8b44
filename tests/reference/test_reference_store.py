from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from hil.errors import Misuse
from hil.reference.store import CertificateStore, FolderStore, Held, MemoryStore
from hil.scep.authority import self_signed
from hil.scep.names import write_name

NOW = datetime(2026, 6, 1, tzinfo=UTC)
KEY = rsa.generate_private_key(65537, 2048)


def certificate(name: str, slot: int) -> Held:
    issued, above = (self_signed(write_name((("CN", text),)), KEY, NOW) for text in (name, "CA"))
    return Held(slot, f"http://ca/{slot}", issued, KEY, (above,), NOW)


@pytest.fixture(params=["memory", "folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> CertificateStore:
    return MemoryStore() if request.param == "memory" else FolderStore(tmp_path / "flash")


def test_each_slot_holds_one_certificate(store: CertificateStore) -> None:
    for held in (certificate("a", 3), certificate("b", 1), certificate("c", 3)):
        store.install(held)
    assert [(held.slot, held.certificate.subject) for held in store.all()] == [(1, "CN=b"), (3, "CN=c")]
    assert store.held(2) is None


def test_a_deleted_certificate_is_gone_and_may_be_deleted_again(store: CertificateStore) -> None:
    store.install(certificate("a", 2))
    store.delete(2)
    store.delete(2)
    assert store.held(2) is None
    assert store.all() == ()


def test_a_folder_gives_back_what_another_process_would_find(tmp_path: Path) -> None:
    held = certificate("19WZ1234567A", 2)
    FolderStore(tmp_path).install(held)
    found = FolderStore(tmp_path).held(2)
    assert found is not None
    assert (found.url, found.certificate, found.chain, found.installed) == (held.url, held.certificate, held.chain, NOW)
    assert found.key.private_numbers() == KEY.private_numbers()


def test_key_files_are_for_their_owner_only(tmp_path: Path) -> None:
    FolderStore(tmp_path).install(certificate("a", 1))
    assert [stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()] == [0o600]


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"key": 7}', b"[]"])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "slot-1.json").write_bytes(content)
    with pytest.raises(Misuse, match=r"slot-1\.json"):
        FolderStore(tmp_path).held(1)


def test_no_repr_shows_a_key(tmp_path: Path) -> None:
    assert "PrivateKey" not in repr(certificate("a", 1))

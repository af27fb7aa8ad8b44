"""Facts that no document settles, as they are read from exchanges and fetches."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from hil.judge.observation import Observation, RequestFacts
from hil.judge.provisioning import Fetched, ProvisioningFacts
from hil.judge.seen import Where
from hil.judge.verdict import NotObserved
from hil.scep.beside import beside
from hil.scep.csr import Csr, build_csr, read_csr
from hil.secret import Secret

START = datetime(2026, 1, 1, tzinfo=UTC)
ONE, TWO = (rsa.generate_private_key(65537, 2048) for _ in range(2))


def csr(key: rsa.RSAPrivateKey) -> Csr:
    return read_csr(build_csr(key, (("CN", "phone"),), challenge_password=None))


def fetched(path: str, *headers: str, boot: int = 2, since: float = 20.0, own: bool = False) -> Fetched:
    fetch: Any = SimpleNamespace(path=path, headers=headers, user_agent="an agent")
    return Fetched(fetch, boot, Where("boot.pcapng", 3, START), since, own)


def test_provisioning_is_that_of_the_first_boot_and_conditional_in_a_later_one() -> None:
    first = [
        fetched("/J100Supgrade.txt", "host"),
        fetched("/46xxsettings.txt", "accept"),
        fetched("/a.txt", since=21.5, own=True),
    ]
    facts = ProvisioningFacts("j179-1", [*first, fetched("/J100Supgrade.txt", "range", "if-modified-since", boot=3)])
    assert facts.files == ("J100Supgrade.txt", "46xxsettings.txt", "a.txt")
    assert (facts.headers, facts.user_agent) == (("accept", "host"), "an agent")
    assert facts.settings_after_power_on == 21.5
    assert facts.conditional is True


def test_one_boot_says_nothing_of_conditional_requests() -> None:
    with pytest.raises(NotObserved, match="no later boot"):
        _ = ProvisioningFacts("j179-1", [fetched("/J100Supgrade.txt", "if-none-match")]).conditional


def request(transaction: str = "1", began: datetime = START) -> RequestFacts:
    signer = SimpleNamespace(not_before=began)
    message: Any = SimpleNamespace(transaction_id=transaction, csr=csr(ONE), signer=signer)
    return RequestFacts(message, "POST", "sha256", nonce_fresh=True, where=Where("boot.pcapng", 7, START))


@pytest.mark.parametrize("name", ["MD5", "SHA-1", "SHA-256"])
def test_a_transaction_id_tells_what_it_is_made_of(name: str) -> None:
    digest = hashlib.new(name.replace("-", ""), csr(ONE).public_key_der).hexdigest()
    assert request(digest.upper()).transaction_id_origin == f"{name} of the public key"
    assert request("0" * len(digest)).transaction_id_origin == "unknown"


def test_the_signers_certificate_tells_what_time_the_phone_takes_it_for() -> None:
    assert request(began=START - timedelta(days=1)).signer_begins == "now"
    assert request(began=datetime(1970, 1, 1, tzinfo=UTC)).signer_begins == "1970-01"


def asked(boot: int, target: str, **message: Any) -> Any:
    exchange = SimpleNamespace(beside=beside(target, {"x-class": "lab phones"} if boot == 2 else {}), request=None)
    if message:
        exchange.request = SimpleNamespace(csr=read_csr(build_csr(ONE, **message)))
    return SimpleNamespace(boot=boot, exchange=exchange)


def test_a_text_is_found_where_requests_carry_it_and_in_which_boots() -> None:
    seen = [
        asked(2, "/scep?operation=GetCACaps&class=lab%20phones"),
        asked(2, "/scep?operation=PKIOperation", subject=(("OU", "lab phones"), ("CN", "p")), challenge_password=Secret("x")),
        asked(3, "/scep?operation=PKIOperation", subject=(("CN", "p"),), challenge_password=Secret("lab phones")),
        asked(4, "/scep?operation=GetCACaps&message=lab%20phones"),
    ]
    device = Observation("j179-1", 1, seen)
    assert device.carrying("lab phones") == ("CSR attributes", "CSR subject", "header x-class", "query class")
    assert device.carrying("lab phones", after_boot=2) == ("CSR attributes",)
    assert device.carrying("lab phones", after_boot=3) == ("not seen",)

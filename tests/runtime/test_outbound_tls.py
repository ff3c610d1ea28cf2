"""The authorities are read once for all clients of a process, and anew where they have changed."""

import asyncio
from pathlib import Path
from unittest.mock import Mock

import certifi
import httpx
import pytest

from runtime.outbound import Unreachable, _authorities, answer_of, get_json, oauth_client


def refused_get() -> None:
    with pytest.raises(Unreachable):
        asyncio.run(answer_of("GET", "https://127.0.0.1:9/", headers={}, timeout_s=1))


def test_clients_of_a_process_read_the_authorities_once_and_again_when_they_change(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reading = Mock(wraps=httpx.create_ssl_context)
    monkeypatch.setattr("httpx.create_ssl_context", reading)
    whole = Path(certifi.where()).read_text()
    named = tmp_path / "named.pem"
    named.write_text(whole)
    monkeypatch.setenv("SSL_CERT_FILE", str(named))
    for _ in range(3):
        refused_get()
        oauth_client("name", "secret", auth_method="client_secret_post", timeout_s=1)
    assert reading.call_count == 1
    first = whole[: whole.index("-----END CERTIFICATE-----") + 26]
    named.write_text(first)
    refused_get()
    assert reading.call_count == 2
    assert len(_authorities().get_ca_certs()) == 1


def test_what_asks_without_the_environment_believes_httpxs_own_authorities(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    assert len(_authorities(named=False).get_ca_certs()) > 50
    with pytest.raises(Unreachable, match="authorities"):
        _authorities()
    with pytest.raises(Unreachable, match="ConnectError"):
        get_json("https://127.0.0.1:9/", timeout_s=1)

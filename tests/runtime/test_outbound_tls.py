"""The authorities are read once for all clients of a process, and anew where the environment names others."""

import asyncio
from pathlib import Path
from unittest.mock import Mock

import certifi
import httpx
import pytest

from runtime.outbound import Unreachable, answer_of, get_json, oauth_client


def test_clients_of_a_process_read_the_authorities_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reading = Mock(wraps=httpx.create_ssl_context)
    monkeypatch.setattr("httpx.create_ssl_context", reading)
    others = tmp_path / "others.pem"
    others.write_bytes(Path(certifi.where()).read_bytes())
    for file in (str(others), certifi.where()):
        monkeypatch.setenv("SSL_CERT_FILE", file)
        for _ in range(3):
            with pytest.raises(Unreachable):
                get_json("http://127.0.0.1:9/", timeout_s=1)
            with pytest.raises(Unreachable):
                asyncio.run(answer_of("GET", "http://127.0.0.1:9/", headers={}, timeout_s=1))
            oauth_client("name", "secret", auth_method="client_secret_post", timeout_s=1)
    assert reading.call_count == 2

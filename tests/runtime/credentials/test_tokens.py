"""Tokens of Entra and of Google Cloud, and a call that is sent with one."""

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from authlib.jose import JsonWebKey, jwt

from models_registry.backends.backend import UpstreamRequest
from models_registry.signing import EntraSigning, GoogleSigning
from models_registry.target import Deadlines
from runtime.credentials import entra
from runtime.credentials.entra import fetched_token
from runtime.credentials.fresh import Unsigned
from runtime.credentials.google import fetched_token as google_token
from runtime.credentials.signer import Signer
from runtime.upstream.client import HttpUpstream
from schema.errors.upstream import UpstreamUnreachable
from schema.secret import Secret
from tests.fakes.json_server import Asked, json_server

TOKEN = b'{"token_type":"Bearer","expires_in":3599,"access_token":"the-token"}'


def client(authority: str) -> EntraSigning:
    return EntraSigning(
        tenant_id="tenant", client_id="client", client_secret=Secret("s3cret"), authority=authority
    )


def test_a_clients_token_comes_from_its_tenant() -> None:
    with json_server(lambda asked: (200, TOKEN)) as server:
        token, for_s = asyncio.run(fetched_token(client(server.url), {}))
    assert (token, for_s) == ("the-token", 3599.0)
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/tenant/oauth2/v2.0/token")
    assert parse_qs(asked.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["client"],
        "client_secret": ["s3cret"],
        "scope": ["https://cognitiveservices.azure.com/.default"],
    }


def test_a_federated_token_takes_the_place_of_a_secret(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("federated\n")
    with json_server(lambda asked: (200, TOKEN)) as server:
        signing = EntraSigning(tenant_id="t", client_id="c", authority=server.url)
        asyncio.run(fetched_token(signing, {"AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token")}))
    assert parse_qs(server.asked[0].body.decode())["client_assertion"] == ["federated"]


def test_the_machines_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b'{"expires_in":"86399","access_token":"the-token"}'
    with json_server(lambda asked: (200, body)) as server:
        monkeypatch.setattr(entra, "MACHINE", f"{server.url}/metadata")
        assert asyncio.run(fetched_token(EntraSigning(client_id="mine"), {})).for_s == 86399
        app = {"IDENTITY_ENDPOINT": f"{server.url}/msi", "IDENTITY_HEADER": "proof"}
        asyncio.run(fetched_token(EntraSigning(), app))
    machine, service = server.asked
    assert machine.headers["metadata"] == "true"
    query = parse_qs(urlsplit(machine.path).query)
    assert query["resource"] == ["https://cognitiveservices.azure.com"]
    assert query["client_id"] == ["mine"]
    assert service.headers["x-identity-header"] == "proof"


@pytest.mark.parametrize(("status", "body"), [(401, b'{"error":"s3cret"}'), (200, b"{}"), (200, b"<html>")])
def test_a_refusal_is_told_without_secrets(status: int, body: bytes) -> None:
    with json_server(lambda asked: (status, body)) as server, pytest.raises(Unsigned) as caught:
        asyncio.run(fetched_token(client(server.url), {}))
    assert "s3cret" not in str(caught.value)
    assert server.url not in str(caught.value)


def account(token_uri: str) -> tuple[dict[str, Any], Any]:
    """A service account as Google writes it, and its public key."""
    key = JsonWebKey.generate_key("RSA", 2048, is_private=True)
    info = {
        "type": "service_account",
        "project_id": "acme",
        "private_key_id": "k1",
        "private_key": key.as_pem(is_private=True).decode(),
        "client_email": "gateway@acme.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": token_uri,
    }
    return info, key.as_pem(is_private=False)


def test_a_service_account_signs_for_its_token(tmp_path: Path) -> None:
    with json_server(lambda asked: (200, TOKEN)) as server:
        info, public = account(f"{server.url}/token")
        path = tmp_path / "account.json"
        path.write_text(json.dumps(info))
        for given in (json.dumps(info), str(path)):
            token, for_s = asyncio.run(google_token(GoogleSigning(credentials=Secret(given))))
            assert token == "the-token"
            assert 3500 < for_s <= 3599
    for asked in server.asked:
        claims = jwt.decode(parse_qs(asked.body.decode())["assertion"][0], public)
        assert claims["iss"] == "gateway@acme.iam.gserviceaccount.com"
        assert claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"


@pytest.mark.parametrize("given", ["{}", "{", "/does/not/exist", '{"type": "service_account"}'])
def test_an_account_that_is_none_is_told_in_a_word(given: str) -> None:
    with pytest.raises(Unsigned, match="Google gave no token"):
        asyncio.run(google_token(GoogleSigning(credentials=Secret(given))))


def test_a_call_is_sent_with_the_token_or_not_at_all() -> None:
    def answers(asked: Asked) -> tuple[int, bytes]:
        if asked.path.endswith("/token"):
            return next(statuses), TOKEN
        return 200, asked.headers.get("authorization", "").encode()

    async def run(url: str) -> None:
        upstream = HttpUpstream(signer=Signer({}))
        await upstream.start()
        try:
            made = UpstreamRequest(
                url=f"{url}/chat", headers={"api-key": "none"}, body=b"{}", signing=client(url)
            )
            answer = await upstream.open(made, Deadlines())
            assert await answer.read() == b"Bearer the-token"
            other = UpstreamRequest(
                url=f"{url}/chat",
                headers={},
                body=b"{}",
                signing=EntraSigning(tenant_id="t2", client_id="c", client_secret=Secret("x"), authority=url),
            )
            with pytest.raises(UpstreamUnreachable, match="can't be signed: Entra gave no token: status 500"):
                await upstream.open(other, Deadlines())
        finally:
            await upstream.close()

    statuses = iter([200, 500])
    with json_server(answers) as server:
        asyncio.run(run(server.url))

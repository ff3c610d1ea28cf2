"""SCIM over HTTP: a public compliance suite against the gateway, and how fast somebody who left is out."""

from collections import Counter
from collections.abc import Iterator

import httpx
import httpx2
import pytest

from tests.databases import Databases, dsn_of
from tests.e2e.gateway import Gateway, serving

TOKEN = "sk-the-token-of-the-directory"
BEARER = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def gateway(
    postgres_server: str, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    name, folder = databases.take(), tmp_path_factory.mktemp("scim")
    env = {"SWITCHGEAR_SCIM_TOKEN": TOKEN}
    with serving(folder, {}, dsn_of(postgres_server, name), env=env) as running:
        yield running
    databases.give_back(name)


def test_the_compliance_suite_passes(gateway: Gateway) -> None:
    """scim2-tester reads what the gateway publishes of itself, and tries each attribute of it. It is imported
    here: that takes ten seconds among all that the tests have imported."""
    from scim2_client.engines.httpx2 import SyncSCIMClient
    from scim2_tester import Status, check_server

    with httpx2.Client(base_url=f"{gateway.url}/scim/v2", headers=BEARER, timeout=30) as http:
        results = check_server(SyncSCIMClient(http))
    bad = [
        f"{each.status.name} {each.title}: {each.reason}"
        for each in results
        if each.status not in (Status.SUCCESS, Status.SKIPPED, Status.COMPLIANT, Status.ACCEPTABLE)
    ]
    assert not bad, "\n".join(bad)
    assert Counter(each.status for each in results)[Status.SUCCESS] > 50


def test_the_token_opens_scim_alone_and_others_do_not_open_scim(gateway: Gateway) -> None:
    url = gateway.url
    assert httpx.get(f"{url}/scim/v2/Users", headers=BEARER).status_code == 200
    for path in ("/user/list", "/v1/models", "/audit"):
        assert httpx.get(f"{url}{path}", headers=BEARER).status_code == 403, path
    assert httpx.get(f"{url}/scim/v2/Users").status_code == 401
    plain = gateway.virtual_key("plain")
    refused = httpx.get(f"{url}/scim/v2/Users", headers={"authorization": f"Bearer {plain}"})
    assert (refused.status_code, refused.json()["schemas"]) == (
        403,
        ["urn:ietf:params:scim:api:messages:2.0:Error"],
    )
    assert gateway.post("/user/new", user_id="chief", user_role="proxy_admin").status_code == 200
    own = gateway.virtual_key("directory", user_id="chief", allowed_routes=["/scim/*"])
    assert httpx.get(f"{url}/scim/v2/Users", headers={"authorization": f"Bearer {own}"}).status_code == 200
    assert httpx.get(f"{url}/user/list", headers={"authorization": f"Bearer {own}"}).status_code == 403


def test_broken_json_is_an_error_of_scim(gateway: Gateway) -> None:
    for body in (b"", b"{", b"[]", b"\xff", b'{"a": 1, "a": 2}'):
        answer = httpx.post(f"{gateway.url}/scim/v2/Users", content=body, headers=BEARER)
        assert answer.status_code == 400, answer.text
        assert answer.headers["content-type"] == "application/scim+json"
        assert answer.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
        assert answer.json()["status"] == "400"

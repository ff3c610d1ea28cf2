"""Settings of the response cache that change while the gateway serves, at four workers."""

from pathlib import Path

import httpx

from tests.e2e.conftest import SALT_KEY
from tests.e2e.gateway import Gateway, serving, until
from tests.e2e.test_live_registry import call, entry
from tests.fakes.hostile_upstream import HostileUpstream

ENV = {"SWITCHGEAR_SALT_KEY": SALT_KEY}
ASKED = 24
"""So many questions on connections of their own reach each of four workers, as a rule. One worker that is
awake may take them all: what holds at all of them is waited for."""
KEPT_BY = "x-litellm-cache-key"


def types(gateway: Gateway) -> set[str]:
    """The type of the cache, as workers tell it."""
    answers = (gateway.get("/cache/settings") for _ in range(ASKED))
    return {answer.json()["current_values"]["type"] for answer in answers}


def hits(gateway: Gateway) -> list[bool]:
    answers: list[httpx.Response] = [call(gateway, "m") for _ in range(ASKED)]
    assert {answer.status_code for answer in answers} == {200}
    return [KEPT_BY in answer.headers for answer in answers]


def test_settings_by_the_api_are_in_force_at_all_workers_and_after_a_restart(
    postgres_dsn: str, upstream: HostileUpstream, tmp_path: Path
) -> None:
    config = {"model_list": [entry("m", upstream)]}
    with serving(tmp_path, config, postgres_dsn, "--workers", "4", env=ENV) as gateway:
        assert types(gateway) == {"off"}
        assert not any(hits(gateway))
        told = gateway.post("/cache/settings", cache_settings={"type": "postgres", "ttl": 300})
        assert told.status_code == 200, told.text
        until(lambda: types(gateway) == {"postgres"}, what="the cache at all workers")
        until(lambda: all(hits(gateway)), what="hits at all workers")
        refused = gateway.post("/cache/settings", cache_settings={"type": "postgres", "ttl": -1})
        assert refused.status_code == 400, refused.text
        assert types(gateway) == {"postgres"}
        tried = gateway.post("/cache/settings/test", cache_settings={"type": "postgres"}).json()
        assert (tried["status"], tried["error"]) == ("success", None)
        key = gateway.virtual_key("nobody")
        for path in ("/cache/settings", "/cache/settings/test"):
            assert gateway.post(path, key=key, cache_settings={"type": "off"}).status_code == 403
    (tmp_path / "again").mkdir()
    with serving(tmp_path / "again", config, postgres_dsn, "--workers", "2", env=ENV) as again:
        assert types(again) == {"postgres"}
        until(lambda: all(hits(again)), what="hits after a restart")
        assert again.post("/cache/settings", cache_settings={"type": "off"}).status_code == 200
        until(lambda: types(again) == {"off"}, what="no cache at all workers")
        until(lambda: not any(hits(again)), what="no hits at all workers")

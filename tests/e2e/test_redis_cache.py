"""What people of LiteLLM's proxy met with Redis and with settings at run time, tried on a running gateway."""

import asyncio
import signal
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from models_registry.config.redis_place import RedisPlace
from schema.secret import Secret
from tests.e2e.conftest import SALT_KEY
from tests.e2e.gateway import Gateway, query, serving, until
from tests.e2e.test_live_registry import call, entry
from tests.fakes.hostile_upstream import HostileUpstream
from tests.fakes.redis_server import running_redis

ENV = {"SWITCHGEAR_SALT_KEY": SALT_KEY}
KEPT_BY = "x-litellm-cache-key"
AS_TEXT = """
    UPDATE "LiteLLM_Config" SET param_value = to_jsonb('{"num_retries": 3}'::text)
    WHERE param_name = 'router_settings'
"""
"""The statement that stores the settings as LiteLLM sometimes does: an object in a text."""
PASSWORD = Secret("p@ss:w/rd of redis")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "redis"
    found.mkdir()
    return found


def is_hit(gateway: Gateway) -> bool:
    answer = call(gateway, "m")
    assert answer.status_code == 200, answer.text
    return KEPT_BY in answer.headers


def cached(params: Mapping[str, Any], upstream: HostileUpstream) -> dict[str, Any]:
    return {
        "model_list": [entry("m", upstream)],
        "litellm_settings": {"cache": True, "cache_params": {"type": "redis", **params}},
    }


def test_words_of_a_config_that_mean_no_password_and_no_tls_connect(
    postgres_dsn: str, upstream: HostileUpstream, tmp_path: Path, folder: Path
) -> None:
    """BerriAI/litellm issues 1853 and 17320: an empty password, a port as text, `ssl: false` by hand or by a
    variable."""
    with running_redis(folder, None) as (place, _):
        env = {**ENV, "OUR_PORT": str(place.port), "OUR_SSL": "false", "OUR_PASSWORD": ""}
        by_hand = {"host": place.host, "port": str(place.port), "password": "", "ssl": False}
        names = {"port": "os.environ/OUR_PORT", "ssl": "os.environ/OUR_SSL"}
        by_name = {"host": place.host, "password": "os.environ/OUR_PASSWORD", **names}
        ways: tuple[dict[str, Any], ...] = (by_hand, by_name)
        for number, params in enumerate(ways):
            config, home = cached(params, upstream), tmp_path / str(number)
            home.mkdir()
            with serving(home, config, postgres_dsn, "--workers", "1", env=env) as gateway:
                told = gateway.get("/cache/ping")
                assert told.status_code == 200, told.text
                until(partial(is_hit, gateway), what="a hit")


def test_no_answer_of_the_gateway_shows_the_password_of_redis(
    postgres_dsn: str, upstream: HostileUpstream, tmp_path: Path, folder: Path
) -> None:
    """BerriAI/litellm issue 2730: `/cache/ping` answers with it."""
    with running_redis(folder, PASSWORD) as (place, _):
        params = {"host": place.host, "port": place.port, "password": PASSWORD.reveal()}
        with serving(tmp_path, cached(params, upstream), postgres_dsn, env=ENV) as gateway:
            until(lambda: is_hit(gateway), what="a hit")
            for path in ("/cache/ping", "/cache/settings"):
                told = gateway.get(path)
                assert told.status_code == 200, told.text
                assert "redis" in told.text
                assert PASSWORD.reveal() not in told.text
            assert PASSWORD.reveal() not in gateway.process.log()


def test_a_redis_that_hangs_hinders_no_call(
    postgres_dsn: str, upstream: HostileUpstream, tmp_path: Path, folder: Path
) -> None:
    """BerriAI/litellm pull request 35273: with a `url`, each request hung while Redis did."""
    with running_redis(folder, None) as (place, process):
        config = cached({"url": f"redis://{place.host}:{place.port}/0"}, upstream)
        with serving(tmp_path, config, postgres_dsn, "--workers", "1", env=ENV) as gateway:
            until(lambda: is_hit(gateway), what="a hit")
            process.send_signal(signal.SIGSTOP)
            try:
                for number in range(20):
                    answer = gateway.post(
                        "/v1/chat/completions",
                        model="m",
                        messages=[{"role": "user", "content": f"question {number}"}],
                    )
                    assert answer.status_code == 200, answer.text
                    assert KEPT_BY not in answer.headers
                assert gateway.get("/cache/ping").status_code == 503
            finally:
                process.send_signal(signal.SIGCONT)
            until(lambda: gateway.get("/cache/ping").status_code == 200, what="Redis")


def test_a_stored_redis_whose_name_leads_home_or_elsewhere_is_judged_when_it_is_tried(
    postgres_dsn: str, upstream: HostileUpstream, tmp_path: Path, folder: Path
) -> None:
    with running_redis(folder, None) as (place, _):
        config = {"model_list": [entry("m", upstream)]}
        with serving(tmp_path, config, postgres_dsn, env=ENV) as gateway:
            home = RedisPlace(host="localhost", port=place.port)
            tried = gateway.post("/cache/settings/test", cache_settings=_settings(home)).json()
            assert (tried["status"], tried["error"]) == ("success", None)
            away = gateway.post("/cache/settings/test", cache_settings=_settings(home) | {"host": "0.0.0.0"})
            assert away.status_code == 400, away.text
            assert "never asked" in away.text


def _settings(place: RedisPlace) -> dict[str, object]:
    return {"type": "redis", "host": place.host, "port": place.port}


def test_settings_of_the_router_are_in_force_or_refused_and_an_empty_list_is_one(
    postgres_dsn: str, upstream: HostileUpstream, tmp_path: Path
) -> None:
    """BerriAI/litellm issues 37301 and 31836, pull request 38406: `max_fallbacks` was taken and dropped, a
    row that is a text was skipped without a word, and an empty list of fallbacks came and went."""
    names = ("m", "n")
    config = {
        "model_list": [entry(name, upstream) for name in names],
        "litellm_settings": {"fallbacks": [{"m": ["n"]}]},
    }
    with serving(tmp_path, config, postgres_dsn, "--workers", "1", env=ENV) as gateway:
        told = gateway.post("/config/update", router_settings={"max_fallbacks": 10})
        assert told.status_code == 200, told.text
        assert values(gateway)["max_fallbacks"] == 10
        refused = gateway.post("/config/update", router_settings={"max_fallback": 10})
        assert refused.status_code == 400, refused.text
        assert "max_fallback" in refused.text
        assert gateway.get("/fallback/m").json()["fallback_models"] == ["n"]
        assert gateway.post("/config/update", router_settings={"fallbacks": []}).status_code == 200
        assert gateway.get("/fallback/m").status_code == 404
        assert gateway.post("/config/update", router_settings={"fallbacks": None}).status_code == 200
        assert gateway.get("/fallback/m").json()["fallback_models"] == ["n"]
        asyncio.run(query(gateway.dsn, AS_TEXT))
        until(lambda: gateway.get("/config/hosts").json()["settings_refused"] != [], what="the row of a text")
        (said,) = gateway.get("/config/hosts").json()["settings_refused"]
        assert said == "router_settings: expected an object"


def values(gateway: Gateway) -> dict[str, object]:
    found: dict[str, object] = gateway.get("/router/settings").json()["current_values"]
    return found

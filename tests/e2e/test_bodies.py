"""Prompts and answers on their way from the call to the table and back, and their end with their month."""

import asyncio
from pathlib import Path
from typing import Any

from tests.e2e.conftest import config_for
from tests.e2e.gateway import Gateway, query, serving, until
from tests.fakes.hostile_upstream import HostileUpstream

SECRET = "sk-nobody-is-to-read-this-0123456789"


def ask(gateway: Gateway, key: str, *, stream: bool) -> str:
    """The call's id."""
    messages = [{"role": "user", "content": f"hello, {SECRET}"}]
    answer = gateway.post(
        "/v1/chat/completions", key=key, model="hostile/ok", messages=messages, stream=stream
    )
    assert answer.status_code == 200, answer.text
    return str(answer.headers["x-litellm-call-id"])


def detail(gateway: Gateway, call_id: str, key: str | None = None) -> Any:
    found: dict[str, Any] = {}

    def is_there() -> bool:
        answer = gateway.get(f"/spend/logs/ui/{call_id}", key=key)
        found.clear()
        found.update(answer.json() if answer.status_code == 200 else {})
        return bool(found.get("response"))

    until(is_there, 15.0, what=f"the bodies of {call_id}")
    return found


def test_a_team_that_switched_it_on_and_nobody_else(
    postgres_dsn: str, upstream: HostileUpstream, tmp_path: Path
) -> None:
    config = config_for(upstream.url)
    with serving(tmp_path, config, postgres_dsn) as gateway:
        gateway.post("/team/new", team_id="on", store_prompts_in_spend_logs=True)
        on, off = gateway.virtual_key("on", team_id="on"), gateway.virtual_key("off")
        other = ask(gateway, off, stream=False)
        for stream in (False, True):
            call_id = ask(gateway, on, stream=stream)
            found = detail(gateway, call_id, key=on)
            assert found["messages"] == [{"role": "user", "content": "hello, [redacted]"}]
            assert found["response"]["choices"][0]["message"]["content"]
            assert found["response"]["object"] == "chat.completion"
            assert gateway.get(f"/spend/logs/ui/{call_id}", key=off).status_code == 404
        gateway.rows(count=3)
        assert gateway.get(f"/spend/logs/ui/{other}", key=off).json()["response"] == {}
        gateway.post("/team/update", team_id="on", store_prompts_in_spend_logs=False)
        until(lambda: _is_quiet(gateway, on), 10.0, what="the switch")
    stored = asyncio.run(query(postgres_dsn, 'SELECT request || response AS text FROM "Switchgear_Bodies"'))
    assert len(stored) >= 2
    assert not any(SECRET in row["text"] for row in stored)


def _is_quiet(gateway: Gateway, key: str) -> bool:
    """Does a call leave no bodies? Its row is there, and they would be."""
    call_id = ask(gateway, key, stream=False)
    until(lambda: gateway.get(f"/spend/logs/ui/{call_id}").status_code == 200, 15.0, what="the row")
    asyncio.run(query(gateway.dsn, "SELECT pg_sleep(1.0)"))
    found: object = gateway.get(f"/spend/logs/ui/{call_id}").json()["response"]
    return found == {}


def test_the_config_switches_it_on_for_all_and_retention_takes_it_away(
    postgres_dsn: str, upstream: HostileUpstream, tmp_path: Path
) -> None:
    config = config_for(upstream.url) | {
        "general_settings": {
            "store_prompts_in_spend_logs": True,
            "maximum_spend_logs_retention_period": "30d",
        }
    }
    month = "PARTITION OF \"{0}\" FOR VALUES FROM ('2025-01-01') TO ('2025-02-01')"
    for table in ("LiteLLM_SpendLogs", "Switchgear_Bodies"):
        asyncio.run(query(postgres_dsn, f'CREATE TABLE "{table}_2025_01" ' + month.format(table)))

    def months() -> set[str]:
        rows = asyncio.run(
            query(postgres_dsn, r"SELECT relname::text AS name FROM pg_class WHERE relname ~ '_2025_01$'")
        )
        return {row["name"] for row in rows}

    assert len(months()) == 2
    with serving(tmp_path, config, postgres_dsn, "--workers", "2") as gateway:
        call_id = ask(gateway, gateway.key, stream=True)
        assert detail(gateway, call_id)["request_truncated"] is False
        until(lambda: not months(), 30.0, what="retention")
        assert detail(gateway, call_id)["messages"]

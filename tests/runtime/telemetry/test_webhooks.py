"""Where alerts go, and how they look there."""

import asyncio
import http.server
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import msgspec
import pytest

from models_registry.config.reader import read_config
from runtime.blueprint import check
from runtime.outbound import Unreachable, post_json
from runtime.telemetry.webhooks import Style, body_of, webhooks_of
from schema.alerts import AlertRecord
from tests.fakes import in_thread

MOMENT = datetime(2026, 11, 29, 12, tzinfo=UTC)
ALERT = AlertRecord(
    id="a-1",
    kind="budget_95",
    object="team:<!channel>",
    message="team:<!channel> has spent $95 of $100.",
    host="h",
    first_at=MOMENT,
    last_at=MOMENT,
)


def test_slack_gets_a_text_in_which_nobodys_name_is_markup() -> None:
    body = msgspec.json.encode(body_of(Style.SLACK, ALERT)).decode()
    assert "budget_95" in body
    assert "<" not in body
    assert "team:&lt;!channel&gt;" in body


def test_teams_gets_a_card_and_others_the_fields() -> None:
    card = msgspec.json.decode(msgspec.json.encode(body_of(Style.TEAMS, ALERT)))
    (attachment,) = card["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert ALERT.message in [block["text"] for block in attachment["content"]["body"]]
    generic = msgspec.json.decode(msgspec.json.encode(body_of(Style.GENERIC, ALERT)))
    assert generic["event"] == "budget_95"
    assert generic["first_at"] == "2026-11-29T12:00:00Z"


def test_the_config_names_the_places_and_the_environment_has_their_addresses() -> None:
    env = {"SLACK_WEBHOOK_URL": "https://hooks.example/s", "WEBHOOK_URL": "https://hooks.example/w"}
    config = read_config({"general_settings": {"alerting": ["slack", "webhook"]}}, env)
    found, warnings = webhooks_of(config)
    assert [each.style for each in found] == [Style.SLACK, Style.GENERIC]
    assert warnings == ()
    assert "hooks.example" not in repr(found)


@pytest.mark.parametrize(
    ("alerting", "env", "said"),
    [
        (["email"], {}, "alerting[0]: 'email' is told of no alert; known are slack, ms_teams, webhook"),
        (["slack"], {}, "SLACK_WEBHOOK_URL"),
        (["ms_teams"], {"MS_TEAMS_WEBHOOK_URL": "file:///etc/passwd"}, "MS_TEAMS_WEBHOOK_URL"),
        (["webhook"], {"WEBHOOK_URL": "http://127.0.0.1:99999/x"}, "its port is not one of 1 to 65535"),
        (["webhook"], {"WEBHOOK_URL": "http://127.0.0.1:0/x"}, "its port is not one of 1 to 65535"),
        (["webhook"], {"WEBHOOK_URL": "https:///x"}, "it has no host"),
        (["slack"], {"SLACK_WEBHOOK_URL": "https://hook.example/\ud800"}, "it is no address"),
        (["slack"], {"SLACK_WEBHOOK_URL": "https://[/x"}, "it is no address"),
        (["slack"], {"SLACK_WEBHOOK_URL": "https://hook.example:port/x"}, "it is no address"),
    ],
)
def test_a_place_that_can_not_be_told_is_named_and_the_server_starts(
    alerting: list[str], env: dict[str, str], said: str
) -> None:
    document = {"general_settings": {"alerting": alerting}}
    found, warnings = webhooks_of(read_config(document, env))
    assert found == ()
    assert len(warnings) == 1
    assert said in warnings[0]
    checked = check(document, env)
    assert checked.errors == ()
    assert warnings[0] in checked.warnings


@contextmanager
def answering(status: int) -> Iterator[tuple[str, list[bytes]]]:
    """A server on loopback that answers every POST so; the bodies it got."""
    got: list[bytes] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(status)
            self.send_header("location", "http://127.0.0.1:1/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with in_thread.answering(server):
        yield f"http://127.0.0.1:{server.server_port}/hook-with-a-secret", got


def test_a_document_is_posted() -> None:
    with answering(204) as (url, got):
        asyncio.run(post_json(url, {"a": 1}, 5.0))
    assert got == [b'{"a":1}']


@pytest.mark.parametrize("status", [302, 404, 500])
def test_what_is_no_success_is_said_without_the_address(status: int) -> None:
    with answering(status) as (url, _), pytest.raises(Unreachable, match=f"status {status}") as caught:
        asyncio.run(post_json(url, {}, 5.0))
    assert "secret" not in str(caught.value)


def test_a_proxy_that_webhooks_can_not_use_is_named() -> None:
    env = {"SLACK_WEBHOOK_URL": "https://hooks.example/s", "ALL_PROXY": "socks5://127.0.0.1:1080"}
    _, warnings = webhooks_of(read_config({"general_settings": {"alerting": ["slack"]}}, env))
    assert [warning.split(",")[0] for warning in warnings] == [
        "general_settings.alerting: ALL_PROXY is a SOCKS proxy"
    ]


def test_a_proxy_that_breaks_the_client_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    with pytest.raises(Unreachable):
        asyncio.run(post_json("https://hooks.example/hook-with-a-secret", {}, 2.0))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/hook-with-a-secret",
        "http://[/hook-with-a-secret",
        "http://127.0.0.1:99999/hook-with-a-secret",
        "http://127.0.0.1:1/hook-with-a-secret\ud800",
    ],
)
def test_an_address_that_nobody_answers_is_not_told(url: str) -> None:
    with pytest.raises(Unreachable) as caught:
        asyncio.run(post_json(url, {}, 2.0))
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None

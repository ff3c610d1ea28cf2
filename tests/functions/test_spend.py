"""The log page: which rows fit, in which order, page after page; single calls; files; who has spent the
most."""

import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from functions import bodies, keys, spend, teams, users
from schema.errors.base import GatewayError
from schema.errors.overload import DatabaseUnavailable
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound
from schema.ledger.rows import Outcome, SpendRow
from schema.log_page import LogFilter, LogPlace, cursor_of
from tests.functions.governed import Body, House, found, in_house
from tests.functions.reported import MONTH, book, row_at, text_of
from tests.functions.test_audit import served

FAILED: dict[str, Any] = {"outcome": Outcome.FAILED, "http_status": 502, "error_class": "UpstreamCut"}
ROWS = (
    row_at(1, key_hash="b" * 64, user_id="bob", team_id="blue", organization_id="acme", cost_nano=10**9),
    row_at(2, end_user="eve", session_id="s1", tags=("t", "u"), cost_nano=2 * 10**9),
    row_at(
        3,
        model="claude-x",
        model_group="claude",
        model_id="d2",
        duration_ms=9_000,
        cost_nano=0,
        response_id="chatcmpl-3",
    ),
    row_at(4, 21, **FAILED, error_message="It broke: 50% off_ered"),
    row_at(5, 21, outcome=Outcome.REFUSED, http_status=429, error_class="RateLimited", error_message="No"),
    row_at(6, 22, call_id="theirs", prompt_tokens=7_000, session_id="s1"),
)


CURSOR = cursor_of(LogPlace(ROWS[0].started_at, "req-1"))


async def ids(house: House, **query: object) -> str:
    page = await house.call(spend.log_page, {**MONTH, **query})
    return "".join(row.request_id.removeprefix("req-") for row in page.data)


def test_rows_are_filtered(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await book(house, *ROWS)
        made = await house.call(keys.generate, {"key_alias": "old"})
        await book(house, row_at(7, 23, key_hash=made.token))
        await house.call(keys.delete, {"keys": [made.key]})
        for query, wanted in found(
            ({}, "7654321"),
            ({"sort_order": "asc"}, "1234567"),
            ({"start_date": "2026-11-21", "end_date": "2026-11-22"}, "654"),
            ({"start_date": "2026-11-20 12:00:02", "end_date": "2026-11-20 12:00:02"}, "2"),
            ({"api_key": "b" * 64}, "1"),
            ({"api_key": made.key}, "7"),
            ({"key_alias": "old"}, "7"),
            ({"key_alias": "nobody's"}, ""),
            ({"user_id": "bob"}, "1"),
            ({"team_id": "blue"}, "1"),
            ({"team_id": "red", "user_id": "bob"}, ""),
            ({"organization_id": "acme"}, "1"),
            ({"end_user": "eve"}, "2"),
            ({"request_id": "req-3"}, "3"),
            ({"request_id": "chatcmpl-3"}, "3"),
            ({"request_id": "theirs"}, "6"),
            ({"session_id": "s1"}, "62"),
            ({"model": "claude-x"}, "3"),
            ({"model_group": "claude"}, "3"),
            ({"model_id": "d2"}, "3"),
            ({"tag": "u"}, "2"),
            ({"tag": "none"}, ""),
            ({"min_spend": "1"}, "21"),
            ({"max_spend": "0"}, "3"),
            ({"min_spend": "1", "max_spend": "1.5"}, "1"),
            ({"status_filter": "success"}, "76321"),
            ({"status_filter": "failure"}, "54"),
            ({"cache_hit_filter": "hit"}, ""),
            ({"cache_hit_filter": "miss", "user_id": "bob"}, "1"),
            ({"error_code": "429"}, "5"),
            ({"error_code": "UpstreamCut"}, "4"),
            ({"error_message": "50% OFF_"}, "4"),
            ({"error_message": "5%k"}, ""),
            ({"search": "theirs"}, "6"),
            ({"search": "req-4"}, "4"),
            ({"search": "chatcmpl-3"}, "3"),
            ({"search": "s1"}, "62"),
        ):
            assert await ids(house, **query) == wanted, query
            page = await house.call(spend.log_page, {**MONTH, **query})
            assert (page.total, page.total_is) == (len(wanted), "exact"), query

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("sort_by", "wanted"),
    [("startTime", "654321"), ("endTime", "654321"), ("spend", "216543"), ("total_tokens", "654321"),
     ("request_duration_ms", "365421"), ("model", "654213"), ("ttft_ms", "654321")],
)  # fmt: skip
def test_rows_are_sorted(postgres_dsn: str, sort_by: str, wanted: str) -> None:
    """Ties in the order of time."""

    async def scenario(house: House) -> None:
        await book(house, *ROWS)
        assert await ids(house, sort_by=sort_by) == wanted
        in_order = await ids(house, sort_by=sort_by, sort_order="asc")
        assert in_order == wanted[::-1] or sort_by == "ttft_ms"

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_cursors_lead_through_every_row_once_while_others_come_in(postgres_dsn: str, order: str) -> None:
    rows = [row_at(0, request_id=f"req-{n}", call_id=f"req-{n}") for n in range(10, 32)]
    rows += [row_at(n, 21) for n in range(40, 45)]

    async def scenario(house: House) -> None:
        await book(house, *rows)
        seen: list[str] = []
        query: Body = {**MONTH, "page_size": 4, "sort_order": order}
        number = 0
        while True:
            page = await house.call(spend.log_page, query)
            seen += [row.request_id for row in page.data]
            if page.next_cursor is None:
                break
            query["cursor"] = page.next_cursor
            number += 1
            day = 22 if order == "desc" else 19
            await book(house, row_at(number, day, request_id=f"late-{number}"))
        wanted = sorted(rows, key=lambda row: (row.started_at, row.request_id), reverse=order == "desc")
        assert seen == [row.request_id for row in wanted]

    in_house(postgres_dsn, scenario)


def test_pages_by_number_say_how_many_there_are(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await book(house, *ROWS)
        page = await house.call(spend.log_page, {**MONTH, "page": 2, "page_size": 4})
        assert [row.request_id for row in page.data] == ["req-2", "req-1"]
        assert (page.total, page.page, page.page_size, page.total_pages) == (6, 2, 4, 2)
        assert page.next_cursor is None
        assert (await house.call(spend.log_page, {**MONTH, "page": 3, "page_size": 4})).data == []
        by_spend = await house.call(spend.log_page, {**MONTH, "page_size": 4, "sort_by": "spend"})
        assert by_spend.next_cursor is None, "a cursor is a place in time"

    in_house(postgres_dsn, scenario)


def test_what_is_too_much_to_count_is_said_to_be(postgres_dsn: str) -> None:
    rows = [row_at(n, 20 + n % 2, **(FAILED if n % 100 == 0 else {})) for n in range(10_020)]

    async def scenario(house: House) -> None:
        await book(house, *rows)

        async def total(**query: object) -> tuple[int, str, int]:
            page = await house.call(spend.log_page, {**MONTH, "page_size": 1000, **query})
            return page.total, page.total_is, page.total_pages

        assert await total() == (10_020, "rollups", 11)
        assert await total(team_id="red", user_id="alice", model_group="gpt-4") == (10_020, "rollups", 11)
        assert await total(start_date="2026-11-20 00:00:00") == (10_001, "at_least", 11)
        assert await total(model_id="deployment-1") == (10_001, "at_least", 11)
        assert await total(status_filter="failure") == (101, "exact", 1)
        assert await total(end_date="2026-11-20") == (5_010, "exact", 6)
        with pytest.raises(InvalidRequest) as refused:
            await total(page=12)
        assert refused.value.param == "page"
        by_tokens = await house.call(spend.log_page, {**MONTH, "sort_by": "total_tokens"})
        assert len(by_tokens.data) == 50, "so many are still sorted"

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/spend/logs/v2", 400, "start_date"),
        ("/spend/logs/v2?start_date=2026-11-01", 400, "end_date"),
        ("/spend/logs/v2?start_date=yesterday&end_date=2026-11-02", 400, "start_date"),
        ("/spend/logs/v2?start_date=2026-11-02&end_date=2026-11-01", 400, "end_date"),
        ("/spend/logs/v2?request_id=x&page_size=0", 400, "page_size"),
        ("/spend/logs/v2?request_id=x&page_size=1001", 400, "page_size"),
        ("/spend/logs/v2?request_id=x&page_size=many", 400, "page_size"),
        ("/spend/logs/v2?request_id=x&page=0", 400, "page"),
        ("/spend/logs/v2?request_id=x&page=1000", 400, "page"),
        ("/spend/logs/v2?request_id=x&cursor=abc", 400, "cursor"),
        ("/spend/logs/v2?request_id=x&cursor=%C3%BC", 400, "cursor"),
        (f"/spend/logs/v2?request_id=x&cursor={CURSOR}&page=2", 400, "cursor"),
        (f"/spend/logs/v2?request_id=x&cursor={CURSOR}&sort_by=spend", 400, "cursor"),
        ("/spend/logs/v2?request_id=x&sort_by=api_key", 400, "sort_by"),
        ("/spend/logs/v2?request_id=x&sort_order=up", 400, "sort_order"),
        ("/spend/logs/v2?request_id=x&min_spend=much", 400, "min_spend"),
        ("/spend/logs/v2?request_id=x&min_spend=NaN", 400, "min_spend"),
        ("/spend/logs/v2?request_id=x&status_filter=ok", 400, "status_filter"),
        ("/spend/logs/v2?request_id=x&span_type=agent", 400, "span_type"),
        (f"/spend/logs/v2?request_id=x&group_by_session=true&cursor={CURSOR}", 400, "cursor"),
        ("/spend/logs/v2?request_id=x&group_by_session=maybe", 400, "group_by_session"),
        ("/spend/logs/v2?request_id=x&teamid=red", 400, "teamid"),
        ("/spend/logs/export?format=xml", 400, "format"),
        ("/spend/logs/export?start_date=2026-11-01", 400, "end_date"),
        ("/spend/logs/export?start_date=2026-13-01&end_date=2026-13-01", 400, "start_date"),
        ("/spend/logs/ui/nothing", 404, "request_id"),
        ("/spend/logs?limit=0", 400, "limit"),
        ("/spend/logs?start_date=x&end_date=2026-11-01", 400, "start_date"),
        ("/spend/keys?limit=0", 400, "limit"),
        ("/spend/keys?limit=1001", 400, "limit"),
        ("/spend/users?limit=-1", 400, "limit"),
        ("/spend/teams?top=1", 400, "top"),
        ("/spend/tags?start_date=x", 400, "start_date"),
    ],
)
def test_what_can_not_be_asked_is_refused_by_name(
    postgres_dsn: str, path: str, status: int, says: str
) -> None:
    async def scenario(house: House) -> None:
        async with served(house) as client:
            reply = await client.get(path)
        assert reply.status_code == status, reply.text
        error = reply.json()["error"]
        assert error["param"] == says or f"unknown field `{says}`" in error["message"]

    in_house(postgres_dsn, scenario)


def test_one_call_is_shown(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await book(house, *ROWS)
        row = await house.call(bodies.show, {"request_id": "req-2"})
        assert (row.end_user, row.request_tags, row.session_id) == ("eve", ("t", "u"), "s1")
        assert row.spend == Decimal(2)
        with pytest.raises(NotFound):
            await house.call(bodies.show, {"request_id": "req-2", "start_date": "2026-11-21"})

    in_house(postgres_dsn, scenario)


def test_a_page_has_the_dollars_of_the_table_to_the_last_digit(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await book(house, row_at(1, cost_nano=12_345_678_901_234_567), row_at(2, cost_nano=1))
        async with served(house) as client:
            text = (await client.get("/spend/logs/ui", params={**MONTH, "sort_order": "asc"})).text
        dear, cheap = json.loads(text, parse_float=Decimal)["data"]
        assert (dear["spend"], cheap["spend"]) == (Decimal("12345678.901234567"), Decimal("0.000000001"))

    in_house(postgres_dsn, scenario)


def test_everything_is_exported_as_json_lines_and_csv(postgres_dsn: str) -> None:
    rows = [row_at(n, 1 + n % 20, cost_nano=n) for n in range(2_000, 4_100)]

    async def scenario(house: House) -> None:
        await book(
            house, *rows, row_at(1, 30, error_message="=cmd()", tags=("a", "b"), cost_nano=1, **FAILED)
        )
        wanted = [row.request_id for row in sorted(rows, key=lambda row: row.started_at)]
        download = await house.call(spend.export, MONTH)
        assert (download.media_type, download.filename) == ("application/jsonl", "spend.jsonl")
        lines = [
            json.loads(line, parse_float=Decimal) for line in (await text_of(download.pieces())).splitlines()
        ]
        assert [line["request_id"] for line in lines] == [*wanted, "req-1"]
        assert sum(line["spend"] for line in lines) == Decimal(sum(row.cost_nano for row in rows) + 1).scaleb(
            -9
        )
        download = await house.call(spend.export, {**MONTH, "format": "csv", "start_date": "2026-11-30"})
        (row,) = csv.DictReader(io.StringIO(await text_of(download.pieces())))
        assert (row["error_message"], row["request_tags"]) == ("'=cmd()", '["a","b"]')
        assert (row["spend"], row["startTime"]) == ("0.000000001", "2026-11-30T12:00:01Z")

    in_house(postgres_dsn, scenario)


def test_a_file_of_nothing_has_its_header(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        file = await text_of((await house.call(spend.export, {**MONTH, "format": "csv"})).pieces())
        assert file.startswith("request_id,call_type,api_key,spend,")
        assert len(file.splitlines()) == 1

    in_house(postgres_dsn, scenario)


def test_an_export_is_read_while_it_is_sent_and_cut_where_it_breaks(postgres_dsn: str) -> None:
    class Breaking:
        given = 0

        async def everything(self, query: LogFilter, *, scope: object) -> AsyncIterator[SpendRow]:
            for number in range(3):
                self.given += 1
                yield row_at(number)
            raise DatabaseUnavailable("gone")

    async def scenario(house: House) -> None:
        log = Breaking()
        house.give(log=log)
        pieces = (await house.call(spend.export, MONTH)).pieces()
        assert log.given == 1, "what can fail with a status did, the rest waits"
        await anext(pieces)
        await anext(pieces)
        assert log.given == 2, "a row is read when it is sent"
        await anext(pieces)
        with pytest.raises(GatewayError):
            await anext(pieces)

    in_house(postgres_dsn, scenario)


def test_those_who_have_spent_the_most_come_first(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        hashes = {}
        for name, cost_nano in (("a", 2), ("b", 3), ("c", 1)):
            await house.call(users.new, {"user_id": f"u{name}", "auto_create_key": False})
            await house.call(teams.new, {"team_id": f"t{name}"})
            made = await house.call(
                keys.generate, {"key_alias": name, "user_id": f"u{name}", "team_id": f"t{name}"}
            )
            hashes[name] = made.token
            await book(house, row_at(cost_nano, key_hash=made.token, user_id=f"u{name}", team_id=f"t{name}",
                                     cost_nano=cost_nano, tags=(f"tag-{name}", "all")))  # fmt: skip
        by_key = await house.call(spend.keys, {"limit": 2})
        assert [(key.key_alias, key.spend) for key in by_key] == [
            ("b", Decimal("3E-9")),
            ("a", Decimal("2E-9")),
        ]
        assert [user.user_id for user in await house.call(spend.users, {"limit": 3})] == ["ub", "ua", "uc"]
        assert [user.user_id for user in await house.call(spend.users, {"user_id": "uc"})] == ["uc"]
        assert [team.team_id for team in await house.call(spend.teams, {})] == ["tb", "ta", "tc"]
        tags = await house.call(spend.tags, {})
        assert [(tag.individual_request_tag, tag.log_count, tag.total_spend) for tag in tags] == [
            ("all", 3, Decimal("6E-9")),
            ("tag-b", 1, Decimal("3E-9")),
            ("tag-a", 1, Decimal("2E-9")),
            ("tag-c", 1, Decimal("1E-9")),
        ]
        assert await house.call(spend.tags, {"end_date": "2026-11-19"}) == []

    in_house(postgres_dsn, scenario)


def test_sums_by_day_are_those_of_whole_days(postgres_dsn: str) -> None:
    late = row_at(1, started_at=datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC), cost_nano=5)
    early = row_at(2, started_at=datetime(2026, 11, 21, tzinfo=UTC), cost_nano=7)

    async def scenario(house: House) -> None:
        await book(house, late, early)
        async with served(house) as client:
            days = (await client.get("/spend/logs", params=MONTH)).json()
        assert days == [
            {"startTime": "2026-11-20", "spend": 5e-9, "users": {"alice": 5e-9}, "models": {"gpt-4": 5e-9},
             "api_keys": {"a" * 64: 5e-9}},
            {"startTime": "2026-11-21", "spend": 7e-9, "users": {"alice": 7e-9}, "models": {"gpt-4": 7e-9},
             "api_keys": {"a" * 64: 7e-9}},
        ]  # fmt: skip

    in_house(postgres_dsn, scenario)

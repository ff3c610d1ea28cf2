"""Questions for the log page and the reports, with other filters each time, and how long the answers take."""

import hashlib
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from functions import activity, bodies, global_spend, spend, spend_reports
from functions.contract.call import MASTER_KEY_HASH, Caller
from functions.contract.function import Download
from functions.contract.roles import INTERNAL_USER, PROXY_ADMIN
from runtime.postgres.database import Database
from schema.errors.requests import InvalidRequest
from schema.log_page import LogPlace, cursor_of
from schema.wire import to_json
from tests.bench.ledger_fill import DAYS, END_USERS, KEYS, MODELS, TEAMS, USERS
from tests.functions.governed import House

TARGET_MS = 300
Body = dict[str, Any]  # a query or a JSON body
ADMIN = Caller(role=PROXY_ADMIN, key_hash=MASTER_KEY_HASH, user_id="default_user_id")
Draw = Callable[[random.Random], Body]


class Bench:
    """The readers of one database, asked as the runtime asks them."""

    def __init__(self, database: Database, first: date) -> None:
        self.database = database
        self.first, self.last = first, first + timedelta(days=DAYS - 1)
        self._house = House(database)
        self._house.now = datetime.combine(self.last, datetime.max.time(), UTC)
        self.draws = random.Random(1)

    async def ask(self, function: Callable[..., Awaitable[Any]], body: Body, by: Caller = ADMIN) -> bytes:
        answer = await self._house.call(function, body, by)
        if isinstance(answer, Download):
            return b"".join([piece async for piece in answer.pieces()])
        return to_json(answer)

    async def measure(
        self, name: str, function: Callable[..., Awaitable[Any]], draw: Draw, times: int, by: Caller = ADMIN
    ) -> bool:
        """Measure and print one line of the table. Gives False where it misses its target."""
        taken, size, refused = [], 0, ""
        for _ in range(times):
            body = draw(self.draws)
            began = time.perf_counter()
            try:
                size = len(await self.ask(function, body, by))
            except InvalidRequest as error:
                refused = f" (refused: {error.param})"
            taken.append((time.perf_counter() - began) * 1000)
        cuts = statistics.quantiles(taken, n=100, method="inclusive")
        missed = cuts[94] > TARGET_MS
        mark = "  <- over the target" if missed else ""
        print(
            f"{name + refused:<58}{cuts[49]:9.1f}{cuts[94]:9.1f}{cuts[98]:9.1f}{size / 1024:10.1f}{mark}",
            flush=True,
        )
        return not missed

    @property
    def month(self) -> Body:
        return {"start_date": str(self.first), "end_date": str(self.last)}

    def week(self, draws: random.Random) -> Body:
        first = self.first + timedelta(days=draws.randrange(DAYS - 7))
        return {"start_date": str(first), "end_date": str(first + timedelta(days=6))}

    def day(self, draws: random.Random) -> Body:
        day = str(self.first + timedelta(days=draws.randrange(DAYS)))
        return {"start_date": day, "end_date": day}

    def page(self, **more: object) -> Draw:
        """A query of the whole month. Fields that are functions are drawn anew each time."""
        return lambda draws: (
            self.month | {name: value(draws) if callable(value) else value for name, value in more.items()}
        )


def key_of(draws: random.Random) -> str:
    return hashlib.sha256(str(int(KEYS * draws.random() ** 2)).encode()).hexdigest()


def one_of(kind: str, count: int) -> Callable[[random.Random], str]:
    return lambda draws: f"{kind}-{draws.randrange(count)}"


def callers() -> tuple[tuple[str, Caller], ...]:
    return (
        ("own rows", Caller(role=INTERNAL_USER, key_hash="0" * 64, user_id="user-7")),
        (
            "a team admin's rows",
            Caller(role=INTERNAL_USER, key_hash="0" * 64, user_id="user-7", teams={"team-7": "admin"}),
        ),
        (
            "an organization admin's rows",
            Caller(
                role=INTERNAL_USER, key_hash="0" * 64, user_id="user-7", organizations={"org-1": "org_admin"}
            ),
        ),
    )


async def log_pages(bench: Bench, times: int) -> None:
    page, ids = bench.page, await some_rows(bench)
    cases: tuple[tuple[str, Draw], ...] = (
        ("newest 50", page()),
        ("newest 1,000", page(page_size=1000)),
        ("page 200", page(page=200)),
        ("a week", lambda draws: bench.week(draws)),
        ("after a cursor", page(cursor=lambda draws: draws.choice(ids)["cursor"])),
        ("of a team", page(team_id=one_of("team", TEAMS))),
        ("of a team, after a cursor", page(team_id=one_of("team", TEAMS),
                                           cursor=lambda draws: draws.choice(ids)["cursor"])),
        ("of a user", page(user_id=one_of("user", USERS))),
        ("of a key", page(api_key=key_of)),
        ("of a key by alias", page(key_alias=one_of("alias", KEYS))),
        ("of a model", page(model_group=one_of("model", MODELS))),
        ("of a model by the provider's name",
         page(model=lambda draws: f"vendor-model-{draws.randrange(MODELS)}-2026")),
        ("of an end user", page(end_user=one_of("customer", END_USERS))),
        ("of an organization", page(organization_id=one_of("org", 8))),
        ("of a session", lambda draws: {"session_id": draws.choice(ids)["session_id"]}),
        ("of a tag", page(tag=lambda draws: f"app:{draws.randrange(KEYS // 10) * 10}")),
        ("failures", page(status_filter="failure")),
        ("failures of a team", page(status_filter="failure", team_id=one_of("team", TEAMS))),
        ("answered 429", page(error_code="429")),
        ("a text in an error", page(error_message="no, in so")),
        ("a text in no error", page(error_message="nowhere")),
        ("a text in no error of a day", lambda draws: bench.day(draws) | {"error_message": "nowhere"}),
        ("dearer than a cent", page(min_spend="0.01")),
        ("dearer than any", page(min_spend="1000")),
        ("a model that is not there", page(model="nothing")),
        ("search for an id", lambda draws: {"search": draws.choice(ids)["request_id"]}),
        ("by spend", page(sort_by="spend")),
        ("by spend, of a team", page(sort_by="spend", team_id=one_of("team", TEAMS))),
        ("by spend, a week", lambda draws: bench.week(draws) | {"sort_by": "spend"}),
        ("by duration, a key's week",
         lambda draws: bench.week(draws) | {"sort_by": "request_duration_ms", "api_key": key_of(draws)}),
    )  # fmt: skip
    for name, draw in cases:
        await bench.measure(f"log page: {name}", spend.log_page, draw, times)
    for name, by in callers():
        await bench.measure(f"log page: {name}", spend.log_page, page(), times, by)
    await bench.measure(
        "one call", bodies.show, lambda draws: {"request_id": draws.choice(ids)["request_id"]}, times
    )
    await bench.measure("/spend/logs, 1,000 rows", spend.logs, lambda draws: {"limit": 1000}, times)


async def reports(bench: Bench, times: int) -> None:
    month: Draw = lambda draws: bench.month  # noqa: E731  (one of many draws)
    nothing: Draw = lambda draws: {}  # noqa: E731
    cases: tuple[tuple[str, Callable[..., Awaitable[Any]], Draw], ...] = (
        ("/spend/logs summarized", spend.logs, month),
        ("/spend/keys", spend.keys, nothing),
        ("/spend/teams", spend.teams, nothing),
        ("/spend/users", spend.users, nothing),
        ("/spend/tags", spend.tags, nothing),
        ("/global/spend", global_spend.total, nothing),
        ("/global/spend/logs", global_spend.logs, nothing),
        ("/global/spend/keys", global_spend.keys, nothing),
        ("/global/spend/models", global_spend.models, nothing),
        ("/global/spend/teams", global_spend.teams, nothing),
        ("/global/spend/provider", global_spend.provider, month),
        ("/global/spend/tags", global_spend.tags, month),
        ("/global/spend/end_users", global_spend.end_users, nothing),
        ("/global/spend/report by team, a week", global_spend.report, bench.week),
        ("/global/spend/report by team, the month", global_spend.report, month),
        ("/global/spend/report of a team", global_spend.report, bench.page(team_id=one_of("team", TEAMS))),
        ("/global/spend/report by key", global_spend.report, bench.page(group_by="api_key")),
        ("/global/spend/report of a customer", global_spend.report,
         bench.page(customer_id=one_of("customer", END_USERS))),
        ("/key/spend/report", spend_reports.key, bench.page(api_key=key_of)),
        ("/team/spend/report", spend_reports.team, bench.page(team_id=one_of("team", TEAMS))),
        ("/user/daily/activity, 1,000 rows", activity.user, bench.page(page_size=1000)),
        ("/user/daily/activity, page 20", activity.user, bench.page(page_size=1000, page=20)),
        ("/user/daily/activity/aggregated", activity.user_aggregated, month),
        ("/team/daily/activity of a team", activity.team,
         bench.page(team_ids=one_of("team", TEAMS), page_size=1000)),
        ("/organization/daily/activity", activity.organization, bench.page(page_size=1000)),
        ("/customer/daily/activity", activity.customer, bench.page(page_size=1000)),
        ("/customer/daily/activity of one", activity.customer,
         bench.page(end_user_ids=one_of("customer", END_USERS))),
        ("/tag/daily/activity", activity.tag, bench.page(page_size=1000)),
        ("/global/activity", activity.requests, month),
        ("/global/activity/model", activity.models, month),
        ("/global/activity/exceptions", activity.exceptions, bench.page(model_group=one_of("model", MODELS))),
    )  # fmt: skip
    for name, function, draw in cases:
        await bench.measure(name, function, draw, times)
    for name, by in callers():
        await bench.measure(f"/global/activity, {name}", activity.requests, month, times, by)


async def some_rows(bench: Bench) -> list[Body]:
    """Ids and cursors to ask for."""
    found = await bench.database.pool.fetch(
        """SELECT request_id, "startTime", session_id FROM "LiteLLM_SpendLogs" TABLESAMPLE SYSTEM (0.1)
           WHERE session_id IS NOT NULL LIMIT 300"""
    )
    return [
        {
            "request_id": row["request_id"],
            "session_id": row["session_id"],
            "cursor": cursor_of(LogPlace(row["startTime"].replace(tzinfo=UTC), row["request_id"])),
        }
        for row in found
    ]

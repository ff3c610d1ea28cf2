"""`just demo-data`: what it makes of an empty database, and that it leaves any other one alone."""

import asyncio

import asyncpg
import pytest

from runtime.commands.demo_data import fill_demo

ROWS = 600
SUMS = """
    SELECT (SELECT sum(spend) FROM "LiteLLM_SpendLogs")
            = (SELECT sum(spend) FROM "Switchgear_DailySpend") AS same,
        (SELECT count(DISTINCT outcome) FROM "LiteLLM_SpendLogs") AS outcomes,
        (SELECT count(*) FROM "LiteLLM_SpendLogs" WHERE "startTime" > now() AT TIME ZONE 'utc') AS ahead,
        (SELECT count(*) FROM "LiteLLM_VerificationToken") AS keys
"""


def test_an_empty_database_gets_a_month_and_a_second_one_is_refused(
    empty_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fill_demo(empty_dsn, ROWS) == 0

    async def sums() -> asyncpg.Record:
        connection = await asyncpg.connect(empty_dsn)
        try:
            return await connection.fetchrow(SUMS)
        finally:
            await connection.close()

    found = asyncio.run(sums())
    assert found["same"], "the rollups are not the sum of the rows"
    assert found["outcomes"] >= 4
    assert found["ahead"] == 0
    assert found["keys"] == 12
    assert fill_demo(empty_dsn, ROWS) == 3
    assert "has keys, teams, users or calls already" in capsys.readouterr().err

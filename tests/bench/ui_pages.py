"""`python -m tests.bench.ui_pages --rows 10000000`: how fast the admin UI is over a ledger of that size. The
ledger is in a real embedded Postgres, in a folder that is removed afterwards; the UI must be built.

A gateway with two workers serves it, and a Chromium opens the pages as the admin. The rows are those of the
thirty days until now. Three moments of a page are measured, from the start of its loading: the first paint of
anything, the largest paint, and when its figures and rows are all there. On Requests it is measured, too, how
long a filter takes from the click that chooses it until the rows that fit are there.
"""

import argparse
import asyncio
import re
import shutil
import statistics
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from runtime.local.postgres import EmbeddedPostgres
from runtime.postgres.migrations import migrate
from tests.bench.ledger_fill import DAYS, MODELS, fill
from tests.e2e.gateway import MASTER_KEY, Gateway, serving
from tests.system.browser import built_ui, chromium_path, running_browser

PAGES = (
    ("Overview", "overview", "!!document.querySelector('#content canvas')"),
    ("Overview, 30 days", "overview?range=30d", "!!document.querySelector('#content canvas')"),
    ("Requests", "activity", "!!document.querySelector('#content tbody tr td')"),
    ("Requests, 30 days", "activity?range=30d", "!!document.querySelector('#content tbody tr td')"),
    ("Usage by model", "usage", "!!document.querySelector('#content tbody tr td')"),
    ("Usage by key", "usage?by=key", "!!document.querySelector('#content tbody tr td')"),
    ("Usage by user", "usage?by=user", "!!document.querySelector('#content tbody tr td')"),
    ("Usage by team", "usage?by=team", "!!document.querySelector('#content tbody tr td')"),
    ("Usage by tag", "usage?by=tag", "!!document.querySelector('#content tbody tr td')"),
    ("Usage by customer", "usage?by=customer", "!!document.querySelector('#content tbody tr td')"),
    ("Usage, p95 by model", "usage?measure=latency", "!!document.querySelector('#content tbody tr td')"),
    ("A request", "activity/{id}", "!!document.querySelector('[role=dialog] [role=tabpanel] *')"),
    ("Keys", "keys", "!!document.querySelector('#content tbody tr td')"),
    ("Users", "users", "!!document.querySelector('#content tbody tr td')"),
    ("Teams", "teams", "!!document.querySelector('#content tbody tr td')"),
    ("Budgets", "budgets", "true"),
    ("Customers", "customers", "true"),
    ("Models", "models", "!!document.querySelector('#content tbody tr td')"),
    ("Routing", "routing", "!!document.querySelector('#content tbody tr td')"),
    ("Reconcile", "reconcile", "true"),
    ("My page", "me", "true"),
)
"""Each page with its address, and what says that its data is in place, beside that nothing of it waits."""
WAITS = "document.querySelectorAll('[aria-busy=true]').length > 0"
THERE = "() => !!document.querySelector('h1') && {there} && !({waits}) && performance.now()"
PAINTS = """() => new Promise(resolve => {
    const first = performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0;
    new PerformanceObserver(list => resolve([first, list.getEntries().at(-1).startTime]))
        .observe({ type: 'largest-contentful-paint', buffered: true });
    setTimeout(() => resolve([first, first]), 500);
})"""
FILTERS = (
    ("Status", "failed", "outcome=failed"),
    ("Team", "Team 7", "team_id=team-7"),
    ("User", "user-1@example.com", "user_id=user-1"),
    ("Model", "model-11", "model_group=model-11"),
)
"""What is chosen on Requests, of thirty days: the field, the choice, and the query that it becomes."""
CHOSEN = "document.addEventListener('click', () => { window.chosenAt = performance.now(); }, true)"
NARROWED = """query => {
    const answered = performance.getEntriesByType('resource')
        .some(each => each.responseEnd > window.chosenAt && each.name.includes(query));
    const waits = document.querySelector('[aria-busy=true]')
        || !document.querySelector('#content tbody tr td');
    return answered && !waits && performance.now() - window.chosenAt;
}"""
SHOWN_ABOVE_MS = 20
DURATION = re.compile(r"duration: ([0-9.]+) ms +[^:]+: (.*)", re.DOTALL)
STAMP = re.compile(r"^\d{4}-\d\d-\d\d [\d:.]+ UTC ", re.MULTILINE)


class Statements:
    """The statements that took long, out of the log of Postgres."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._at = 0

    def slowest(self) -> tuple[float, str]:
        """The slowest one since the last time that this was asked: its milliseconds and its text."""
        with self._log.open("rb") as file:
            file.seek(self._at)
            told = file.read()
        self._at += len(told)
        entries = STAMP.split(told.decode(errors="replace"))
        found = [match for each in entries if (match := DURATION.search(each))]
        pairs = [(float(match[1]), " ".join(match[2].split())) for match in found]
        return max(pairs, default=(0.0, f"none above {SHOWN_ABOVE_MS} ms"))


def config() -> dict[str, Any]:
    """The models of the ledger. None of them is called."""
    return {
        "model_list": [
            {
                "model_name": f"model-{n}",
                "litellm_params": {
                    "model": f"openai/vendor-model-{n}-2026",
                    "api_base": "http://127.0.0.1:9/v1",
                    "api_key": "none",
                },
            }
            for n in range(MODELS)
        ]
    }


async def prepare(dsn: str, rows: int) -> str:
    """Fill an empty database, and have Postgres write down what takes long. Gives the id of a request."""
    await migrate(dsn)
    connection = await asyncpg.connect(dsn)
    try:
        if not await connection.fetchval('SELECT EXISTS (SELECT FROM "LiteLLM_SpendLogs")'):
            begin = datetime.now(UTC).replace(tzinfo=None, microsecond=0) - timedelta(days=DAYS)
            await fill(connection, rows, begin, DAYS, lambda text: print(text, flush=True))
        await connection.execute(f"ALTER SYSTEM SET log_min_duration_statement = {SHOWN_ABOVE_MS}")
        await connection.execute("SELECT pg_reload_conf()")
        found = await connection.fetchval(
            """SELECT request_id FROM "LiteLLM_SpendLogs" WHERE outcome = 'ok'
               ORDER BY "startTime" DESC, request_id DESC OFFSET 1000 LIMIT 1"""
        )
    finally:
        await connection.close()
    return str(found)


def signed_in(browser: Any, gateway: Gateway) -> Any:
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.set_default_timeout(120_000)
    page.goto(f"{gateway.url}/login?return_to=/ui/me")
    page.get_by_text("Sign in with the master key").click()
    page.get_by_label("Master key").fill(MASTER_KEY)
    page.get_by_role("button", name="Sign in as admin").click()
    page.get_by_role("navigation", name="Pages").wait_for()
    return page


def opened(page: Any, address: str, there: str) -> tuple[float, float, float]:
    """Milliseconds until the first paint, the largest paint, and the data."""
    page.goto(address, wait_until="commit")
    found = page.wait_for_function(THERE.format(there=there, waits=WAITS), polling="raf").json_value()
    first, largest = page.evaluate(PAINTS)
    return first, largest, float(found)


def measure_pages(page: Any, gateway: Gateway, request_id: str, times: int, statements: Statements) -> None:
    print(
        f"\n{'milliseconds, p50 and worst':<28}{'first paint':>16}{'largest paint':>16}{'data':>16}  slowest"
    )
    for name, path, there in PAGES:
        statements.slowest()
        address = f"{gateway.url}/ui/{path.format(id=request_id)}"
        taken = [opened(page, address, there) for _ in range(times)]
        shown = "".join(f"{_both(each):>16}" for each in zip(*taken, strict=True))
        slowest, statement = statements.slowest()
        print(f"{name:<28}{shown}  {slowest:7.0f} ms  {statement[:300]}", flush=True)


def measure_filters(page: Any, gateway: Gateway, times: int, statements: Statements) -> None:
    print(f"\n{'milliseconds, p50 and worst':<28}{'rows':>16}  slowest")
    there = next(there for _, path, there in PAGES if path == "activity?range=30d")
    for label, value, query in FILTERS:
        statements.slowest()
        taken = []
        for _ in range(times):
            opened(page, f"{gateway.url}/ui/activity?range=30d", there)
            page.evaluate(CHOSEN)
            page.get_by_label(label, exact=True).first.click()
            page.get_by_role("option", name=value, exact=True).click()
            taken.append(float(page.wait_for_function(NARROWED, arg=query, polling="raf").json_value()))
        slowest, statement = statements.slowest()
        print(
            f"{f'Requests, {label} {value}':<28}{_both(taken):>16}  {slowest:7.0f} ms  {statement[:300]}",
            flush=True,
        )


def _both(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.0f}, {max(values):.0f}"


def run(rows: int, times: int, folder: Path) -> None:
    built_ui()
    chromium = chromium_path()
    server = EmbeddedPostgres(folder / "postgres")
    try:
        dsn = server.start()
        request_id = asyncio.run(prepare(dsn, rows))
        statements = Statements(server.log_path)
        with (
            serving(folder, config(), dsn, "--workers", "2") as gateway,
            running_browser(chromium) as browser,
        ):
            page = signed_in(browser, gateway)
            measure_pages(page, gateway, request_id, times, statements)
            measure_filters(page, gateway, times, statements)
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--times", type=int, default=5, help="how often each page is opened")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the ledger here, for the next time")
    asked = parser.parse_args()
    folder = asked.keep or Path(tempfile.mkdtemp(prefix="switchgear-ui-pages-"))
    try:
        run(asked.rows, asked.times, folder)
    finally:
        if asked.keep is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

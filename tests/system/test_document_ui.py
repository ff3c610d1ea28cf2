"""What each role of the user's document sees in the admin UI, in a real browser after a real sign-in."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import execute
from tests.e2e.gateway import Gateway
from tests.e2e.seed import waits_for
from tests.e2e.sign_in import sign_in
from tests.fakes.entra import Entra, Person
from tests.system.conftest import lacking, program

UI = "Microsoft 365 sign-in and the admin UI"
PAGES = {
    "proxy_admin": {"Activity", "Usage", "Keys", "Users", "Teams", "Budgets", "Models", "Audit", "Settings"},
    "devops": {"Activity", "Usage", "Keys"},
    "internal_user": {"Keys", "Playground"},
}
"""Pages that the role has; the document names what each is for."""
HIDDEN = {
    "proxy_admin": set[str](),
    "devops": {"Settings"},
    "internal_user": {"Users", "Budgets", "Audit", "Settings"},
}
PAGE_MS = 15_000


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:  # Playwright's Browser: the package may be missing
    path = program("chromium", "chromium-browser", "google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        lacking("playwright is not installed")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@waits_for(UI)
@pytest.mark.parametrize("role", PAGES)
def test_the_rail_shows_what_the_role_may_use(
    office: Gateway, entra: Entra, chromium: Any, role: str
) -> None:
    who = Person(oid=f"oid-rail-{role}", email=f"rail-{role}@deeprunner.ai")
    sign_in(office, entra, who).close()  # makes the row, whose role is set next
    execute(
        office.dsn,
        f"""UPDATE "LiteLLM_UserTable" SET user_role = '{role}' WHERE user_email = '{who.email}'""",
    )
    page = chromium.new_page()
    try:
        page.goto(f"{office.url}/ui", timeout=PAGE_MS)
        rail = page.get_by_role("navigation").first
        rail.get_by_role("link", name=sorted(PAGES[role])[0], exact=True).wait_for(timeout=PAGE_MS)
        links = {text.strip() for text in rail.get_by_role("link").all_inner_texts()}
    finally:
        page.close()
    missing, beyond = PAGES[role] - links, HIDDEN[role] & links
    assert not missing, f"{role} does not see {sorted(missing)}"
    assert not beyond, f"{role} sees {sorted(beyond)}"

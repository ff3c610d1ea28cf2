"""What each role of the user's document sees in the admin UI, in a real browser after a real sign-in."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.conftest import execute
from tests.e2e.gateway import Gateway, until
from tests.e2e.sign_in import signed_in
from tests.fakes.entra import Entra, Person
from tests.system.browser import built_ui, chromium_path, running_browser

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


@contextmanager
def new_page() -> Iterator[Any]:  # Playwright's Page: the package may be missing
    """A page of a browser without a past. While it is open the thread has an event loop, so no SQL is run."""
    with running_browser(chromium_path()) as browser:
        yield browser.new_page()


@pytest.mark.parametrize("role", PAGES)
def test_the_rail_shows_what_the_role_may_use(office: Gateway, entra: Entra, role: str) -> None:
    built_ui()
    who = Person(oid=f"oid-rail-{role}", email=f"rail-{role}@deeprunner.ai")
    with signed_in(office, entra, who):  # makes the row, whose role is set next
        execute(
            office.dsn,
            f"""UPDATE "LiteLLM_UserTable" SET user_role = '{role}' WHERE user_email = '{who.email}'""",
        )
    with new_page() as page:
        page.goto(f"{office.url}/ui", timeout=PAGE_MS)
        rail = page.get_by_role("navigation").get_by_role("link")

        def links() -> set[str]:
            return {text.strip() for text in rail.all_inner_texts()}

        wanted = sorted(PAGES[role])
        until(lambda: PAGES[role] <= links(), 15, what=f"{role}'s rail with {wanted}", pause_s=0.2)
        beyond = HIDDEN[role] & links()
    assert not beyond, f"{role} sees {sorted(beyond)}"

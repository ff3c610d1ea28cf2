"""Saved filters, in a browser."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.e2e.gateway import Gateway
from tests.fakes.entra import Entra, Person
from tests.system.ui.conftest import SERIOUS, NewPage, Notes, sign_in_as_admin

SETTLED = "menu => getComputedStyle(menu).opacity === '1' && menu.getAnimations({subtree: true}).length === 0"


def menu(page: Any, label: str = "Saved filters") -> Any:
    """The menu of saved filters, opened, and no longer half transparent."""
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("button", name=label).click()
    opened = page.get_by_role("menu")
    opened.wait_for()
    page.wait_for_function(SETTLED, arg=opened.element_handle())
    return opened


def test_filters_are_saved_applied_on_another_day_renamed_and_deleted(
    console: Gateway, new_page: NewPage, notes: Notes, axe: str
) -> None:
    page = new_page()
    sign_in_as_admin(page, console, then="/ui/audit")
    page.get_by_role("navigation", name="Pages").wait_for()
    page.goto(f"{console.url}/ui/audit?action=created&range=7d")
    opened = menu(page)
    page.evaluate(axe)
    assert page.evaluate(SERIOUS) == []
    opened.get_by_role("menuitem", name="Save these filters").click()
    dialog = page.get_by_role("dialog", name="Save these filters")
    dialog.get_by_label("Name").fill("What was made")
    page.evaluate(axe)
    assert page.evaluate(SERIOUS) == []
    dialog.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name="Saved filters: What was made").wait_for()

    page.goto(f"{console.url}/ui/audit?who=nobody")
    page.get_by_text("No change fits").wait_for()
    menu(page).get_by_role("menuitem", name="What was made").click()
    page.wait_for_url(
        lambda url: dict(parse_qsl(urlsplit(url).query)) == {"action": "created", "range": "7d"}
    )
    page.get_by_role("row").nth(1).get_by_text("created").wait_for()
    assert page.get_by_label("Who", exact=True).input_value() == "", "the field is what the address says"
    page.go_back()
    page.get_by_text("No change fits").wait_for()
    assert page.get_by_label("Who", exact=True).input_value() == "nobody"

    menu(page).get_by_role("menuitem", name="Rename or delete").click()
    dialog = page.get_by_role("dialog", name="Saved filters")
    dialog.get_by_label("Name of What was made").fill("New things")
    dialog.get_by_role("button", name="Rename").click()
    dialog.get_by_label("Name of New things").wait_for()
    page.evaluate(axe)
    assert page.evaluate(SERIOUS) == []
    dialog.get_by_role("button", name="Delete").click()
    dialog.wait_for(state="detached")
    menu(page).get_by_text("You have saved no filters of this page").wait_for()


def test_nobody_sees_the_filters_of_somebody_else(
    console: Gateway, new_page: NewPage, notes: Notes, entra: Entra
) -> None:
    made = console.post("/saved_filters", page="activity", name="of the admin", filters={"outcome": "failed"})
    assert made.status_code == 200, made.text
    entra.at_the_keyboard = Person(oid="oid-ui-filters", email="filters@deeprunner.ai")
    page = new_page()
    with page.expect_response(lambda answer: "/saved_filters" in answer.url):
        page.goto(f"{console.url}/ui/activity?outcome=refused")
    opened = menu(page)
    opened.get_by_text("You have saved no filters of this page").wait_for()
    assert opened.get_by_role("menuitem", name="of the admin").count() == 0

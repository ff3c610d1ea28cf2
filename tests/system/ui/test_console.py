"""What people do in the admin UI: the admin who makes a key and sees its first request, and the member."""

import csv
import re
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest

from tests.e2e.conftest import PROVIDER_KEY
from tests.e2e.gateway import Gateway, until
from tests.fakes.entra import Entra, Person
from tests.fakes.hostile_upstream import HostileUpstream
from tests.system.ui.conftest import SERIOUS, NewPage, Notes, sign_in_as_admin

HELLO: Any = [{"role": "user", "content": "Say hello."}]
PAGES = (
    *("overview", "activity", "usage", "me", "keys", "users", "teams", "budgets", "organizations"),
    *("projects", "tags", "customers", "models", "local", "routing", "playground", "audit", "reconcile"),
    *("sign-in", "credentials", "guardrails", "alerts", "settings"),
)
OVERLAYS = ("keys?new=1", "models?new=1", "users?new=1", "teams?new=1")
LOADED = "document.querySelectorAll('#content [aria-busy=true]').length === 0"
SCHEME = "data-mantine-color-scheme"


def client(console: Gateway, key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{console.url}/v1", api_key=key, max_retries=0)


def member_page(new_page: NewPage, console: Gateway, entra: Entra, name: str) -> Any:
    """The page of a member of the tenant who came by /ui."""
    entra.at_the_keyboard = Person(oid=f"oid-ui-{name}", email=f"{name}@deeprunner.ai")
    page = new_page()
    page.goto(f"{console.url}/ui")
    page.get_by_role("navigation", name="Pages").wait_for()
    return page


def amounts(texts: list[str]) -> list[float]:
    return [float(re.sub(r"[^0-9.]", "", text)) for text in texts]


def test_an_admin_makes_a_key_follows_its_first_request_and_blocks_it(
    console: Gateway, new_page: NewPage, notes: Notes
) -> None:
    page = new_page()
    sign_in_as_admin(page, console, then="/ui/keys")
    page.get_by_role("button", name="New key").first.click()
    page.get_by_label("Alias").fill("first-key")
    page.get_by_label("Budget").fill("5")
    page.get_by_role("button", name="Make the key").click()
    key = page.get_by_test_id("secret").inner_text().strip()
    assert key.startswith("sk-")
    assert key in page.get_by_role("tabpanel").inner_text(), "the lines to copy have another key"
    page.get_by_role("button", name="Done").click()
    assert page.get_by_test_id("secret").count() == 0

    answer = client(console, key).chat.completions.create(model="gpt-4", messages=HELLO)
    assert answer.choices

    page.get_by_role("link", name="Activity").click()
    row = page.get_by_role("table", name="Requests").get_by_role("row").filter(has_text="first-key")
    row.first.wait_for()
    assert "ok" in row.first.inner_text()
    row.first.click()
    page.get_by_role("tab", name="Cost").click()
    cells = page.locator("table.plain").first.locator("tbody tr td:last-child")
    page.get_by_test_id("cost").wait_for()
    *parts, whole = amounts(cells.all_inner_texts())
    assert len(parts) >= 2
    assert sum(parts) == pytest.approx(whole, abs=1e-9), "the parts are not the whole"
    assert whole > 0
    assert re.search(r"/ui/activity/[0-9a-f-]{36}\?tab=cost$", page.url)
    budget = page.get_by_role("region", name="Budgets over this request").locator("tbody tr").first
    budget.wait_for()
    before, after, limit = amounts(budget.locator("td.num").all_inner_texts())
    assert "first-key" in budget.inner_text()
    assert (before, limit) == (0, 5)
    assert after == pytest.approx(whole, rel=0.05), "the budget has the cost of its first request"
    held = page.get_by_text("was held of each budget before the request was sent")
    assert "was given back" in held.inner_text()
    page.reload()
    page.get_by_test_id("cost").wait_for()

    page.goto(f"{console.url}/ui/keys")
    page.get_by_text("first-key").click()
    page.get_by_role("button", name="Block", exact=True).click()
    dialog = page.get_by_role("dialog", name="Block the key")
    assert "1 key will stop working" in dialog.inner_text()
    dialog.get_by_role("button", name="Block", exact=True).click()
    page.get_by_text("The key is blocked").wait_for()

    def refused() -> bool:
        try:
            client(console, key).chat.completions.create(model="gpt-4", messages=HELLO)
        except openai.AuthenticationError:
            return True
        return False

    until(refused, 5, what="the end of the blocked key", pause_s=0.1)


def test_a_member_sees_only_own_data_and_the_api_refuses_the_rest(
    console: Gateway, new_page: NewPage, notes: Notes, entra: Entra
) -> None:
    others = console.virtual_key("of-somebody-else")
    client(console, others).chat.completions.create(model="second", messages=HELLO)
    page = member_page(new_page, console, entra, "member")
    rail = set(page.get_by_role("navigation", name="Pages").get_by_role("link").all_inner_texts())
    assert {"My page", "Keys", "Playground"} <= rail
    assert not {"Users", "Budgets", "Audit", "Settings", "Sign-in"} & rail
    page.goto(f"{console.url}/ui/keys")
    page.get_by_text("No keys yet").wait_for()
    page.goto(f"{console.url}/ui/activity")
    page.get_by_text("No requests in this range").wait_for()
    page.goto(f"{console.url}/ui/audit")
    page.get_by_text("You may not see this").wait_for()
    assert page.request.get(f"{console.url}/audit").status == 403
    assert (
        "of-somebody-else" not in page.request.get(f"{console.url}/key/list?return_full_object=true").text()
    )


def test_the_playground_streams_an_answer_and_shows_its_cost(
    console: Gateway, new_page: NewPage, notes: Notes, entra: Entra
) -> None:
    page = member_page(new_page, console, entra, "player")
    page.get_by_role("link", name="Playground").click()
    page.get_by_label("Message", exact=True).fill("Say hello.")
    page.keyboard.press("Enter")
    page.get_by_role("log").get_by_role("link", name="openai / gpt-4").wait_for()
    bill = page.get_by_role("log").get_by_role("link").first.inner_text()
    assert bill.startswith("$0.0"), bill


def test_a_model_is_added_tried_and_called_without_a_restart(
    console: Gateway, new_page: NewPage, notes: Notes, upstream: HostileUpstream
) -> None:
    page = new_page()
    sign_in_as_admin(page, console)
    page.get_by_role("link", name="Models", exact=True).click()
    page.get_by_role("button", name="Add a model").first.click()
    page.get_by_label("The provider's name for the model").fill("gpt-4")
    page.get_by_label("Public name").fill("made-here")
    page.get_by_label("Address").fill(f"{upstream.url}/v1")
    page.get_by_label("API key").fill(PROVIDER_KEY)
    page.get_by_role("button", name="Try it").click()
    page.get_by_role("dialog").get_by_role("status").get_by_text("It answered in").wait_for()
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_text("made-here can be called now").wait_for()
    assert PROVIDER_KEY not in page.content()

    page.goto(f"{console.url}/ui/routing?model=made-here")

    def explained() -> bool:  # by each of the workers
        page.get_by_role("button", name="Explain").click()
        page.get_by_role("cell", name="made-here").or_(page.get_by_role("alert")).first.wait_for()
        return bool(page.get_by_role("cell", name="openai / gpt-4").count())

    notes.allowed = ("404",)
    until(explained, 10, what="the new model at every worker", pause_s=0.2)
    page.goto(f"{console.url}/ui/playground?model=made-here")
    page.get_by_label("Message", exact=True).fill("Say hello.")
    page.get_by_role("button", name="Send").click()
    page.get_by_role("log").get_by_role("link", name="openai / gpt-4").wait_for()


def test_a_file_of_all_rows_that_fit_can_be_had(console: Gateway, new_page: NewPage, notes: Notes) -> None:
    key = console.virtual_key("for-the-file")
    client(console, key).chat.completions.create(model="second", messages=HELLO)
    page = new_page()
    sign_in_as_admin(page, console, then="/ui/activity")
    row = page.get_by_role("table", name="Requests").get_by_role("row").filter(has_text="for-the-file")
    fresh = page.get_by_role("button", name=re.compile("new$"))
    row.or_(fresh).first.wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
        page.get_by_role("menuitem", name="CSV").click()
    lines = list(csv.DictReader(download.value.path().read_text().splitlines()))
    assert "second" in {line["model_group"] for line in lines}


def test_filters_are_in_the_address_and_survive_a_reload(
    console: Gateway, new_page: NewPage, notes: Notes
) -> None:
    page = new_page()
    sign_in_as_admin(page, console)
    page.get_by_role("navigation", name="Pages").wait_for()
    page.goto(f"{console.url}/ui/activity?outcome=failed&range=30d")
    page.get_by_text("No request fits").wait_for()
    page.reload()
    assert page.get_by_label("Status").first.input_value() == "failed"
    client(console, console.virtual_key(f"filtered-{time.monotonic_ns()}")).chat.completions.create(
        model="gpt-4", messages=HELLO
    )
    page.goto(f"{console.url}/ui/activity")
    row = page.get_by_role("table", name="Requests").get_by_role("row").filter(has_text="filtered").first
    row.wait_for()
    page.get_by_label("Status").first.click()
    page.get_by_role("option", name="ok").click()  # the table has other rows from now on
    page.wait_for_url("**/ui/activity?outcome=ok")
    row.wait_for()
    signed_out = new_page()
    signed_out.goto(f"{console.url}/login")
    answer = signed_out.request.get(f"{console.url}/ui/keys?status=blocked", max_redirects=0)
    assert answer.headers["location"].endswith("return_to=%2Fui%2Fkeys%3Fstatus%3Dblocked")


def test_an_admin_changes_a_setting_of_the_router_and_the_cache(
    console: Gateway, new_page: NewPage, notes: Notes
) -> None:
    notes.allowed = ("400",)
    page = new_page()
    sign_in_as_admin(page, console, then="/ui/settings")
    row = page.get_by_role("row").filter(has_text="num_retries")
    row.get_by_role("button", name="Change num_retries").click()
    page.get_by_label("Value").fill("21")
    page.get_by_role("button", name="Save").click()
    assert "num_retries" in page.get_by_role("dialog").get_by_role("alert").inner_text()
    page.get_by_label("Value").fill("1")
    page.get_by_role("button", name="Save").click()
    row.filter(has_text="database").wait_for()
    assert console.get("/router/settings").json()["current_values"]["num_retries"] == 1
    row.get_by_role("button", name="Change num_retries").click()
    page.get_by_role("button", name="Take the stored value away").click()
    row.filter(has_text="config").wait_for()

    page.get_by_role("button", name="Change the cache").click()
    form = page.get_by_role("dialog")
    form.get_by_role("combobox", name="Type").click()
    page.get_by_role("option", name="local").click()
    form.get_by_label("TTL, seconds").fill("60")
    form.get_by_role("button", name="Try it").click()
    page.get_by_text("An answer was kept and found.").wait_for()
    form.get_by_role("button", name="Save").click()
    page.get_by_text("The cache has its new settings").wait_for()
    told = console.get("/cache/settings").json()
    assert (told["source"], told["current_values"]["type"], told["current_values"]["ttl"]) == (
        *("database", "local"),
        60,
    )
    page.get_by_role("button", name="Change the cache").click()
    page.get_by_role("button", name="Use the config file").click()
    page.get_by_text("No answer is kept.").wait_for()


def test_the_keyboard_alone_reaches_a_page_by_the_palette_and_opens_a_row(
    console: Gateway, new_page: NewPage, notes: Notes
) -> None:
    console.virtual_key("by-keyboard")
    page = new_page()
    sign_in_as_admin(page, console)
    page.get_by_role("navigation", name="Pages").wait_for()
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Search for a page").wait_for()
    page.keyboard.type("keys")
    page.keyboard.press("Enter")
    page.wait_for_url("**/ui/keys")
    page.get_by_role("combobox", name="Search for a page").wait_for(
        state="detached"
    )  # it gives the focus back
    page.get_by_role("row").filter(has_text="by-keyboard").wait_for()
    page.locator("tbody tr").first.focus()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_text("Budget resets").or_(
        page.get_by_role("dialog").get_by_text("Spent")
    ).first.wait_for()


def test_a_failing_and_a_slow_api_show_an_error_with_a_retry_and_a_skeleton(
    console: Gateway, new_page: NewPage, notes: Notes
) -> None:
    notes.allowed = ("503", "Failed to load resource")
    page = new_page()
    sign_in_as_admin(page, console)
    page.get_by_role("navigation", name="Pages").wait_for()
    failure = {"error": {"message": "Postgres is away", "type": "x", "code": "y", "param": None}}
    held: list[Any] = []
    answers = "slowly"

    def serve(route: Any) -> None:
        if answers == "slowly":
            held.append(route)
        elif answers == "with an error":
            route.fulfill(status=503, headers={"x-litellm-call-id": "req-7"}, json=failure)
        else:
            route.continue_()

    page.route("**/key/list*", serve)
    page.goto(f"{console.url}/ui/keys")
    table = page.get_by_role("table", name="Keys")
    table.wait_for()
    assert table.get_attribute("aria-busy") == "true", "a slow answer has no skeleton"
    answers = "with an error"
    for route in held:
        serve(route)
    alert = page.get_by_role("alert")
    alert.get_by_text("Postgres is away").wait_for()
    assert "req-7" in alert.inner_text()
    answers = "as usual"
    alert.get_by_role("button", name="Try again").click()
    table.wait_for()


def test_a_role_that_is_taken_away_ends_in_a_clear_page(
    console: Gateway, new_page: NewPage, notes: Notes, entra: Entra
) -> None:
    page = member_page(new_page, console, entra, "blocked")
    user_id = page.request.get(f"{console.url}/v1/me").json()["user_id"]
    notes.allowed = ("401",)
    assert console.post("/user/block", user_id=user_id).status_code == 200
    from playwright.sync_api import Error

    with suppress(Error):  # the link goes when the page learns of it first
        page.get_by_role("link", name="Usage").click(timeout=3_000)
    page.get_by_text("You are signed out").first.wait_for(timeout=20_000)


def test_no_page_has_a_serious_finding_of_axe_in_light_or_dark(
    console: Gateway, new_page: NewPage, notes: Notes, axe: str
) -> None:
    page = new_page()
    sign_in_as_admin(page, console)
    page.get_by_role("navigation", name="Pages").wait_for()
    found = {}
    for name in (*PAGES, *OVERLAYS):
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        page.goto(f"{console.url}/ui/{name}")
        page.get_by_role("heading", level=1).wait_for()
        until(lambda: page.evaluate(LOADED), 15, what=name, pause_s=0.05)
        page.evaluate(axe)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.locator(f"html[{SCHEME}={scheme}]").wait_for()
            if serious := page.evaluate(SERIOUS):
                found[f"{name}, {scheme}"] = serious
    assert found == {}


def test_files_are_kept_for_ever_and_the_page_has_a_strict_policy(
    console: Gateway, new_page: NewPage, notes: Notes
) -> None:
    page = new_page()
    answers = []
    page.on("response", lambda answer: answers.append(answer))
    sign_in_as_admin(page, console)
    page.get_by_role("navigation", name="Pages").wait_for()
    document = next(each for each in answers if urlsplit(each.url).path == "/ui" and each.status == 200)
    policy = document.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert document.headers["x-content-type-options"] == "nosniff"
    files = [each for each in answers if "/ui/assets/" in each.url]
    assert len(files) > 3
    for file in files:
        assert "immutable" in file.headers["cache-control"], file.url
    scripts = [each for each in files if each.url.endswith(".js")]
    assert {each.headers["content-encoding"] for each in scripts} <= {"br", "gzip"}
    sizes = [int(each.headers["content-length"]) for each in files if not each.url.endswith(".woff2")]
    assert sum(sizes) < 350_000, f"the first load has {sum(sizes)} bytes"
    assert page.request.get(f"{console.url}/ui/assets/none.js").status == 404

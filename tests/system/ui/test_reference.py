"""The API reference at /docs, in a browser."""

from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.gateway import Gateway, until
from tests.system.ui.conftest import SERIOUS, NewPage, Notes

READY_MS = 60_000
"""A large document on a busy machine."""
NAMELESS = "document.querySelectorAll('select:not([aria-label]), textarea:not([aria-label])').length"
"""How many fields have no name yet. They get one with the next frame."""


def reference(new_page: NewPage, console: Gateway) -> Any:
    """The page with its list of operations."""
    page = new_page()
    page.goto(f"{console.url}/docs")
    page.locator(".auth-wrapper .authorize").wait_for(timeout=READY_MS)
    return page


def test_the_reference_tries_a_call_with_a_pasted_key_and_shows_aliases_once(
    console: Gateway, new_page: NewPage, notes: Notes
) -> None:
    key = console.virtual_key("of-the-reference")
    page = new_page()
    answer = page.goto(f"{console.url}/docs")
    assert "script-src 'self';" in answer.headers["content-security-policy"]
    page.locator(".auth-wrapper .authorize").wait_for(timeout=60_000)  # a large document on a busy machine
    page.locator(".auth-wrapper .authorize").click()
    dialog = page.locator(".dialog-ux")
    dialog.get_by_role("textbox").fill(key)
    dialog.locator("button.authorize").first.click()
    dialog.locator("button.btn-done").first.click()
    page.locator("#operations-tag-models").click()
    page.locator("#operations-models-models .opblock-summary-control").click()
    operation = page.locator("#operations-models-models")
    operation.get_by_text("Also at").wait_for()
    for language, line in (
        ("curl", f"curl '{console.url}/v1/models'"),
        ("Python", "import httpx"),
        ("JavaScript", "await fetch"),
    ):
        operation.locator("summary", has_text=language).first.click()
        operation.locator("pre", has_text=line).first.wait_for()
    operation.get_by_role("button", name="Execute").click()
    live = operation.locator(".live-responses-table")
    live.get_by_text("gpt-4").first.wait_for()
    assert live.locator("tr.response .response-col_status").first.inner_text().strip().startswith("200")
    shown = page.locator("#operations-tag-models").locator("xpath=..").locator(".opblock-summary-path")
    paths = [text.replace("\u200b", "").strip() for text in shown.all_inner_texts()]
    assert "/v1/models" in paths
    assert "/models" not in paths, "an alias is no operation of its own"
    assert page.url == f"{console.url}/docs", "a reload stays here"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_reference_has_no_serious_finding_of_axe(
    console: Gateway, new_page: NewPage, notes: Notes, axe: str, scheme: str
) -> None:
    page = reference(new_page, console)
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.locator("html.dark-mode" if scheme == "dark" else "html:not(.dark-mode)").wait_for()
    page.evaluate(axe)

    def serious() -> object:
        until(lambda: not page.evaluate(NAMELESS), what="names of all fields", pause_s=0.05)
        return page.evaluate(SERIOUS)

    found = {"closed": serious()}
    page.locator("#operations-tag-models").click()
    page.locator("#operations-models-models .opblock-summary-control").click()
    page.locator("#operations-models-models").get_by_text("Also at").wait_for()
    page.locator("#operations-tag-chat").click()
    page.locator("#operations-chat-chat .opblock-summary-control").click()
    page.locator("#operations-chat-chat").get_by_role("button", name="Execute").wait_for()
    found["open"] = serious()
    page.locator(".auth-wrapper .authorize").click()
    page.locator(".dialog-ux").get_by_role("textbox").wait_for()
    found["key"] = serious()
    assert found == {"closed": [], "open": [], "key": []}


def test_the_reference_says_that_it_loads_before_its_large_file_is_there(
    console: Gateway, new_page: NewPage, notes: Notes
) -> None:
    page = new_page()
    held: list[Any] = []
    waits = True
    page.route("**/assets/bundle-*.js", lambda route: held.append(route) if waits else route.continue_())
    sizes: dict[str, int] = {}

    def note(answer: Any) -> None:
        sizes[urlsplit(answer.url).path.rpartition("/")[2]] = int(answer.headers.get("content-length", 0))

    page.on("response", note)
    page.goto(f"{console.url}/docs", wait_until="commit")
    page.get_by_role("status").get_by_text("is being loaded").wait_for()
    until(lambda: bool(page.evaluate("true") and held), what="the request for the large file")
    before = sum(size for name, size in sizes.items() if name.endswith((".js", ".css")))
    assert 0 < before < 60_000, f"{before} bytes stand before the first word: {sizes}"
    waits = False
    for route in held:
        route.continue_()
    page.locator(".auth-wrapper .authorize").wait_for(timeout=READY_MS)
    assert page.get_by_text("is being loaded").count() == 0
    whole = sum(size for name, size in sizes.items() if name.endswith((".js", ".css")))
    assert whole < 420_000, f"the reference has {whole} bytes: {sizes}"
    assert 0 < sizes["openapi.json"] < 100_000, "the document is not compressed"

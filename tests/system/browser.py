"""Chromium with Playwright, and the built admin UI. Tests skip, and say why, where one of them is missing."""

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runtime.admin_ui.building import stamp_of
from runtime.admin_ui.state import COMMAND, SOURCE
from runtime.commands.ui import document
from tests.system.conftest import lacking, program


def chromium_path() -> str:
    path = program("chromium", "chromium-browser", "google-chrome")
    if importlib.util.find_spec("playwright") is None:
        lacking("playwright is not installed")
    return path


def built_ui() -> Path:
    """The folder of the UI, built from the source as it is now."""
    stamp = SOURCE / "dist" / "stamp"
    if not stamp.exists():
        lacking(f"the admin UI is not built: {COMMAND}")
    if stamp.read_text() != stamp_of(SOURCE, document()):
        lacking(f"the admin UI was built from another source: {COMMAND}")
    return SOURCE


MOST_TOLD = 4_000
"""Characters of what a failure tells of a page."""


@contextmanager
def telling(page: Any) -> Iterator[None]:  # Playwright's Page
    """While it runs, what a page sends and is refused is kept. A failure says it, with the page's text:
    "30 s passed" alone tells nobody what the person saw.

        POST http://localhost:3000/key/generate 429
    """
    kept: list[str] = []

    def answered(response: Any) -> None:
        if response.status >= 400:
            kept.append(f"{response.request.method} {response.url} {response.status}")

    page.on("response", answered)
    page.on("requestfailed", lambda sent: kept.append(f"{sent.method} {sent.url} {sent.failure}"))
    page.on("console", lambda said: kept.append(f"console: {said.text}"))
    page.on("pageerror", lambda error: kept.append(f"error: {error}"))
    try:
        yield
    except Exception as exc:
        kept += [f"at {page.url} the page says:", *page.locator("body").all_inner_texts()]
        exc.add_note("\n".join(kept)[:MOST_TOLD])
        raise


@contextmanager
def running_browser(path: str) -> Iterator[Any]:  # Playwright's Browser: the package may be missing
    """A browser. While it runs the thread has an event loop, so no SQL is run in it."""
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield browser
        finally:
            browser.close()

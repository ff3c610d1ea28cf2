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

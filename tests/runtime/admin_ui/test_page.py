"""What `/ui` shows where the admin UI is not built: that it is being built, or what is missing."""

import os
from pathlib import Path

import pytest

from functions.contract.visit import WebPage
from runtime.admin_ui.built import BuiltUi
from runtime.admin_ui.state import BuildState, write_state
from runtime.signin import pages
from schema.login import HomeFacts

HOME = WebPage(name="home", facts=HomeFacts(name="ada", role="Admin", csrf="c0ffee"))


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(pages, "built_ui", lambda: BuiltUi(tmp_path))
    return tmp_path


def shown() -> str:
    return pages.html_of(HOME, "https://llm.example.com/gw").decode()


def test_a_build_under_way_is_told_and_the_page_comes_by_itself(source: Path) -> None:
    write_state(source, BuildState(state="building", pid=os.getpid()))
    page = shown()
    assert "is being built" in page
    assert '<meta http-equiv="refresh"' in page


@pytest.mark.parametrize("message", ["npm could not install the UI's packages", "<script>alert(1)</script>"])
def test_a_failed_build_is_told_with_its_reason_and_the_command(source: Path, message: str) -> None:
    write_state(source, BuildState(state="failed", message=message))
    page = shown()
    assert "could not be built" in page
    assert "just ui-build" in page
    assert "<script>" not in page
    assert "refresh" not in page


def test_without_any_build_the_page_names_the_command_and_signs_out(source: Path) -> None:
    page = shown()
    assert "just ui-build" in page
    assert 'action="/gw/logout"' in page

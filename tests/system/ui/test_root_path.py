"""The admin UI under a path, with a name of its own: in, to a page, a reload, and out again."""

from pathlib import Path

from tests.e2e.gateway import MASTER_KEY, free_port, serving
from tests.system.browser import built_ui, chromium_path, running_browser
from tests.system.ui.conftest import Notes


def test_the_ui_under_a_path_finds_its_files_its_api_and_its_way_out(
    postgres_dsn: str, tmp_path: Path
) -> None:
    built_ui()
    port = free_port()
    env = {"SERVER_ROOT_PATH": "/gw", "SWITCHGEAR_UI_TITLE": "Acme AI"}
    with (
        serving(tmp_path, {"model_list": []}, postgres_dsn, env=env, port=port) as gateway,
        running_browser(chromium_path()) as browser,
    ):
        page = browser.new_context().new_page()
        notes = Notes({gateway.url})
        notes.watch(page)
        page.goto(f"{gateway.url}/gw/ui/keys?status=active")
        page.get_by_text("Sign in with the master key").click()
        page.get_by_label("Master key").fill(MASTER_KEY)
        page.get_by_role("button", name="Sign in as admin").click()
        page.get_by_text("No key fits").wait_for()
        assert page.url == f"{gateway.url}/gw/ui/keys?status=active"
        assert page.title() == "Keys - Acme AI"
        page.get_by_role("link", name="Models", exact=True).click()
        page.reload()
        page.get_by_text("No models yet").wait_for()
        page.get_by_role("button", name="Account of").click()
        page.get_by_role("menuitem", name="Sign out").click()
        page.get_by_role("heading", name="You have signed out").wait_for()
        assert notes.found == []
        page.context.close()

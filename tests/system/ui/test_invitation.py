"""An invited person sets a password and comes to an own page, in a browser and without a provider."""

import uuid
from collections.abc import Iterator

import pytest

from tests.conftest import execute
from tests.databases import dsn_of
from tests.e2e.conftest import PROVIDER_KEY, SALT_KEY
from tests.e2e.gateway import Gateway, free_port, serving
from tests.fakes.hostile_upstream import HostileUpstream
from tests.system.browser import built_ui
from tests.system.ui.conftest import NewPage, Notes, sign_in_as_admin

PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def console(
    postgres_server: str,
    migrated_template: str,
    upstream: HostileUpstream,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """A gateway at which people sign in with passwords: no provider is set up."""
    built_ui()
    name = f"invited_{uuid.uuid4().hex}"
    execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    port = free_port()
    params = {"model": "openai/gpt-4", "api_base": f"{upstream.url}/v1", "api_key": PROVIDER_KEY}
    config = {"model_list": [{"model_name": "gpt-4", "litellm_params": params}]}
    env = {"PROXY_BASE_URL": f"http://127.0.0.1:{port}", "SWITCHGEAR_SALT_KEY": SALT_KEY}
    folder = tmp_path_factory.mktemp("invited")
    with serving(folder, config, dsn_of(postgres_server, name), env=env, port=port) as running:
        yield running
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


def test_an_invited_user_opens_the_link_sets_a_password_and_sees_an_own_page(
    console: Gateway, new_page: NewPage, notes: Notes
) -> None:
    made = console.post("/team/new", team_id="red", team_alias="Red", models=["gpt-4"])
    assert made.status_code == 200, made.text
    admin = new_page()
    sign_in_as_admin(admin, console, then="/ui/users")
    admin.get_by_role("button", name="Invite").first.click()
    dialog = admin.get_by_role("dialog")
    dialog.get_by_label("Address").fill("ruth@deeprunner.ai")
    dialog.get_by_label("Teams").click()
    admin.get_by_role("option", name="Red").click()
    admin.keyboard.press("Escape")
    dialog.get_by_role("button", name="Invite", exact=True).click()
    link = dialog.locator("code").inner_text().strip()
    assert link.startswith(f"{console.url}/invitation/accept?token="), link
    dialog.get_by_role("button", name="Done").click()
    dialog.wait_for(state="detached")
    row = admin.get_by_role("row").filter(has_text="ruth@deeprunner.ai")
    row.wait_for()
    assert link not in admin.content(), "the link is shown once"

    ruth = new_page()
    ruth.goto(link)
    ruth.get_by_label("Password", exact=True).fill(PASSWORD)
    ruth.get_by_label("The same password again").fill(PASSWORD)
    ruth.get_by_role("button", name="Set the password and sign in").click()
    ruth.wait_for_url("**/ui/me")
    ruth.get_by_role("heading", level=1, name="My page").wait_for()
    ruth.get_by_text("Red").first.wait_for()
    ruth.get_by_text("gpt-4").first.wait_for()
    rail = set(ruth.get_by_role("navigation", name="Pages").get_by_role("link").all_inner_texts())
    assert "Keys" in rail
    assert "Users" not in rail

    notes.allowed = ("401",)
    late = new_page()
    late.goto(link)
    late.get_by_text("This invitation has been used").wait_for()

"""A gateway with two workers, the built UI, and a browser that notes what a page must not do."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import execute
from tests.databases import dsn_of
from tests.e2e.conftest import INPUT_USD, OUTPUT_USD, PROVIDER_KEY, SALT_KEY
from tests.e2e.gateway import MASTER_KEY, Gateway, free_port, serving
from tests.e2e.sign_in import AUTHORITY, microsoft_env
from tests.fakes.entra import Entra
from tests.fakes.hostile_upstream import HostileUpstream
from tests.system.browser import built_ui, chromium_path, running_browser

NewPage = Callable[[], Any]  # Playwright's Page: the package may be missing
SERIOUS = """
    async () => (await axe.run(document, {
        resultTypes: ['violations'],
        runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'],
    })).violations
        .filter(each => ['serious', 'critical'].includes(each.impact))
        .map(each => `${each.id}: ${each.nodes.map(node => node.target.join(' ')).slice(0, 4).join(' | ')}`)
"""
"""The serious findings of axe about the page as it is now. `axe` is to be run in it before."""


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, which the UI's own lock names."""
    return (built_ui() / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.fixture(scope="module")
def console(
    postgres_server: str,
    migrated_template: str,
    upstream: HostileUpstream,
    entra: Entra,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """A gateway with two models, whose people sign in at the fake tenant."""
    built_ui()
    name = f"ui_{uuid.uuid4().hex}"
    execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    port = free_port()
    entra.redirect_uris.add(f"http://127.0.0.1:{port}/sso/callback")
    prices = {"input_cost_per_token": INPUT_USD, "output_cost_per_token": OUTPUT_USD}
    models = [
        {
            "model_name": public,
            "litellm_params": {
                "model": "openai/gpt-4",
                "api_base": f"{upstream.url}/v1",
                "api_key": PROVIDER_KEY,
                **prices,
            },
        }
        for public in ("gpt-4", "second")
    ]
    env = {
        **microsoft_env(entra),
        AUTHORITY: entra.url,
        "PROXY_BASE_URL": f"http://127.0.0.1:{port}",
        "SWITCHGEAR_SALT_KEY": SALT_KEY,
    }
    folder = tmp_path_factory.mktemp("console")
    config = {"model_list": models, "router_settings": {"num_retries": 0}}
    with serving(
        folder, config, dsn_of(postgres_server, name), "--workers", "2", env=env, port=port
    ) as running:
        yield running
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


class Notes:
    """What the pages of a test did that no page may do."""

    def __init__(self, origins: set[str]) -> None:
        self._origins = origins
        self.found: list[str] = []
        self.allowed: tuple[str, ...] = ()
        """Parts of messages that a test provokes. A machine whose networks change says so in each browser."""

    def watch(self, page: Any) -> None:
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.found.append(f"error: {error}"))
        page.on("request", self._on_request)

    def _on_console(self, message: Any) -> None:
        allowed = (*self.allowed, "ERR_NETWORK_CHANGED")
        if message.type in ("error", "warning") and not any(part in message.text for part in allowed):
            self.found.append(f"{message.type}: {message.text}")

    def _on_request(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and f"{parts.scheme}://{parts.netloc}" not in self._origins:
            self.found.append(f"a request left the origin: {request.url}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with running_browser(chromium_path()) as running:
        yield running


@pytest.fixture
def notes(console: Gateway, entra: Entra) -> Iterator[Notes]:
    """Fails a test whose page wrote an error into the console, or asked anything of another origin."""
    told = Notes({console.url, entra.url})
    yield told
    assert told.found == []


@pytest.fixture
def new_page(browser: Any, notes: Notes) -> Iterator[NewPage]:
    """Makes pages, each of a browser without a past."""
    contexts = []

    def make() -> Any:
        context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light")
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        notes.watch(page)
        return page

    yield make
    for context in contexts:
        context.close()


def sign_in_as_admin(page: Any, console: Gateway, then: str = "/ui") -> None:
    """By the master key, as in an emergency."""
    page.goto(f"{console.url}/login?return_to={then}")
    page.get_by_text("Sign in with the master key").click()
    page.get_by_label("Master key").fill(MASTER_KEY)
    page.get_by_role("button", name="Sign in as admin").click()

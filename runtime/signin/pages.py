"""Renders the pages: each has a template of its name. Jinja escapes what is shown."""

from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from functions.contract.visit import WebPage
from runtime.admin_ui.built import built_ui
from runtime.admin_ui.state import COMMAND
from schema.errors.base import GatewayError
from schema.errors.overload import Overloaded
from schema.login import MessageFacts

if TYPE_CHECKING:
    from jinja2 import Environment

TITLES = (
    (401, "Signing in did not work"),
    (403, "This is not allowed"),
    (404, "There is nothing here"),
    (429, "Too many tries"),
    (503, "Not possible right now"),
)


def html_of(page: WebPage, base_url: str) -> bytes:
    """A page as HTML. `base_url` is the address of the gateway as the browser sees it."""
    template = _templates().get_template(f"{page.name}.html")
    build = built_ui().state() if page.name == "home" else None
    return template.render(
        facts=page.facts, root=urlsplit(base_url).path, build=build, command=COMMAND
    ).encode()


def error_page(error: GatewayError) -> WebPage:
    """The page of an error."""
    title = dict(TITLES).get(error.http_status, "Something went wrong")
    wait_s = error.retry_after_s if error.http_status == 429 or isinstance(error, Overloaded) else None
    return WebPage(
        name="error",
        facts=MessageFacts(title=title, message=error.message),
        status=error.http_status,
        retry_after_s=None if wait_s is None else int(wait_s) + 1,
    )


@cache
def _templates() -> "Environment":
    """Jinja is imported, and templates are read, where the first page is shown."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from runtime.signin.style import TEMPLATES

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

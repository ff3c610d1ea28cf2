"""The page of the API reference: the one that the build of the admin UI made, or one that says what is
missing."""

from html import escape

from runtime.admin_ui.built import PAGE_HEADERS as APP_HEADERS
from runtime.admin_ui.built import REFERENCE, BuiltUi
from runtime.admin_ui.state import COMMAND, BuildState
from runtime.reply import PAGE_HEADERS, Reply
from runtime.signin.style import STYLE_PATH

RELOAD_S = 2


def reference_reply(ui: BuiltUi, root_path: str, *, title: str = "") -> Reply:
    """The page. `root_path` is the path under which a proxy shows the gateway, such as `/llm`. This reads
    files."""
    built = ui.page(root_path, title=title, name=REFERENCE)
    if built is not None:
        return _page(built, APP_HEADERS)
    return _page(missing_page(ui.state(), root_path).encode(), PAGE_HEADERS)


def _page(body: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> Reply:
    return Reply(status=200, headers=[*headers, (b"content-length", b"%d" % len(body))], body=body)


def missing_page(state: BuildState, root_path: str) -> str:
    """What is shown where the admin UI, of which the reference is a part, is not built."""
    root = escape(root_path)
    is_building = state.state == "building"
    reload = f'<meta http-equiv="refresh" content="{RELOAD_S}">' if is_building else ""
    if is_building:
        told = '<p role="status">It is being built with the admin UI, and comes by itself.</p>'
    else:
        told = (
            '<div class="note warn"><p>It is built with the admin UI, which is not built here. Run '
            f'<code class="mono">{COMMAND}</code>, then reload this page.</p>'
            f'<p class="mono words">{escape(state.message)}</p></div>'
        )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{reload}'
        f'<title>API reference</title><link rel="stylesheet" href="{root}{STYLE_PATH}"></head>'
        f"<body><main><h1>API reference</h1>{told}"
        f'<p>The <a href="{root}/openapi.json">OpenAPI document</a> lists every endpoint.</p>'
        "</main></body></html>"
    )

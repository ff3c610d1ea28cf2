"""The built admin UI: its page, and the files that the page loads.

The names of the files have a hash of their content, so a browser keeps them for ever. Each file stands beside
its compressed forms, which the build made.
"""

import json
import re
from collections.abc import Sequence
from functools import cache, lru_cache
from html import escape
from pathlib import Path
from types import MappingProxyType

import msgspec

from runtime.admin_ui.state import SOURCE, BuildState, read_state

ASSETS_PATH = "/ui/assets"
HOME = "index.html"
REFERENCE = "reference.html"
"""The pages that a build makes."""
NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
KINDS = MappingProxyType(
    {
        ".js": b"text/javascript; charset=utf-8",
        ".css": b"text/css; charset=utf-8",
        ".svg": b"image/svg+xml",
        ".woff2": b"font/woff2",
    }
)
CODINGS = MappingProxyType({"br": ".br", "gzip": ".gz"})
"""The compressed forms, the smallest first, each with the ending of its files."""
SAFE_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"same-origin"),
)
PAGE_HEADERS = (
    (b"content-type", b"text/html; charset=utf-8"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        b"font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'self'; frame-ancestors 'none'; "
        b"object-src 'none'",
    ),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
    (b"cache-control", b"no-store"),
    *SAFE_HEADERS,
)
"""The page runs scripts of the gateway's own alone. Mantine writes its variables into style elements, which
is what `unsafe-inline` of styles is for."""
KEPT = b"public, max-age=31536000, immutable"


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """A file in the form that a browser takes."""

    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]


class BuiltUi:
    """The files under `source`/dist, which a build puts there at once. One a process."""

    def __init__(self, source: Path) -> None:
        self._source = source
        self._dist = source / "dist"
        self._read = lru_cache(maxsize=512)(self._read_asset)
        self._index = lru_cache(maxsize=2)(self._read_index)

    def page(self, root: str, *, title: str = "", accent: str = "", name: str = HOME) -> bytes | None:
        """A page, or None where the UI is not built. `root` is the path under which a proxy shows the
        gateway, such as `/llm`."""
        try:
            text = self._index(name, (self._dist / name).stat().st_mtime_ns)
        except OSError:
            return None
        facts = escape(json.dumps({"root": root, "title": title, "accent": accent}), quote=True)
        head = f'<head><base href="{escape(root, quote=True)}/ui/"><meta name="switchgear" content="{facts}">'
        return text.replace("<head>", head, 1).encode()

    def asset(self, name: str, taken: Sequence[str] = ()) -> Asset | None:
        """A file by its name, in the first of the codings taken that the build made of it, else as it is."""
        if not NAME.fullmatch(name) or Path(name).suffix not in KINDS:
            return None
        for coding in taken:
            try:
                return self._read(name, coding, CODINGS[coding])
            except OSError:
                continue
        try:
            return self._read(name, "", "")
        except OSError:
            return None

    def state(self) -> BuildState:
        """How the build stands, where there is no page yet."""
        return read_state(self._source)

    def _read_index(self, name: str, _changed_ns: int) -> str:
        return (self._dist / name).read_text()

    def _read_asset(self, name: str, coding: str, ending: str) -> Asset:
        body = (self._dist / "assets" / f"{name}{ending}").read_bytes()
        coded = ((b"content-encoding", coding.encode()),) if coding else ()
        headers = (
            (b"content-type", KINDS[Path(name).suffix]),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", KEPT),
            (b"vary", b"Accept-Encoding"),
            *coded,
            *SAFE_HEADERS,
        )
        return Asset(body=body, headers=headers)


@cache
def built_ui() -> BuiltUi:
    """The UI of this checkout."""
    return BuiltUi(SOURCE)

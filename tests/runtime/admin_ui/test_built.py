"""The built files as they are sent: the page with its root path, files in their compressed forms."""

import gzip
import os
from pathlib import Path

import pytest

from runtime.admin_ui.built import PAGE_HEADERS, BuiltUi

SCRIPT = b"console.log('the admin UI')"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    assets = tmp_path / "dist" / "assets"
    assets.mkdir(parents=True)
    (tmp_path / "dist" / "index.html").write_text("<!doctype html><head><title>x</title></head>")
    (assets / "index-abc.js").write_bytes(SCRIPT)
    (assets / "index-abc.js.gz").write_bytes(gzip.compress(SCRIPT))
    (tmp_path / "dist" / "stamp").write_text("a secret of the build")
    return tmp_path


def test_the_page_says_where_the_gateway_is(source: Path) -> None:
    page = BuiltUi(source).page("/gw", title='a "b" <c>')
    assert page is not None
    assert b'<base href="/gw/ui/">' in page
    assert b"&quot;root&quot;: &quot;/gw&quot;" in page
    assert b"<c>" not in page


def test_a_new_build_is_served_without_a_restart(source: Path) -> None:
    built, index = BuiltUi(source), source / "dist" / "index.html"
    assert b"<title>x" in (built.page("") or b"")
    index.write_text("<!doctype html><head><title>y</title></head>")
    os.utime(index, ns=(1, 1))
    assert b"<title>y" in (built.page("") or b"")
    index.unlink()
    assert built.page("") is None


@pytest.mark.parametrize(
    ("taken", "coding"),
    [(("br", "gzip"), b"gzip"), (("gzip",), b"gzip"), (("br",), None), ((), None)],
)
def test_a_file_is_sent_in_the_form_that_the_browser_takes(
    source: Path, taken: tuple[str, ...], coding: bytes | None
) -> None:
    asset = BuiltUi(source).asset("index-abc.js", taken)
    assert asset is not None
    headers = dict(asset.headers)
    assert headers.get(b"content-encoding") == coding
    assert headers[b"content-length"] == b"%d" % len(asset.body)
    assert b"immutable" in headers[b"cache-control"]
    assert (gzip.decompress(asset.body) if coding else asset.body) == SCRIPT


@pytest.mark.parametrize(
    "name", ["../stamp", "..%2fstamp", "stamp", "index-abc.js.gz", "none.js", ".js", "a/b.js", "x" * 500]
)
def test_no_other_file_is_sent(source: Path, name: str) -> None:
    assert BuiltUi(source).asset(name, ("gzip",)) is None


def test_the_page_runs_scripts_of_its_own_alone() -> None:
    policy = dict(PAGE_HEADERS)[b"content-security-policy"].decode()
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["script-src"] == "'self'"
    assert rules["default-src"] == "'none'"
    assert "http" not in policy

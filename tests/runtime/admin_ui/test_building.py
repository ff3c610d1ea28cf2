"""The build of the admin UI, with programs of Python's in the place of Node's."""

import os
import sys
from pathlib import Path

import pytest

import runtime.admin_ui.building as building
from runtime.admin_ui.building import BuildFailed, Npm, build, find_npm, stamp_of
from runtime.admin_ui.state import BuildState, read_state, write_state

VITE = """
import sys, pathlib
out = pathlib.Path(sys.argv[sys.argv.index("--outDir") + 1])
(out / "assets").mkdir(parents=True)
(out / "index.html").write_text("<head></head>")
"""
TYPES = "import sys, pathlib; pathlib.Path('src/api/schema.d.ts').write_text(open(sys.argv[1]).read())"
DOCUMENT = b'{"openapi": "3.1.0"}'


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a UI whose programs are small ones of Python's."""
    for name in building.INPUTS[1:]:
        (tmp_path / name).write_text("{}")
    (tmp_path / "src" / "api").mkdir(parents=True)
    (tmp_path / "src" / "main.tsx").write_text("1")
    for path, code in {
        "openapi-typescript/bin/cli.js": TYPES,
        "typescript/bin/tsc": "",
        "vite/bin/vite.js": VITE,
        "npm.py": "",
    }.items():
        program = tmp_path / "node_modules" / path
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(code)
    npm = Npm(
        tmp_path,
        (sys.executable,),
        (sys.executable, str(tmp_path / "node_modules" / "npm.py")),
        {"PATH": os.defpath},
    )
    monkeypatch.setattr(building, "find_npm", lambda source, env: npm)
    return tmp_path


def test_a_build_puts_its_files_there_and_a_second_one_does_nothing(source: Path) -> None:
    assert build(source, DOCUMENT, {})
    assert (source / "dist" / "index.html").exists()
    assert (source / "src" / "api" / "schema.d.ts").read_bytes() == DOCUMENT
    assert read_state(source).state == "absent"
    assert not build(source, DOCUMENT, {})
    assert build(source, DOCUMENT, {}, force=True)


def test_the_stamp_follows_the_source_and_the_api_and_not_the_tests(source: Path) -> None:
    before = stamp_of(source, DOCUMENT)
    (source / "src" / "main.test.ts").write_text("a test")
    (source / "src" / "api" / "schema.d.ts").write_text("made")
    assert stamp_of(source, DOCUMENT) == before
    assert stamp_of(source, b"{}") != before
    (source / "src" / "main.tsx").write_text("2")
    assert stamp_of(source, DOCUMENT) != before


def test_a_failed_build_says_why_and_leaves_the_earlier_one(source: Path) -> None:
    build(source, DOCUMENT, {})
    tsc = source / "node_modules" / "typescript" / "bin" / "tsc"
    tsc.write_text("raise SystemExit('Keys.tsx(3,1): no such field')")
    (source / "src" / "main.tsx").write_text("2")
    with pytest.raises(BuildFailed, match="no such field"):
        build(source, DOCUMENT, {})
    assert "no such field" in read_state(source).message
    assert (source / "dist" / "index.html").exists()


def test_without_a_registry_the_message_names_it_and_the_command(source: Path) -> None:
    (source / "node_modules" / "npm.py").write_text("raise SystemExit('npm error ENOTFOUND')")
    with pytest.raises(BuildFailed):
        build(source, DOCUMENT, {})
    state = read_state(source)
    assert state.state == "failed"
    for part in ("registry", "just ui-build", "ENOTFOUND"):
        assert part in state.message


def test_a_machine_without_node_is_told_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(BuildFailed, match="Node 20 or newer is missing"):
        find_npm(tmp_path, {})


def test_a_build_whose_process_is_gone_is_not_under_way(tmp_path: Path) -> None:
    write_state(tmp_path, BuildState(state="building", pid=os.getpid()))
    assert read_state(tmp_path).state == "building"
    write_state(tmp_path, BuildState(state="building", pid=2**22 + 1))
    assert read_state(tmp_path).state == "failed"
    write_state(tmp_path, None)
    assert read_state(tmp_path).state == "absent"

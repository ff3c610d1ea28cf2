"""The house's own rules: what stands where, and that the catalogue is whole."""

import ast
import importlib
import subprocess
import tomllib
from pathlib import Path
from typing import get_type_hints

import pytest

from functions.contract.call import Call
from functions.contract.function import Manifest, manifest_of
from functions.ports.context import Ports
from runtime.catalog import CATALOG, UnknownFunction, entries, entry_named

ROOT = Path(__file__).parents[1]
PACKAGES = ("schema", "models_registry", "functions", "runtime")
TOP_LEVEL = {
    ".ci",
    ".gitignore",
    "LICENSE",
    "README.md",
    "docs",
    "functions",
    "infra",
    "justfile",
    "models_registry",
    "pyproject.toml",
    "runtime",
    "schema",
    "tests",
    "uv.lock",
}

ENTRANCE = {
    "__main__",
    "blueprint",
    "catalog",
    "config_file",
    "invoke",
    "outbound",
    "readiness",
    "reply",
    "services",
    "settings",
    "stopping",
    "stores",
}
"""The modules of `runtime` that stand in no room: they put rooms together, or serve all of them."""
SHARED_WORDS = {
    "dates",
    "errors",
    "fields",
    "labels",
    "limits",
    "log_page",
    "money",
    "overlay",
    "reports",
    "route_options",
    "secret",
    "shape",
    "usage",
    "window",
    "wire",
}
"""The modules of `schema` that are in no room and are no endpoint's twin: several endpoints share them."""


def tracked() -> list[str]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode != 0:
        pytest.skip("not a git checkout")
    return listing.stdout.splitlines()


def test_the_top_level_holds_what_the_design_lists() -> None:
    assert {name.split("/", 1)[0] for name in tracked()} <= TOP_LEVEL


@pytest.mark.parametrize("name", [*PACKAGES, "tests"])
def test_our_packages_are_the_ones_that_are_imported(name: str) -> None:
    """Piccolo's wheel brings a top-level `tests`, which must not be taken for ours."""
    module = importlib.import_module(name)
    assert Path(str(module.__file__)).is_relative_to(ROOT)


def test_every_folder_of_code_is_a_package() -> None:
    folders = {Path(name).parent for name in tracked() if name.endswith(".py")}
    bare = [str(folder) for folder in folders if not (ROOT / folder / "__init__.py").exists()]
    assert bare == []


def test_every_decorated_function_is_in_the_catalogue() -> None:
    mounted = {(fn.__module__, fn.__name__) for fn in CATALOG}
    declared = set()
    for path in (ROOT / "functions").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.AsyncFunctionDef) and any(
                isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id == "function"
                for mark in node.decorator_list
            ):
                declared.add((f"functions.{path.stem}", node.name))
    assert declared == mounted


def modules_in(folder: str) -> set[str]:
    """The modules right in a folder, by name."""
    found = [Path(name) for name in tracked() if name.endswith(".py") and (ROOT / name).exists()]
    return {path.stem for path in found if path.parent == Path(folder)} - {"__init__"}


def declares_a_function(path: Path) -> bool:
    nodes = ast.walk(ast.parse(path.read_text()))
    return any(
        ast.unparse(mark).startswith("function(")
        for node in nodes
        if isinstance(node, ast.AsyncFunctionDef)
        for mark in node.decorator_list
    )


def test_the_flat_folder_of_functions_holds_the_endpoints_and_nothing_else() -> None:
    code = [Path(name) for name in tracked() if name.startswith("functions/") and name.endswith(".py")]
    endpoints = {path.stem for path in code if declares_a_function(ROOT / path)}
    assert endpoints == modules_in("functions")


@pytest.mark.parametrize("name", sorted(modules_in("functions")))
def test_an_endpoint_has_its_wire_and_its_tests_under_its_own_name(name: str) -> None:
    assert name in modules_in("schema")
    assert f"test_{name}" in modules_in("tests/functions")


def test_the_flat_folder_of_schema_holds_twins_and_shared_words() -> None:
    assert modules_in("schema") - modules_in("functions") == SHARED_WORDS


def test_the_folder_of_runtime_holds_what_puts_the_rooms_together() -> None:
    assert modules_in("runtime") == ENTRANCE


def test_tests_stand_where_what_they_test_stands() -> None:
    folders = {Path(name).parent for name in tracked() if name.startswith("tests/") and name.endswith(".py")}
    mirrors = [
        folder.relative_to("tests") for folder in folders if folder.parts[1:2] and folder.parts[1] in PACKAGES
    ]
    assert len(mirrors) > len(PACKAGES)
    assert [str(folder) for folder in mirrors if not (ROOT / folder / "__init__.py").exists()] == []


def test_the_rule_that_keeps_piccolo_in_its_room_names_every_other_module() -> None:
    """The other rules of the kind are `exhaustive`: import-linter itself says what they leave out."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (rule,) = [each for each in contracts if each["name"].startswith("Piccolo")]
    rooms = {name.split("/")[1] for name in tracked() if name.startswith("schema/") and name.count("/") > 1}
    expected = (modules_in("schema") | rooms) - {"tables"}
    assert sorted(rule["source_modules"]) == sorted(f"schema.{name}" for name in expected)


def manifests() -> list[Manifest]:
    return [manifest_of(fn) for fn in CATALOG]


def test_no_two_functions_share_a_name_or_a_route() -> None:
    names = [manifest.name for manifest in manifests()]
    routes = [
        (manifest.method, path) for manifest in manifests() for path in (manifest.path, *manifest.aliases)
    ]
    assert len(set(names)) == len(names)
    assert len(set(routes)) == len(routes)


def test_every_context_has_at_most_eight_ports() -> None:
    for manifest in manifests():
        values = {"call", "policy", "accesses"}
        assert len(set(manifest.context.__struct_fields__) - values) <= 8, manifest.context


def test_every_context_is_made_of_ports_by_their_names_and_types() -> None:
    ports = get_type_hints(Ports) | {"call": Call}
    for manifest in manifests():
        for name, kind in get_type_hints(manifest.context).items():
            assert ports.get(name) == kind, f"{manifest.context.__name__}.{name}"


def test_families_can_be_mounted_apart() -> None:
    families = {entry.manifest.family for entry in entries(["chat", "embeddings"])}
    assert families == {"chat", "embeddings", "health", "metrics"}
    with pytest.raises(UnknownFunction, match="nope"):
        entries(["nope"])


@pytest.mark.parametrize(
    ("name", "found"),
    [("chat", "chat"), ("keys", "keys.generate"), ("keys.info", "keys.info"), ("spend", "spend.logs")],
)
def test_a_function_is_found_by_its_name_or_its_family(name: str, found: str) -> None:
    assert entry_named(name).manifest.name == found


def test_only_settings_reads_the_environment() -> None:
    readers = [
        name
        for name in tracked()
        if name.endswith(".py")
        and name.startswith(PACKAGES)
        and ("os.environ" in (text := (ROOT / name).read_text()) or "os.getenv" in text)
        and name not in ("runtime/settings.py", "models_registry/config/reader.py")  # its prefix's name
    ]
    users = [
        name
        for name in readers
        if "os.environ[" in (ROOT / name).read_text() or "os.environ." in (ROOT / name).read_text()
    ]
    assert users == []


def test_there_is_no_module_level_mutable_state() -> None:
    """A list, dict or set at module level is shared by everything in the process."""
    found = []
    for name in tracked():
        if not name.endswith(".py") or not name.startswith(PACKAGES) or "piccolo_migrations" in name:
            continue
        for node in ast.parse((ROOT / name).read_text()).body:
            if not isinstance(node, ast.Assign | ast.AnnAssign):
                continue
            target = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
            if (
                isinstance(node.value, ast.List | ast.Set | ast.ListComp | ast.SetComp)
                and target != "__all__"
            ):
                found.append(f"{name}: {target}")
    assert found == []


def kept_exceptions(tree: ast.AST) -> list[int]:
    """Lines that give a caught exception a second name, which outlives its handler, and lines that raise a
    name: there the frame holds the exception, whose traceback holds the frame."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and node.name:
            for each in ast.walk(node):
                if isinstance(each, ast.Assign | ast.AnnAssign | ast.NamedExpr) and each.value is not None:
                    values = each.value.elts if isinstance(each.value, ast.Tuple) else [each.value]
                    found += [
                        each.lineno
                        for value in values
                        if isinstance(value, ast.Name) and value.id == node.name
                    ]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            caught = {each.name for each in ast.walk(node) if isinstance(each, ast.ExceptHandler)}
            found += [
                each.lineno
                for each in ast.walk(node)
                if isinstance(each, ast.Raise)
                and isinstance(each.exc, ast.Name)
                and each.exc.id not in caught
                and each.exc.id[:1].islower()
            ]
    return found


@pytest.mark.parametrize(
    "code",
    [
        "def f():\n    try: g()\n    except E as exc: kept = exc",
        "def f(self):\n    try: g()\n    except E as exc: self.first, self.error = b'', exc",
        "def f():\n    error = E()\n    raise error",
    ],
)
def test_the_search_for_kept_exceptions_finds_them(code: str) -> None:
    assert kept_exceptions(ast.parse(code)) == [3]


def test_no_frame_keeps_the_exception_that_holds_it() -> None:
    found = [
        f"{name}:{line}"
        for name in tracked()
        if name.endswith(".py") and name.startswith(PACKAGES)
        for line in kept_exceptions(ast.parse((ROOT / name).read_text()))
    ]
    assert found == []

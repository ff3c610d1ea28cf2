"""The house's own rules: where things stand, and that the catalogue is complete."""

import ast
import importlib
import json
import re
import subprocess
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_type_hints

import pytest

from functions.contract.call import Call
from functions.contract.function import Manifest, manifest_of
from functions.contract.visit import Visit
from functions.ports.context import Ports
from models_registry.config.providers import PROVIDERS
from runtime.catalog import CATALOG, UnknownFunction, entries, entry_named

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
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
    "people",
    "readiness",
    "reply",
    "services",
    "settings",
    "stopping",
    "stores",
}
"""The modules of `runtime` that stand in no room: they put rooms together, or serve all of them."""
SHARED_WORDS = {
    "cache_options",
    "dates",
    "fields",
    "identity",
    "labels",
    "lenient",
    "limits",
    "log_page",
    "messages_errors",
    "metadata",
    "money",
    "overlay",
    "reports",
    "route_options",
    "secret",
    "shape",
    "undeclared",
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


def contracts() -> dict[str, dict[str, list[str]]]:
    """The import rules of `pyproject.toml`, by the first word of their names."""
    rules = PROJECT["tool"]["importlinter"]["contracts"]
    return {each["name"].split()[0]: each for each in rules}


def test_the_rule_that_keeps_piccolo_in_its_room_names_every_other_module() -> None:
    """The other rules of the kind are `exhaustive`: import-linter itself says what they leave out."""
    rooms = {name.split("/")[1] for name in tracked() if name.startswith("schema/") and name.count("/") > 1}
    expected = (modules_in("schema") | rooms) - {"tables"}
    assert sorted(contracts()["Piccolo"]["source_modules"]) == sorted(f"schema.{name}" for name in expected)


def test_the_rule_that_keeps_backends_apart_names_every_backend() -> None:
    folder = "models_registry/backends/"
    rooms = {name.split("/")[2] for name in tracked() if name.startswith(folder) and name.count("/") > 2}
    assert sorted(contracts()["Backends"]["modules"]) == sorted(
        f"models_registry.backends.{name}" for name in rooms
    )


MODULES = {"google-auth": "google", "argon2-cffi": "argon2", "scim2-models": "scim2_models"}
"""Dependencies whose modules have another name."""
WITHOUT_IO = {"google-re2", "msgspec", "pyyaml", "tzdata"}


def test_what_does_io_among_our_dependencies_stays_in_runtime() -> None:
    """A new dependency is put into the rules, or among those that do none."""
    named = {
        MODULES.get(name := re.split(r"[>=;\s]", line)[0], name)
        for line in PROJECT["project"]["dependencies"]
    }
    for rule in ("No", "Piccolo"):
        assert set(contracts()[rule]["forbidden_modules"]) == named - WITHOUT_IO


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
        values = {"call", "visit", "policy", "accesses"}
        assert len(set(manifest.context.__struct_fields__) - values) <= 8, manifest.context


def test_every_context_is_made_of_ports_by_their_names_and_types() -> None:
    ports = get_type_hints(Ports) | {"call": Call, "visit": Visit}
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


def code_of(*packages: str) -> Iterator[tuple[str, ast.Module]]:
    """The files of our packages, by name. Migrations are left out: Piccolo writes them."""
    for name in tracked():
        if name.endswith(".py") and name.startswith(packages) and "piccolo_migrations" not in name:
            yield name, ast.parse((ROOT / name).read_text())


ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}


def environment_reads(tree: ast.AST) -> list[int]:
    """Lines that take the process's environment from `os`, under whatever name it was imported."""
    modules = {"os", "posix"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {each.asname for each in node.names if each.name in ("os", "posix") and each.asname}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in modules and node.attr in ENVIRONMENT:
                found.append(node.lineno)
        elif isinstance(node, ast.ImportFrom) and node.module in ("os", "posix"):
            found += [node.lineno for each in node.names if each.name in ENVIRONMENT]
    return found


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos.environ['A']",
        "import os\nos.getenv('A')",
        "import os\nf(os.environ)",
        "import os as system\nsystem.environ.get('A')",
        "\nfrom os import getenv as said",
        "import os\ndef f() -> str: return dict(os.environb)",
    ],
)
def test_the_search_for_reads_of_the_environment_finds_them(code: str) -> None:
    assert environment_reads(ast.parse(code)) == [2]


def test_only_settings_reads_the_environment() -> None:
    readers = {name for name, tree in code_of(*PACKAGES) if environment_reads(tree)}
    assert readers == {"runtime/settings.py"}


MUTABLE = ast.List | ast.Set | ast.Dict | ast.ListComp | ast.SetComp | ast.DictComp
MAKERS = {
    "bytearray",
    "Counter",
    "defaultdict",
    "deque",
    "dict",
    "list",
    "OrderedDict",
    "set",
    "WeakKeyDictionary",
    "WeakSet",
    "WeakValueDictionary",
}


def top_statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """What runs when a module is imported, in an `if`, `try`, `with` or loop too."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While):
            inside = [each for each in ast.iter_child_nodes(node) if isinstance(each, ast.stmt)]
            inside += [each for one in getattr(node, "handlers", ()) for each in one.body]
            yield from top_statements(inside)


def shared_mutables(tree: ast.Module) -> list[int]:
    """Lines that give a name of a module a list, dict or set, or that declare one `global`. A constant of
    another kind holds its dict as `MappingProxyType`."""
    found = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Global)]
    for node in top_statements(tree.body):
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        made = isinstance(node.value, ast.Call) and ast.unparse(node.value.func).split(".")[-1] in MAKERS
        if (isinstance(node.value, MUTABLE) or made) and ast.unparse(targets[0]) != "__all__":
            found.append(node.lineno)
    return found


@pytest.mark.parametrize(
    "code",
    [
        "KINDS = {'a': 1}",
        "KINDS: Mapping[str, int] = {key: 1 for key in NAMES}",
        "KINDS = dict(a=1)",
        "kept: list[str] = []",
        "kept = {*NAMES}",
        "kept = collections.defaultdict(list)",
        "if HERE: kept = []",
        "def f(): global kept",
    ],
)
def test_the_search_for_shared_mutables_finds_them(code: str) -> None:
    assert shared_mutables(ast.parse(code)) == [1]


@pytest.mark.parametrize(
    "code", ["KINDS = MappingProxyType({'a': 1})", "NAMES = ('a',)", "def f(): kept = []"]
)
def test_the_search_for_shared_mutables_passes_constants(code: str) -> None:
    assert shared_mutables(ast.parse(code)) == []


def test_there_is_no_module_level_mutable_state() -> None:
    """A list, dict or set at module level is shared by everything in the process."""
    found = [f"{name}:{line}" for name, tree in code_of(*PACKAGES) for line in shared_mutables(tree)]
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
    found = [f"{name}:{line}" for name, tree in code_of(*PACKAGES) for line in kept_exceptions(tree)]
    assert found == []


def named_providers(tree: ast.AST) -> list[int]:
    """Lines that compare something with a provider's name, or with a dialect."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            sides += [each for side in sides if isinstance(side, ast.Tuple | ast.Set) for each in side.elts]
        elif isinstance(node, ast.MatchValue):
            sides = [node.value]
        else:
            continue
        found += [
            node.lineno if isinstance(node, ast.Compare) else node.value.lineno
            for side in sides
            if (isinstance(side, ast.Constant) and side.value in PROVIDERS)
            or (isinstance(side, ast.Attribute) and ast.unparse(side.value) == "Dialect")
        ]
    return found


@pytest.mark.parametrize(
    "code",
    [
        'f(a if target.provider == "openai" else b)',
        'row = prefix in ("anthropic", "x")',
        "if target.dialect is Dialect.OLLAMA: pass",
        "match dialect:\n    case Dialect.OPENAI: pass",
    ],
)
def test_the_search_for_providers_in_conditions_finds_them(code: str) -> None:
    assert len(named_providers(ast.parse(code))) == 1


def test_what_differs_between_providers_is_data_of_a_row_and_no_condition() -> None:
    """`models_registry/config/providers.py` has a row for each, `models_registry/dialects.py` one for each
    dialect."""
    found = [
        f"{name}:{line}"
        for name in tracked()
        if name.endswith(".py") and name.startswith(PACKAGES)
        for line in named_providers(ast.parse((ROOT / name).read_text()))
    ]
    assert found == []


SAME_NAME = {
    "SpendLog": "LiteLLM's name of the ledger's table, and of its row as it is answered and published",
}
"""Names that stand for two things, and why."""


def names_in(tree: ast.Module) -> list[str]:
    """The classes of a module, the nested and the private ones too, and its types by other names. A leading
    underscore is no other name."""
    classes = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    aliases = [
        ast.unparse(node.targets[0])
        for node in tree.body
        if isinstance(node, ast.Assign) and not isinstance(node.value, ast.Call)
    ]
    aliases = [name for name in aliases if re.fullmatch(r"_?[A-Z][a-z]\w*", name)]
    return [name.lstrip("_") for name in (*classes, *aliases)]


def test_a_name_of_a_type_stands_for_one_thing() -> None:
    places: dict[str, list[str]] = {}
    for path in tracked():
        if path.endswith(".py") and path.startswith(PACKAGES) and "piccolo_migrations" not in path:
            for name in names_in(ast.parse((ROOT / path).read_text())):
                places.setdefault(name, []).append(path)
    assert {name: found for name, found in places.items() if len(found) > 1}.keys() == SAME_NAME.keys(), [
        f"{name}: {', '.join(found)}" for name, found in places.items() if len(found) > 1
    ]


def test_the_search_for_names_finds_them() -> None:
    code = "class A:\n    class _B: pass\nCount = dict[str, int]\nMOST = 3\nT = TypeVar('T')"
    assert names_in(ast.parse(code)) == ["A", "B", "Count"]


def test_no_file_of_the_admin_ui_is_long() -> None:
    files = [ROOT / name for name in tracked() if re.fullmatch(r"runtime/ui/src/.*\.(tsx?|css)", name)]
    assert len(files) > 50
    lines = {str(path.relative_to(ROOT)): path.read_text().count("\n") for path in files if path.exists()}
    assert {name: count for name, count in lines.items() if count > 300} == {}


def test_the_admin_ui_takes_its_packages_from_the_public_registry() -> None:
    lock = json.loads((ROOT / "runtime" / "ui" / "package-lock.json").read_text())
    named = [package.get("resolved", "") for package in lock["packages"].values()]
    assert [url for url in named if url and not url.startswith("https://registry.npmjs.org/")] == []
    assert all("integrity" in package for name, package in lock["packages"].items() if name)

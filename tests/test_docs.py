"""What the documents name exists."""

import ast
import re
from pathlib import Path

import pytest

from models_registry.config.provider_page import provider_page
from models_registry.config.providers import PROVIDERS
from models_registry.prices.fields import METERS, SEARCH
from runtime.catalog import entries, entry_named, paths_of
from tests.test_house import PACKAGES, ROOT, names_in, tracked

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
PLACE = re.compile(r"`((?:functions|runtime|models_registry|schema|infra|tests|docs)/[\w/.-]+)`")
RECIPE = re.compile(r"\bjust ([a-z]+)\b")
INVOKED = re.compile(r"just invoke ([\w.-]+)")
NOT_RECIPES = {"the", "what", "as", "like", "once", "lists"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    missing = [name for name in LINK.findall(text) if not (page.parent / name).exists()]
    missing += [name for name in PLACE.findall(text) if not (ROOT / name).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_recipes_that_are_named_exist(page: Path) -> None:
    recipes = set(re.findall(r"^([a-z]+)[^:=\n]*:", (ROOT / "justfile").read_text(), re.MULTILINE))
    named = set(RECIPE.findall(page.read_text())) - NOT_RECIPES
    assert named <= recipes


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_functions_that_are_invoked_exist(page: Path) -> None:
    for name in INVOKED.findall(page.read_text()):
        entry_named(name)


def test_every_room_is_in_the_page_on_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    folders = {Path(name).parent for name in tracked() if name.endswith(".py") and name.startswith(PACKAGES)}
    rooms = {f"{folder}/" for folder in folders if folder.name != "piccolo_migrations"}
    assert [room for room in sorted(rooms) if f"| `{room}`" not in text] == []


def test_every_price_field_is_in_the_page_on_prices() -> None:
    text = (ROOT / "docs" / "prices.md").read_text()
    assert [name for name in (*METERS, SEARCH) if f"`{name}`" not in text] == []


def test_every_class_that_the_glossary_names_is_there() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text()
    columns = [line.rsplit("|", 2)[1] for line in text.splitlines() if line.startswith("| ")]
    named = {name for column in columns for name in re.findall(r"`([A-Z][a-z]\w+)[`.]", column)}
    code = [ROOT / name for name in tracked() if name.endswith(".py") and name.startswith(PACKAGES)]
    known = {name for path in code for name in names_in(ast.parse(path.read_text()))}
    assert len(named) > 50
    assert sorted(named - known) == []


def test_the_routes_that_are_named_as_missing_are_missing() -> None:
    _, missing = (
        (ROOT / "docs" / "litellm.md").read_text().split("## Routes that this version does not have\n")
    )
    rows = [row.split("|")[2] for row in missing.splitlines() if row.startswith("| ") and "`/" in row]
    plain = [re.sub(r"\([^)]*\)", "", row) for row in rows]  # brackets hold what there is instead
    named = {path for row in plain for path in re.findall(r"`(/[^`]*)`", row)}
    begun = tuple(path for path in named if path.endswith("/"))
    served = {each.path for each in paths_of(entries())}
    assert len(named) > 40
    assert [path for path in sorted(served) if path in named or path.startswith(begun)] == []


def test_the_page_of_providers_is_made_of_their_rows() -> None:
    """`just providers --markdown > docs/providers.md` writes it."""
    assert (ROOT / "docs" / "providers.md").read_text() == provider_page(PROVIDERS.values())

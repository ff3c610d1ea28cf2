"""Each command that the document and our docs name can be typed: what it names is there."""

import pytest

from tests.commands import PATH, Command, Wrong, check, commands, is_there
from tests.e2e.document import DOCUMENT

EVERY = commands()


@pytest.mark.parametrize("command", EVERY, ids=lambda each: f"{each.page}: {each.line}"[:100])
def test_a_command_of_the_docs_names_what_is_there(command: Command) -> None:
    check(command)


def test_the_commands_are_found() -> None:
    lines = {(each.page, each.line) for each in EVERY}
    assert len(EVERY) > 100
    assert {
        ("the document", "docker compose up -d"),
        ("the document", "docker exec litellm-ollama ollama pull llama3"),
        ("the document", "docker compose restart litellm"),
        ("the document", "./scripts/setup.sh"),
        ("README.md", "just dev"),
    } <= lines


@pytest.mark.parametrize(
    "line",
    [
        "docker compose restart gateway",
        "docker compose exec litellm switchgear nothing",
        "docker compose exec litellm switchgear doctor --online",
        "docker compose logs --tail 50 ollamas",
        "docker compose cp gateway:/data/x .",
        "docker compose run --rm litellm nothing",
        "docker compose run --rm gateway restore FILE",
        "docker compose upp -d",
        "docker exec litellm-postgres psql",
        "just nothing",
        "just serve --config infra/config/nothing.yaml",
        "just serve --worker 4",
        "just soak --hours 1",
        "switchgear restore FILE --fast",
        "./scripts/setup.sh --dryrun",
    ],
)
def test_a_command_that_names_what_is_not_there_is_found(line: str) -> None:
    with pytest.raises(Wrong):
        check(Command("a page", line))


def test_the_files_that_the_document_names_are_there() -> None:
    named = set(PATH.findall(DOCUMENT))
    assert named == {"config/litellm-config.yaml", "./scripts/setup.sh"}
    assert all(is_there(path) for path in named)

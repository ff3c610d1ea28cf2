"""The three programs of README.md are run as they stand there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.document import DOCUMENT
from tests.e2e.gateway import ROOT, Gateway
from tests.fakes.answers import TEXT
from tests.system.conftest import program
from tests.system.npm import install

README = (ROOT / "README.md").read_text()
SAID = "".join(TEXT)
MODELS = ("gpt-4", "claude-3-sonnet", "mistral-local")


def snippet(language: str, begins: str) -> str:
    """The one block of README.md in a language that begins so."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    (found,) = (block for block in blocks if block.startswith(begins))
    return str(found)


def run(gateway: Gateway, *words: str, folder: Path) -> str:
    """What a program prints. It finds the gateway by the two variables that README.md names."""
    env = {
        **os.environ,
        "OPENAI_BASE_URL": f"{gateway.url}/v1",
        "OPENAI_API_KEY": gateway.virtual_key(folder.name),
    }
    done = subprocess.run(
        words, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_python_program_calls_all_three_kinds_of_models(office: Gateway, tmp_path: Path) -> None:
    script = tmp_path / "calls.py"
    script.write_text(snippet("python", "from openai"))
    printed = run(office, sys.executable, str(script), folder=tmp_path)
    assert printed.splitlines() == [f"{model} {SAID}" for model in MODELS]


def test_the_javascript_program_streams(office: Gateway, tmp_path: Path) -> None:
    node = program("node")
    install("openai", tmp_path)
    script = tmp_path / "calls.mjs"
    script.write_text(snippet("javascript", "import OpenAI"))
    assert run(office, node, str(script), folder=tmp_path) == SAID


def test_the_curl_line_gets_an_answer_of_openais_form(office: Gateway, tmp_path: Path) -> None:
    program("curl")
    printed = run(office, "sh", "-c", snippet("bash", "curl "), folder=tmp_path)
    assert json.loads(printed)["choices"][0]["message"]["content"] == SAID


def test_each_of_the_documents_benefits_is_linked_to_what_shows_it() -> None:
    """Five benefits with 13 points, in the document's order."""
    told = DOCUMENT.partition("## Key Benefits\n")[2].partition("\n## ")[0]
    counts = [part.count("\n   - ") for part in re.split(r"^\d\. ", told, flags=re.MULTILINE)[1:]]
    table = README.partition("## What you get\n")[2].partition("\n## ")[0]
    shown: list[list[str]] = []
    for line in table.splitlines():
        if line.startswith("| **"):
            shown.append([])
        elif line.startswith("| ") and shown:
            shown[-1].append(line)
    assert [len(points) for points in shown] == counts
    assert sum(counts) == 13
    for line in (line for points in shown for line in points):
        links = re.findall(r"\]\(((?:tests|docs)/[\w/.]+)\)", line)
        assert links, line
        assert any(link.startswith("tests/") for link in links), line


def test_readme_opens_with_the_picture_the_flow_and_the_benefits() -> None:
    headings = re.findall(r"^## (.+)$", README, re.MULTILINE)
    assert headings[:3] == ["A request, step by step", "What you get", "Start it"]
    picture = README.partition("```\n")[2].partition("```")[0]
    for box in ("nginx", "admin UI", "pgAdmin", "PostgreSQL", "OpenAI", "Anthropic", "Ollama"):
        assert box in picture


@pytest.mark.parametrize("step", range(1, 7))
def test_the_request_flow_has_the_documents_six_steps(step: int) -> None:
    told = README.partition("## A request, step by step\n")[2].partition("\n## ")[0]
    assert re.search(rf"^{step}\. ", told, re.MULTILINE)

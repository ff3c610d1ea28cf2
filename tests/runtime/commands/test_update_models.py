"""`just update-models`: the table made anew, or left as it is."""

import json
from pathlib import Path

import msgspec
import pytest

from models_registry.facts.table import TABLE, ModelFacts
from runtime.__main__ import main
from runtime.commands import update_models as module


def sources(folder: Path, count: int) -> list[str]:
    """The arguments for two sources in the shapes that are published, with so many models together."""
    litellm, dev = folder / "litellm.json", folder / "models-dev.json"
    entry = {"litellm_provider": "openai", "mode": "chat", "max_output_tokens": 10}
    litellm.write_text(json.dumps({f"m-{n}": entry for n in range(count - 1)}))
    claude = {"models": {"claude-x": {"limit": {"output": 5}}}}
    dev.write_text(json.dumps({"anthropic": claude, "odd": 1}))
    return [
        "update-models",
        "--litellm",
        str(litellm),
        "--models-dev",
        str(dev),
        "--to",
        str(folder / "t.jsonl"),
    ]


def test_a_table_is_written_and_can_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(sources(tmp_path, module.LEAST_MODELS)) == 0
    found = msgspec.json.Decoder(ModelFacts).decode_lines((tmp_path / "t.jsonl").read_bytes())
    assert len(found) == module.LEAST_MODELS
    assert found[0] == ModelFacts(provider="anthropic", model="claude-x", max_output_tokens=5)
    assert capsys.readouterr().out == f"{module.LEAST_MODELS} models: {tmp_path / 't.jsonl'}\n"


def test_lines_of_objects_are_read_too(tmp_path: Path) -> None:
    arguments = sources(tmp_path, module.LEAST_MODELS)
    lines = [{"model": f"m-{n}", "litellm_provider": "openai"} for n in range(module.LEAST_MODELS)]
    (tmp_path / "litellm.json").write_text("\n".join(map(json.dumps, lines)))
    line = {"provider": "mistral", "model": "mistral-large-latest", "limit": {"output": 7}}
    (tmp_path / "models-dev.json").write_text(json.dumps(line) + "\n" + json.dumps(line))
    assert main(arguments) == 0
    assert b'"provider":"mistral"' in (tmp_path / "t.jsonl").read_bytes()


@pytest.mark.parametrize("broken", ["{", "[]", "null", "", "7\n8"])
def test_a_source_that_is_none_leaves_the_table_as_it_is(
    tmp_path: Path, broken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = sources(tmp_path, module.LEAST_MODELS)
    (tmp_path / "litellm.json").write_text(broken)
    (tmp_path / "t.jsonl").write_text("before")
    assert main(arguments) == 1
    assert (tmp_path / "t.jsonl").read_text() == "before"
    assert capsys.readouterr().err.startswith("switchgear: ")


def test_a_source_that_can_not_be_reached_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["update-models", "--litellm", "http://127.0.0.1:9/x", "--models-dev", "/nowhere"]) == 1
    assert "http://127.0.0.1:9/x" in capsys.readouterr().err
    assert TABLE.exists()

"""The npm package @anthropic-ai/sdk against the gateway, with nothing changed but its baseURL and key."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.gateway import Gateway
from tests.fakes.agent_answers import BEFORE, EDIT, READ, SHORT
from tests.fakes.answers import COMPLETION_TOKENS, PROMPT_TOKENS
from tests.system.conftest import program
from tests.system.npm import install

PACKAGE = "@anthropic-ai/sdk"
INSTALL_S, RUN_S = 300, 60
DIALECTS = ("anthropic", "openai", "ollama", "gemini")
SCRIPT = """
import Anthropic from "@anthropic-ai/sdk";
const [baseURL, apiKey, model, file] = process.argv.slice(2);
const client = new Anthropic({ baseURL, apiKey, maxRetries: 0 });
const ask = { model, max_tokens: 64, messages: [{ role: "user", content: "Say hello." }] };
const stream = client.messages.stream(ask);
let text = "";
stream.on("text", (piece) => { text += piece; });
const final = await stream.finalMessage();
const schema = { type: "object", properties: { file_path: { type: "string" } } };
const tools = ["READ", "EDIT"].map((name) => ({ name, input_schema: schema }));
const turn = { role: "user", content: `FILE:${file}` };
const call = await client.messages.stream({ ...ask, messages: [turn], tools }).finalMessage();
const [use] = call.content;
const result = { type: "tool_result", tool_use_id: use.id, content: "BEFORE" };
const next = [turn, { role: "assistant", content: call.content }, { role: "user", content: [result] }];
const edit = await client.messages.stream({ ...ask, messages: next, tools }).finalMessage();
const counted = await client.messages.countTokens({ model, messages: ask.messages });
let refused = null;
try {
  await client.messages.create({ ...ask, model: "nobody" });
} catch (error) {
  refused = [error.constructor.name, error.status, error.error.error.type, Boolean(error.requestID)];
}
const { usage } = final;
console.log(JSON.stringify({ text, final: final.content, stop: final.stop_reason, usage, call: use,
  called: call.stop_reason, edit: edit.content[0], counted: counted.input_tokens, refused }));
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script, beside the package."""
    folder = tmp_path_factory.mktemp("anthropic-npm")
    install(PACKAGE, folder)
    path = folder / "script.mjs"
    path.write_text(SCRIPT.replace("READ", READ).replace("EDIT", EDIT).replace("BEFORE", BEFORE))
    return path


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_npm_sdk_streams_calls_tools_counts_and_raises(
    script: Path, house: Gateway, dialect: str, tmp_path: Path
) -> None:
    key, model, file = house.virtual_key(f"npm-{dialect}"), f"{dialect}-agent", tmp_path / "notes.txt"
    done = subprocess.run(
        [program("node"), str(script), house.url, key, model, str(file)],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    assert (found["text"], found["stop"]) == (SHORT, "end_turn")
    assert found["final"] == [{"type": "text", "text": SHORT}]
    assert (found["usage"]["input_tokens"], found["usage"]["output_tokens"]) == (
        PROMPT_TOKENS,
        COMPLETION_TOKENS,
    )
    assert (found["call"]["name"], found["called"]) == (READ, "tool_use")
    assert found["call"]["input"] == {"file_path": str(file)}
    assert found["edit"]["name"] == EDIT
    assert found["counted"] > 0
    assert found["refused"] == ["NotFoundError", 404, "not_found_error", True]

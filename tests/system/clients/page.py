"""The clients that the tests drive, and the page about them: `python -m tests.system.clients.page`."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

PAGE = Path(__file__).parents[3] / "docs" / "clients.md"
UPSTREAMS: Mapping[str, str] = MappingProxyType(
    {
        "hostile": "OpenAI's chat",
        "native": "OpenAI's Responses",
        "anthropic": "Anthropic",
        "ollama": "Ollama",
    }
)
"""The prefixes of the tests' models, with what stands behind them."""
ALL = ("plain", "stream", "tools", "schema")


class Client(NamedTuple):
    """A client. `falls_short` has the tasks that do not work, by upstream, each with the reason."""

    name: str
    title: str
    surface: str
    tasks: tuple[str, ...] = ALL
    is_npm: bool = False
    falls_short: Mapping[str, Mapping[str, str]] = MappingProxyType({})


CLIENTS = (
    Client("openai_chat", "openai 3 (Python)", "chat"),
    Client("azure", "openai 3, `AzureOpenAI`", "chat, at Azure's addresses"),
    Client("openai_responses", "openai 3 (Python)", "responses"),
    Client("anthropic_messages", "anthropic 2 (Python)", "messages"),
    Client("langchain_openai", "LangChain 1, `ChatOpenAI`", "chat"),
    Client("langchain_responses", "LangChain 1, `ChatOpenAI`", "responses"),
    Client("langchain_anthropic", "LangChain 1, `ChatAnthropic`", "messages"),
    Client("pydantic_ai_openai", "Pydantic AI 2, OpenAI", "chat"),
    Client("instructor_openai", "Instructor 1", "chat", ("plain", "stream")),
    Client("openai_agents", "OpenAI Agents SDK", "responses", ("plain", "stream", "tools")),
    Client("llama_index", "LlamaIndex, `OpenAILike`", "chat", ("plain", "stream")),
    Client("openaiChat", "openai 7 (npm)", "chat", is_npm=True),
    Client("openaiResponses", "openai 7 (npm)", "responses", ("plain", "stream", "tools"), is_npm=True),
    Client(
        "anthropicMessages", "@anthropic-ai/sdk (npm)", "messages", ("plain", "stream", "tools"), is_npm=True
    ),
    Client("vercelCompatible", "Vercel AI SDK 7, OpenAI-compatible", "chat", is_npm=True),
    Client("vercelResponses", "Vercel AI SDK 7, OpenAI", "responses", is_npm=True),
    Client("vercelAnthropic", "Vercel AI SDK 7, Anthropic", "messages", is_npm=True),
)
HEAD = """# Clients

What the tests drive through a gateway: real clients, from PyPI and npm, at scripted models of four dialects
(`tests/system/test_clients.py`). The tasks are a plain answer, a stream, a tool with its result, and an
answer in a schema. LangChain's own standard tests of a chat model pass for its `ChatOpenAI` (chat and
Responses) and its `ChatAnthropic`, at OpenAI's chat and Responses, at Anthropic and at Ollama. Codex and
Claude Code do a task with file edits (`tests/system/test_codex.py`, `tests/system/test_claude_code.py`).
"""
FOOT = """
**At the embedded model** (SmolLM2 of 135M parameters, 8,192 tokens;
`tests/system/test_embedded_clients.py`): the official SDKs of OpenAI and Anthropic get answers, plain and
streamed, and a tool that `tool_choice` forces. Codex and Claude Code get an answer with brief instructions
and without tools; such a model does no task with file edits. Claude Code's own instructions and tools are
20,360 tokens, and the answer is a 400 with the size of the window.
"""


def page() -> str:
    """The page."""
    lines = [HEAD, f"| client | surface | {' | '.join(UPSTREAMS.values())} |"]
    lines.append("| --- " * (len(UPSTREAMS) + 2) + "|")
    for client in CLIENTS:
        cells = " | ".join(_cell(client, upstream) for upstream in UPSTREAMS)
        lines.append(f"| {client.title} | {client.surface} | {cells} |")
    agents = ("| Codex 0.171 | responses |", "| Claude Code 2 | messages |")
    lines += [f"{agent} {' | '.join(['file edits'] * len(UPSTREAMS))} |" for agent in agents]
    return "\n".join([*lines, FOOT])


def _cell(client: Client, upstream: str) -> str:
    short = client.falls_short.get(upstream, {})
    works = ", ".join(task for task in client.tasks if task not in short)
    told = "; ".join(f"not {task}: {why}" for task, why in short.items())
    return f"{works}; {told}" if told else works


if __name__ == "__main__":
    PAGE.write_text(page())

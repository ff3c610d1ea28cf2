"""Recorded requests as OpenAI's chat requests, whatever dialect they were recorded in."""

import json
from typing import Any  # recorded JSON, without types

import msgspec

from models_registry.target import Dialect
from schema.chat import ChatRequest
from schema.errors import InvalidRequest
from schema.wire import decode_body
from tests.models_registry.backends.recordings import Exchange

OPERATIONS = {Dialect.OPENAI: "chat", Dialect.ANTHROPIC: "messages", Dialect.OLLAMA: "api_chat"}
_CHAT = msgspec.json.Decoder(ChatRequest)


def asked(dialect: Dialect, exchange: Exchange) -> ChatRequest | None:
    """The request of an exchange. None: it was not kept, or this gateway does not take it."""
    try:
        body = json.loads(exchange.request.body)
    except json.JSONDecodeError:
        return None
    if not isinstance(body, dict) or not body.get("messages"):
        return None
    body.setdefault("model", "recorded")
    if dialect is Dialect.ANTHROPIC:
        body = _from_anthropic(body)
    elif dialect is Dialect.OLLAMA:
        body = _from_ollama(body)
    try:
        return decode_body(_CHAT, json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())
    except InvalidRequest:
        return None


def _from_anthropic(body: dict[str, Any]) -> dict[str, Any]:
    """A request of Anthropic's in OpenAI's form. Text, calls and results come to their places there, and any
    other block stays as JSON."""
    messages: list[dict[str, Any]] = []
    system = body.get("system")
    if system:
        messages.append({"role": "system", "content": _text(system)})
    for message in body["messages"]:
        messages += _turn(message)
    tools = [
        {"type": "function", "function": {"name": tool["name"], "parameters": tool.get("input_schema") or {}}}
        | ({"description": tool["description"]} if "description" in tool else {})
        if "input_schema" in tool
        else {"type": tool.get("type", "function"), "function": tool}
        for tool in body.get("tools") or ()
    ]
    asked: dict[str, Any] = {"model": body["model"], "messages": messages, "max_tokens": body["max_tokens"]}
    output = body.get("output_format") or (body.get("output_config") or {}).get("format")
    if output:
        asked["response_format"] = {"type": "json_schema", "json_schema": {"schema": output.get("schema")}}
    return (
        asked
        | ({"tools": tools} if tools else {})
        | ({"thinking": body["thinking"]} if "thinking" in body else {})
    )


def _turn(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    if isinstance(content, str):
        return [{"role": message["role"], "content": content}]
    turns: list[dict[str, Any]] = []
    said = [block for block in content if block["type"] not in ("tool_use", "tool_result")]
    calls = [
        {
            "id": block["id"],
            "type": "function",
            "function": {"name": block["name"], "arguments": json.dumps(block["input"])},
        }
        for block in content
        if block["type"] == "tool_use"
    ]
    for block in content:
        if block["type"] == "tool_result":
            result = {
                "role": "tool",
                "tool_call_id": block["tool_use_id"],
                "content": _text(block.get("content")),
            }
            turns.append(result)
    if said or calls:
        turn = {"role": message["role"], "content": _text(said)} | ({"tool_calls": calls} if calls else {})
        turns.append(turn)
    return turns


def _text(content: Any) -> str:
    if isinstance(content, str) or content is None:
        return content or ""
    return "".join(
        block["text"] if block.get("type") == "text" else json.dumps(block, ensure_ascii=False)
        for block in content
    )


def _from_ollama(body: dict[str, Any]) -> dict[str, Any]:
    messages = [
        message
        | {
            "tool_calls": [
                {
                    "type": "function",
                    "function": call["function"] | {"arguments": json.dumps(call["function"]["arguments"])},
                }
                for call in message["tool_calls"]
            ]
        }
        if message.get("tool_calls")
        else message
        for message in body["messages"]
    ]
    asked = {"model": body["model"], "messages": messages}
    if body.get("format"):
        asked["response_format"] = {"type": "json_schema", "json_schema": {"schema": body["format"]}}
    return asked | ({"tools": body["tools"]} if body.get("tools") else {})

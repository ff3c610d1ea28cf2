"""Recorded requests as OpenAI's chat requests, whatever dialect they were recorded in."""

import json
from typing import Any  # recorded JSON, without types

import msgspec

from models_registry.dialects import Dialect
from models_registry.fronts.responses.front import ResponsesFront
from schema.chat import ChatRequest
from schema.errors.requests import InvalidRequest
from schema.responses import ResponsesRequest
from schema.wire import decode_body
from tests.models_registry.backends.making import target
from tests.models_registry.backends.recordings import Exchange

OPERATIONS = {
    Dialect.OPENAI: "chat",
    Dialect.ANTHROPIC: "messages",
    Dialect.OLLAMA: "api_chat",
    Dialect.GEMINI: "generate_content",
    Dialect.BEDROCK: "converse",
    Dialect.COHERE: "chat_v2",
    Dialect.RESPONSES: "responses",
}
_CHAT = msgspec.json.Decoder(ChatRequest)
_RESPONSES = msgspec.json.Decoder(ResponsesRequest)


def asked(dialect: Dialect, exchange: Exchange) -> ChatRequest | None:
    """The request of an exchange. None: it was not kept, or this gateway does not take it."""
    try:
        body = json.loads(exchange.request.body)
    except json.JSONDecodeError:
        return None
    if isinstance(body, dict) and dialect is Dialect.RESPONSES:
        return _from_responses(body)
    if not isinstance(body, dict) or not (body.get("messages") or body.get("contents")):
        return None
    body.setdefault("model", "recorded")
    if dialect is Dialect.ANTHROPIC:
        body = _from_anthropic(body)
    elif dialect is Dialect.OLLAMA:
        body = _from_ollama(body)
    elif dialect is Dialect.BEDROCK:
        body = _from_bedrock(body)
    elif dialect is Dialect.GEMINI:
        body = _from_gemini(body)
    elif dialect is Dialect.COHERE:
        body = _from_cohere(body)
    try:
        return decode_body(_CHAT, json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())
    except InvalidRequest:
        return None


def _from_responses(body: dict[str, Any]) -> ChatRequest | None:
    body = {"model": "recorded", **body}
    for name in ("previous_response_id", "conversation", "prompt", "context_management", "background"):
        if body.pop(name, None):
            return None  # what the model read stands elsewhere
    if (body.get("reasoning") or {}).get("mode"):
        return None  # chat has no word for it, and it reads its thinking as input
    try:
        request = decode_body(_RESPONSES, json.dumps(body, ensure_ascii=False).encode())
        return ResponsesFront().read(request, target(Dialect.RESPONSES))
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


def _from_cohere(body: dict[str, Any]) -> dict[str, Any]:
    """A request of Cohere's in OpenAI's form. Parts that OpenAI has no name for become text as JSON."""
    messages = [
        {name: value for name, value in message.items() if name not in ("citations", "tool_plan")}
        | {"content": [_cohere_part(part) for part in message["content"]]}
        if isinstance(message.get("content"), list)
        else message
        for message in body["messages"]
    ]
    same = ("model", "max_tokens", "tools", "documents", "thinking")
    asked = {name: body[name] for name in same if body.get(name)}
    schema = (body.get("response_format") or {}).get("json_schema")
    if schema:
        asked["response_format"] = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    return asked | {"messages": messages}


def _cohere_part(part: dict[str, Any]) -> dict[str, Any]:
    return part if part["type"] == "text" else {"type": "text", "text": json.dumps(part)}


def _from_gemini(body: dict[str, Any]) -> dict[str, Any]:
    """A request of Google's in OpenAI's form. Parts that OpenAI has no name for stay as JSON, and Google's
    own tools are tools of another type, which nobody bounds."""
    messages: list[dict[str, Any]] = []
    system = body.get("systemInstruction")
    if system:
        messages.append({"role": "system", "content": _google_text(system["parts"])})
    for turn in body["contents"]:
        messages += _google_turn(turn)
    asked: dict[str, Any] = {"model": body["model"], "messages": messages}
    tools = []
    for tool in body.get("tools") or ():
        for name, value in tool.items():
            if name in ("functionDeclarations", "function_declarations"):
                tools += [_google_function(function) for function in value or ()]
            elif value is not None:
                tools.append({"type": name})
    config = body.get("generationConfig") or {}
    schema = config.get("responseSchema") or config.get("responseJsonSchema")
    if schema:
        asked["response_format"] = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    if config.get("maxOutputTokens"):
        asked["max_tokens"] = config["maxOutputTokens"]
    if body.get("cachedContent"):
        asked["cached_content"] = body["cachedContent"]
    if set(config.get("responseModalities") or ("TEXT",)) != {"TEXT"}:
        asked["modalities"] = [each.lower() for each in config["responseModalities"]]
    thinking = config.get("thinkingConfig") or {}
    budget = thinking.get("thinkingBudget", thinking.get("thinking_budget"))
    if budget is not None and budget >= 0:
        asked["thinking"] = {"type": "enabled", "budget_tokens": budget}
    return asked | ({"tools": tools} if tools else {})


def _google_function(function: dict[str, Any]) -> dict[str, Any]:
    names = ("parameters", "parametersJsonSchema", "parameters_json_schema")
    schema: Any = next((function[name] for name in names if function.get(name)), {})
    told = {"name": function["name"], "description": function.get("description") or "", "parameters": schema}
    return {"type": "function", "function": told}


def _google_turn(turn: dict[str, Any]) -> list[dict[str, Any]]:
    parts = turn["parts"] if isinstance(turn["parts"], list) else [turn["parts"]]
    results = [part for part in parts if part.get("functionResponse") or part.get("function_response")]
    calls = [part for part in parts if part.get("functionCall") or part.get("function_call")]
    said = [part for part in parts if part not in results and part not in calls]
    role = "assistant" if turn.get("role") == "model" else "user"
    found: list[dict[str, Any]] = [
        {"role": "tool", "name": result["name"], "content": json.dumps(result)}
        for part in results
        if (result := part.get("functionResponse") or part["function_response"])
    ]
    turned = [
        {
            "id": f"call_{at}",
            "type": "function",
            "function": {"name": call["name"], "arguments": json.dumps(call.get("args") or {})},
        }
        for at, part in enumerate(calls)
        if (call := part.get("functionCall") or part["function_call"])
    ]
    if said or turned:
        content = [_google_part(part) for part in said]
        found.append({"role": role, "content": content} | ({"tool_calls": turned} if turned else {}))
    return found


def _google_part(part: dict[str, Any]) -> dict[str, Any]:
    blob = part.get("inlineData") or part.get("inline_data")
    if blob is not None:
        kind = blob.get("mimeType") or blob["mime_type"]
        url = f"data:{kind};base64,{blob['data']}"
        if kind.startswith("image/"):
            return {"type": "image_url", "image_url": {"url": url}}
        return {"type": "file", "file": {"file_data": url}}
    if part.get("fileData"):
        return {
            "type": "file",
            "file": {"file_id": part["fileData"].get("fileUri") or part["fileData"]["file_uri"]},
        }
    if part.get("text") is not None:
        return {"type": "text", "text": part["text"]}
    return {"type": "text", "text": json.dumps(part)}


def _google_text(parts: Any) -> str:
    return "".join(part.get("text") or "" for part in (parts if isinstance(parts, list) else [parts]))


def _from_bedrock(body: dict[str, Any]) -> dict[str, Any]:
    """A request of Bedrock's in OpenAI's form."""
    messages: list[dict[str, Any]] = []
    if body.get("system"):
        messages.append(
            {"role": "system", "content": "".join(part.get("text", "") for part in body["system"])}
        )
    for message in body["messages"]:
        messages += _bedrock_turn(message)
    asked: dict[str, Any] = {"model": body["model"], "messages": messages}
    tools = [
        {"type": "function", "function": {**spec, "parameters": spec["inputSchema"]["json"]}}
        if (spec := tool.get("toolSpec"))
        else {"type": next(iter(tool))}
        for tool in (body.get("toolConfig") or {}).get("tools", ())
        if "cachePoint" not in tool
    ]
    config = body.get("inferenceConfig") or {}
    if config.get("maxTokens"):
        asked["max_tokens"] = config["maxTokens"]
    if body.get("outputConfig"):
        schema = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"]
        asked["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "x", "schema": json.loads(schema)},
        }
    thinking = (body.get("additionalModelRequestFields") or {}).get("thinking")
    if body.get("guardrailConfig"):
        asked["guardrailConfig"] = body["guardrailConfig"]
    return asked | ({"tools": tools} if tools else {}) | ({"thinking": thinking} if thinking else {})


def _bedrock_turn(message: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    calls = []
    for block in message["content"]:
        if "toolResult" in block:
            result = block["toolResult"]
            content = [_bedrock_part(part) for part in result["content"]]
            found.append({"role": "tool", "tool_call_id": result["toolUseId"], "content": content})
        elif "toolUse" in block:
            use = block["toolUse"]
            function = {"name": use["name"], "arguments": json.dumps(use["input"])}
            calls.append({"id": use["toolUseId"], "type": "function", "function": function})
        elif "cachePoint" not in block:
            parts.append(_bedrock_part(block))
    if parts or calls:
        found.append({"role": message["role"], "content": parts} | ({"tool_calls": calls} if calls else {}))
    return found


def _bedrock_part(block: dict[str, Any]) -> dict[str, Any]:
    if "text" in block:
        return {"type": "text", "text": block["text"]}
    if "image" in block and "bytes" in block["image"]["source"]:
        url = f"data:image/{block['image']['format']};base64,{block['image']['source']['bytes']}"
        return {"type": "image_url", "image_url": {"url": url}}
    if "document" in block or "video" in block or "image" in block:
        return {"type": "file", "file": {"file_data": "x"}}
    return {"type": "text", "text": json.dumps(block)}

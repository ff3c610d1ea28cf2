"""Puts the events of a stream together into one answer, as a call without a stream would have it: chat,
legacy completions, Responses and Anthropic's Messages. Pure.

A stream of Responses tells the whole answer at its end. Where it broke off, its finished items are put into
the response of its beginning.

The pieces are put together before redaction: a secret may be cut into several pieces.
"""

from collections.abc import Iterator

from runtime.bodies.message_answer import JsonObject, message_answer
from runtime.bodies.redaction import UnreadableBody, value_of

REPLACED = frozenset({"role", "id", "type", "name", "index"})
"""The fields of a delta that replace the value before. The text of other fields is appended to the text
before."""
KEPT = ("id", "created", "model", "service_tier", "system_fingerprint", "usage")
ITEM_DONE = "response.output_item.done"
MAX_DEPTH = 20


def stream_answer(sse: bytes) -> JsonObject | None:
    """The answer in the bytes of a stream (server-sent events). None where the stream has no piece of an
    answer. Pieces that can't be read are left out."""
    answer: JsonObject = {"object": "chat.completion"}
    choices: dict[int, JsonObject] = {}
    response: JsonObject | None = None
    items: list[object] = []
    chunks = list(_chunks(sse))
    if any(chunk.get("type") == "message_start" for chunk in chunks):
        return message_answer(chunks)
    for chunk in chunks:
        told = chunk.get("response")
        if isinstance(told, dict):
            response = told
        elif chunk.get("type") == ITEM_DONE:
            items.append(chunk.get("item"))
        if chunk.get("object") == "text_completion":
            answer["object"] = "text_completion"
        for name in KEPT:
            if chunk.get(name) is not None:
                answer[name] = chunk[name]
        found = chunk.get("choices")
        for choice in found if isinstance(found, list) else ():
            if isinstance(choice, dict):
                _add(choices, choice)
    if response is not None:
        return response if response.get("output") else {**response, "output": items}
    if not choices:
        return None
    answer["choices"] = [choices[index] for index in sorted(choices)]
    return answer


def _chunks(sse: bytes) -> Iterator[JsonObject]:
    for line in sse.split(b"\n"):
        if not line.startswith(b"data:"):
            continue
        try:
            chunk = value_of(line[5:].strip())
        except UnreadableBody:
            continue  # such as [DONE]
        if isinstance(chunk, dict):
            yield chunk


def _add(choices: dict[int, JsonObject], choice: JsonObject) -> None:
    index = choice.get("index", 0)
    if not isinstance(index, int):
        return
    text = choice.get("text")
    said: JsonObject = {"message": {}} if text is None else {"text": ""}
    whole = choices.setdefault(index, {"index": index, **said, "finish_reason": None})
    if choice.get("finish_reason") is not None:
        whole["finish_reason"] = choice["finish_reason"]
    if text is not None:
        whole["text"] = _together(whole.get("text"), text, "text", 0)
        return
    whole["message"] = _together(whole["message"], choice.get("delta"), "", 0)


def _together(before: object, more: object, name: str, depth: int) -> object:
    if more is None or depth > MAX_DEPTH:
        return before
    if isinstance(before, dict) and isinstance(more, dict):
        merged = dict(before)
        for each, value in more.items():
            merged[each] = _together(merged.get(each), value, each, depth + 1)
        return merged
    if isinstance(more, list):
        return _listed(before if isinstance(before, list) else [], more, depth)
    if isinstance(before, str) and isinstance(more, str) and name not in REPLACED:
        return before + more
    return more


def _listed(before: list[object], more: list[object], depth: int) -> list[object]:
    """A list of parts with more parts. A part with the index of an earlier part, as in a tool call, continues
    that part; any other part is appended."""
    merged = list(before)
    for part in more:
        index = part.get("index") if isinstance(part, dict) else None
        place = next(
            (
                place
                for place, each in enumerate(merged)
                if index is not None and isinstance(each, dict) and each.get("index") == index
            ),
            None,
        )
        if place is None:
            merged.append(part)
        else:
            merged[place] = _together(merged[place], part, "", depth + 1)
    return merged

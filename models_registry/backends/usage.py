"""Token counts between the wire and `Usage`. A report counts as far as it can be read: a field with an odd
value counts as missing, and the other fields hold. A count above 32 bits is passed on as it is, and the
ledger books a bound in its place, and says so.

`Usage.prompt_tokens` is all input. Where a provider counts cached tokens beside its prompt, they are added.
"""

import math
from typing import Any, TypeVar, get_args

import msgspec

from models_registry.backends.tolerance import decoded, loosely
from schema.chat import CompletionDetails, PromptDetails, WireUsage
from schema.usage import NOTHING_RARE, RareMeters, Usage, tier_served
from schema.wire import MaybeRaw, present

S = TypeVar("S", bound=msgspec.Struct)
MOST = 2**53 - 1
"""The largest whole number that every JSON reader takes. It is far past what the ledger believes."""
USAGES = msgspec.json.Decoder(WireUsage)
_ANYTHING = msgspec.json.Decoder()


def count_of(value: object) -> int | None:
    """A count in any spelling: 12, 12.0, "12". A fraction is rounded up, and more than MOST is MOST. None:
    the value is no number of zero or more."""
    if type(value) is int:
        return value if 0 <= value <= MOST else MOST if value > 0 else None
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return min(math.ceil(value), MOST) if 0 <= value < math.inf else None


def count_in(raw: MaybeRaw) -> int | None:
    """The count in one field of JSON. None: the field is missing, or is no count."""
    if not present(raw):
        return None
    try:
        return count_of(decoded(_ANYTHING, raw))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def report_in(raw: MaybeRaw, decoder: "msgspec.json.Decoder[S]") -> S | None:
    """A provider's report of usage, as far as it can be read. None: there is none, or nothing can be read."""
    if not present(raw):
        return None
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        found = loosely(raw)
    except msgspec.DecodeError:
        return None
    return _fitted(found, decoder.type) if isinstance(found, dict) else None


def _fitted(found: dict[str, Any], kind: type[S]) -> S:  # any JSON
    """A Struct of counts with the fields that can be read. All fields of such a Struct may be missing."""
    values: dict[str, object] = {}
    for field in msgspec.structs.fields(kind):
        if field.encode_name not in found:
            continue
        value, types = found.get(field.encode_name), get_args(field.type)
        inner = next(
            (each for each in types if isinstance(each, type) and issubclass(each, msgspec.Struct)), None
        )
        if inner is not None:
            values[field.name] = _fitted(value, inner) if isinstance(value, dict) else None
        elif str in types:
            values[field.name] = value if isinstance(value, str) else None
        else:
            values[field.name] = count_of(value)
    return kind(**values)


def usage_from(prompt: int | None, completion: int | None, parts: Usage) -> Usage | None:
    """The usage `parts` with these counts of input and output. None: both are missing. If one is missing, it
    is 0 and the usage is `estimated`; whoever books it knows a bound."""
    prompt, completion = count_of(prompt), count_of(completion)
    if prompt is None and completion is None:
        return None
    whole = prompt is not None and completion is not None
    return msgspec.structs.replace(
        parts,
        prompt_tokens=prompt or 0,
        completion_tokens=completion or 0,
        estimated=not whole,
        input_reported=not whole and prompt is not None,
    )


def rare_from(**counts: int | msgspec.UnsetType | None) -> RareMeters | None:
    """The rare meters by their names. None: all of them are zero or missing."""
    found = {name: count for name, each in counts.items() if (count := count_of(each))}
    return msgspec.structs.replace(NOTHING_RARE, **found) if found else None


def from_wire(wire: WireUsage, service_tier: str | None = None) -> Usage | None:
    """OpenAI's usage as ours. Cached tokens are inside the prompt's count, reasoning is inside the
    completion's, and audio and images are inside one of them. If the total is above the sum of the two, the
    provider has left something out of them: audio input (Mistral), else reasoning (xAI, Gemini). A total
    alone counts as output, which costs more than input. None: all counts are missing."""
    prompt, completion = count_of(wire.prompt_tokens), count_of(wire.completion_tokens)
    of_prompt, of_completion = wire.prompt_tokens_details, wire.completion_tokens_details
    beside = max(0, (count_of(wire.total_tokens) or 0) - (prompt or 0) - (completion or 0))
    if beside:
        spoken = of_prompt is not None and of_prompt.audio_tokens == beside
        if prompt is None and completion is not None:
            prompt = beside
        elif prompt is not None and spoken:
            prompt += beside
        else:
            completion = (completion or 0) + beside
    cached = count_of(of_prompt.cached_tokens) if of_prompt else 0
    cached = cached or count_of(wire.prompt_cache_hit_tokens) or count_of(wire.num_cached_tokens)
    parts = Usage(
        cached_tokens=cached or 0,
        cache_write_tokens=count_of(of_prompt.cache_write_tokens if of_prompt else 0) or 0,
        reasoning_tokens=count_of(of_completion.reasoning_tokens if of_completion else 0) or 0,
        service_tier=tier_served(service_tier),
        rare=_rare(of_prompt, of_completion) if of_prompt or of_completion else None,
    )
    return usage_from(prompt, completion, parts)


def embedded(wire: WireUsage | None) -> Usage | None:
    """OpenAI's usage of an embeddings call as ours. It has no output, and some servers count a total alone.
    None: nothing was counted."""
    if wire is None:
        return None
    counted = max(count_of(wire.prompt_tokens) or 0, count_of(wire.total_tokens) or 0)
    return Usage(prompt_tokens=counted) if counted else None


def _rare(of_prompt: PromptDetails | None, of_completion: CompletionDetails | None) -> RareMeters | None:
    return rare_from(
        audio_input_tokens=of_prompt.audio_tokens if of_prompt else 0,
        image_input_tokens=of_prompt.image_tokens if of_prompt else 0,
        audio_output_tokens=of_completion.audio_tokens if of_completion else 0,
        image_output_tokens=of_completion.image_tokens if of_completion else 0,
    )

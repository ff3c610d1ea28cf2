"""How much memory a model of Ollama's needs, about: its weights, what it keeps of the context, and a share
for the runner."""

from collections.abc import Mapping
from typing import Any

RUNNER_SHARE = 0.05
RUNNER_BYTES = 300 * 1024**2
CACHE_BYTES = 2
"""The bytes of one number in the cache of the context (f16)."""
DEFAULT_CONTEXT = 4096


def needed_bytes(size: int, info: Mapping[str, Any], context: int) -> int:
    """What a model needs whose files have `size` bytes. `info` is `model_info` of `/api/show`, or empty: then
    the context is left out, and the need is a lower bound."""
    return int(size * (1 + RUNNER_SHARE)) + RUNNER_BYTES + _cache_bytes(info, context)


def _cache_bytes(info: Mapping[str, Any], context: int) -> int:
    """What is kept for each token of the context: a key and a value in each layer, for each head."""
    kind = info.get("general.architecture")
    layers = _count(info.get(f"{kind}.block_count"))
    heads = _count(info.get(f"{kind}.attention.head_count"))
    kept = _count(info.get(f"{kind}.attention.head_count_kv")) or heads
    width = _count(info.get(f"{kind}.embedding_length"))
    if not (layers and heads and kept and width):
        return 0
    key = _count(info.get(f"{kind}.attention.key_length")) or width // heads
    value = _count(info.get(f"{kind}.attention.value_length")) or width // heads
    return layers * kept * (key + value) * max(0, context) * CACHE_BYTES


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**7 else 0

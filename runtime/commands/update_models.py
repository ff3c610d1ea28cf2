"""`just update-models`: makes the table of model facts anew from its public sources."""

import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from models_registry.config.providers import PROVIDERS
from models_registry.facts.distill import SourceEntry, distilled
from models_registry.facts.table import TABLE
from models_registry.prices.book import find_price
from runtime.outbound import Unreachable, get_file

LITELLM = "https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json"
MODELS_DEV = "https://models.dev/api.json"
MAX_BYTES = 64 * 1024 * 1024
TIMEOUT_S = 60.0
LEAST_MODELS = 500
"""A source with fewer models is not what it should be, and the table stays as it is."""


class BadSource(ValueError):
    """A source that can't be read; the message names it and says why."""


def update_models(litellm: str, models_dev: str, to: Path = TABLE) -> int:
    """Write the table. A source is an `https://` address or a path of a file: JSON as it is published, or one
    object a line with the model's name in `model`. Gives the exit code."""
    try:
        names = _litellm_of(_read(litellm), litellm)
        dev = _models_dev_of(_read(models_dev), models_dev)
        found = distilled(names, dev, known=PROVIDERS, is_priced=_is_priced)
        if len(found) < LEAST_MODELS:
            raise BadSource(f"the sources have {len(found)} models together; expected {LEAST_MODELS} or more")
    except BadSource as exc:
        print(f"switchgear: {exc}", file=sys.stderr)
        return 1
    draft = to.with_suffix(".new")
    draft.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in found))
    draft.replace(to)
    print(f"{len(found)} models: {to}")
    return 0


def _is_priced(prefix: str, model: str) -> bool:
    row = PROVIDERS.get(prefix)
    price_id = prefix if row is None else row.price_id
    return price_id is not None and find_price(price_id, model, datetime.now(UTC)) is not None


def _read(source: str) -> bytes:
    """The bytes of a source. Raises BadSource."""
    if not source.startswith(("https://", "http://")):
        try:
            return Path(source).read_bytes()
        except OSError as exc:
            raise BadSource(f"{source}: {exc.strerror}") from exc
    try:
        return get_file(source, timeout_s=TIMEOUT_S, max_bytes=MAX_BYTES)
    except Unreachable as exc:
        raise BadSource(f"{source}: {exc}") from exc


def _objects(data: bytes, source: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """One object, or the objects of lines. Raises BadSource."""
    try:
        try:
            whole = json.loads(data)
        except ValueError:
            return {}, [each for each in map(json.loads, data.splitlines()) if isinstance(each, dict)]
    except (ValueError, RecursionError) as exc:
        raise BadSource(f"{source}: it is neither JSON nor one JSON object a line") from exc
    if not isinstance(whole, dict):
        raise BadSource(f"{source}: expected a JSON object")
    return whole, []


def _litellm_of(data: bytes, source: str) -> Mapping[str, SourceEntry]:
    whole, lines = _objects(data, source)
    named = {each["model"]: each for each in lines if isinstance(each.get("model"), str)}
    return named or {name: entry for name, entry in whole.items() if isinstance(entry, dict)}


def _models_dev_of(data: bytes, source: str) -> Iterator[tuple[str, str, SourceEntry]]:
    whole, lines = _objects(data, source)
    for each in lines:
        if isinstance(each.get("provider"), str) and isinstance(each.get("model"), str):
            yield each["provider"], each["model"], each
    for provider, entry in whole.items():
        models = entry.get("models") if isinstance(entry, dict) else None
        for name, model in models.items() if isinstance(models, dict) else ():
            if isinstance(model, dict):
                yield provider, name, model

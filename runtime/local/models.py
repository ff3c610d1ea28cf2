"""Finds the models that this machine can use: the embedded model, those of an Ollama, and those of providers
with a key in the environment."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import msgspec

from runtime.config_file import Document
from runtime.local.model import ALIAS, EmbeddedModel, EmbeddedModelError
from runtime.outbound import Unreachable, get_json

EMBEDDED_NAME = "smollm2-local"
EMBEDDED_KEY_VARIABLE = "SWITCHGEAR_EMBEDDED_MODEL_KEY"
OLLAMA = "http://localhost:11434"
OLLAMA_TIMEOUT_S = 2.0
MAX_OLLAMA_MODELS = 500

CLOUD: Mapping[str, tuple[str, tuple[tuple[str, str], ...]]] = MappingProxyType(
    {
        "OPENAI_API_KEY": (
            "OpenAI",
            (("gpt-4", "openai/gpt-4"), ("gpt-3.5-turbo", "openai/gpt-3.5-turbo"), ("openai/*", "openai/*")),
        ),
        "ANTHROPIC_API_KEY": (
            "Anthropic",
            (("claude-3-sonnet", "anthropic/claude-sonnet-4-6"), ("anthropic/*", "anthropic/*")),
        ),
    }
)
"""The provider of each environment variable with a key: the provider's name, and its models as pairs of
public name and `model` of the config."""


class FoundModels(msgspec.Struct, frozen=True, kw_only=True):
    """The models that were found. `document` is a config with them, and `env` is the environment for that
    config."""

    document: Document
    env: Mapping[str, str]
    report: tuple[str, ...]
    """One line for each thing that was looked for. A line begins with `+` for what was found, else with
    `-`."""


@contextmanager
def local_models(env: Mapping[str, str]) -> Iterator[FoundModels]:
    """Find the models. The embedded model runs until the block ends."""
    model_list: list[dict[str, Any]] = []  # entries of a config, as YAML has them
    report: list[str] = []
    with _embedded(model_list, report) as key:
        for variable, (provider, models) in CLOUD.items():
            if env.get(variable):
                model_list.extend(_entry(name, model) for name, model in models)
                report.append(f"+ {provider}: {', '.join(name for name, _ in models)}")
            else:
                report.append(f"- {provider}: no {variable} in the environment")
        _ollama(model_list, report)
        extended = {**env, EMBEDDED_KEY_VARIABLE: key} if key else dict(env)
        yield FoundModels(document={"model_list": model_list}, env=extended, report=tuple(report))


@contextmanager
def _embedded(model_list: list[dict[str, Any]], report: list[str]) -> Iterator[str | None]:
    model = EmbeddedModel()
    try:
        address = model.start()
    except EmbeddedModelError as exc:
        report.append(f"- {EMBEDDED_NAME}: {exc}")
        yield None
        return
    try:
        key = f"os.environ/{EMBEDDED_KEY_VARIABLE}"
        model_list.append(_entry(EMBEDDED_NAME, f"llamacpp/{ALIAS}", api_base=address.api_base, api_key=key))
        report.append(f"+ {EMBEDDED_NAME}: SmolLM2 135M, on this machine")
        yield address.api_key.reveal()
    finally:
        model.stop()


def _ollama(model_list: list[dict[str, Any]], report: list[str]) -> None:
    """Add each local model of a running Ollama. A model that runs in Ollama's cloud is left out."""
    try:
        tags = get_json(f"{OLLAMA}/api/tags", timeout_s=OLLAMA_TIMEOUT_S)
        models = [dict(model) for model in tags["models"]][:MAX_OLLAMA_MODELS]
        names = [str(model["name"]) for model in models]
    except Unreachable as exc:
        report.append(f"- Ollama: none at {OLLAMA} ({exc})")
        return
    except (KeyError, TypeError, ValueError):
        report.append(f"- Ollama: {OLLAMA} gives no list of models")
        return
    for name, model in zip(names, models, strict=True):
        if model.get("remote_model") or model.get("remote_host"):
            report.append(f"- Ollama {name}: runs in a cloud, not here; left out")
            continue
        public = f"{name.removesuffix(':latest')}-local"
        model_list.append(_entry(public, f"ollama/{name}", api_base=OLLAMA))
        report.append(f"+ {public}: Ollama's {name}")
    if not names:
        report.append("- Ollama: running, without a model; `ollama pull mistral` brings one")


def _entry(name: str, model: str, **params: str) -> dict[str, Any]:
    return {"model_name": name, "litellm_params": {"model": model, **params}}

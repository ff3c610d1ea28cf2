"""What looks wrong with a deployment that can be called: a warning each."""

import re
from urllib.parse import urlsplit

from models_registry.backends.dropping import NEEDED
from models_registry.backends.headers import WRITTEN_HERE
from models_registry.bounds.judgement import unbounded_param
from models_registry.config.entries import Deployment
from models_registry.config.tls import verified
from models_registry.prices.fields import BASE
from models_registry.target import Target

PATHS = (
    *("/chat/completions", "/completions", "/embeddings", "/responses", "/messages", "/api/generate"),
    *("/audio/transcriptions", "/audio/speech", "/images/generations", "/rerank", "/models"),
)
"""Paths of endpoints, which people copy along with an address."""


def unbounded_warning(deployment: Deployment, target: Target) -> str | None:
    """The warning for a deployment that costs money and has a parameter without a known bound. It has the
    parameter's path. None: no warning."""
    if target.max_call_nano is not None or (target.price is not None and target.price.is_free):
        return None
    found = unbounded_param(target)
    if found is None:
        return None
    top = re.split(r"[.\[]", found.path)[0]
    inside = "" if top == "model" or top in deployment.params else "extra_body."
    path = f"{deployment.path}.litellm_params.{inside}{found.path}"
    return (
        f"{path}: what this costs has no known bound, so calls under a budget are refused; "
        f"model_info.free_params: [{found.name}] says that it costs nothing, model_info.max_call_cost "
        "states a bound"
    )


def header_warnings(deployment: Deployment) -> list[str]:
    """Warnings of headers that the client writes itself."""
    params, path = deployment.entry.litellm_params, f"{deployment.path}.litellm_params"
    return [
        f"{path}.{section}.{name}: has no effect, since each request has its own"
        for section, given in (("headers", params.headers), ("extra_headers", params.extra_headers))
        for name in given or ()
        if str(name).lower() in WRITTEN_HERE
    ]


def unsafe_warning(deployment: Deployment) -> str | None:
    """A warning for a deployment that believes everybody."""
    if verified(deployment.entry.litellm_params.ssl_verify) is not False:
        return None
    return (
        f"{deployment.path}.litellm_params.ssl_verify: false: whoever stands on the way to the provider can "
        "read keys and prompts"
    )


def doubled_path(target: Target) -> str | None:
    """A warning for an address that ends with what is put behind it. It has no part of the address but that
    end: a path can hold a key."""
    path = urlsplit(target.api_base).path
    facts = target.dialect.facts
    ends: tuple[str, ...] = (facts.chat_path,)
    if facts.wants_host:
        ends += (facts.chat_path.rpartition("/")[0], "/v1")
    known = set() if not target.query else {"/models"}  # Azure's own
    end = next((each for each in (*ends, *PATHS) if path.endswith(each) and each not in known), None)
    if end is not None:
        return f"it ends with {end}, and {facts.chat_path} is put behind it; leave {end} out of it"
    if "/v1/v1" in path:
        return "it has /v1 twice"
    return None


def doubts_of(deployment: Deployment, target: Target) -> list[str]:
    """Warnings about what a deployment's calls cost."""
    if target.price is None:
        return [] if "*" in target.model else ["its model has no known price; its calls cost 0"]
    rates = target.pricing.grid.get(BASE, {})
    makes_text = deployment.entry.model_info.mode in (None, "chat", "completion", "responses")
    if makes_text and rates.get("input") and "output" not in rates:
        return ["input_cost_per_token without output_cost_per_token: what the model answers costs 0"]
    return []


def needed_warnings(deployment: Deployment) -> list[str]:
    """Warnings of fields that were to be dropped, and that every request needs."""
    params, path = deployment.entry.litellm_params, f"{deployment.path}.litellm_params"
    lists = (("drop_params", params.drop_params), ("additional_drop_params", params.additional_drop_params))
    return [
        f"{path}.{key}: {name} can't be dropped, since every request needs it"
        for key, names in lists
        for name in (names if isinstance(names, list) else ())
        if name in NEEDED
    ]

"""Vertex AI: the addresses, with a project and a location in the path, and the dialects. Google's own models
speak its own, Claude speaks Anthropic's. Sources: Vertex AI's REST reference, recordings."""

import re
from collections.abc import Mapping

import msgspec

from models_registry.config.provider import Provider, Signs
from models_registry.config.sections import LitellmParams
from models_registry.dialects import Dialect
from models_registry.numbers import BadDeployment

PROJECTS = ("VERTEXAI_PROJECT", "GOOGLE_CLOUD_PROJECT")
LOCATIONS = ("VERTEXAI_LOCATION", "GOOGLE_CLOUD_LOCATION")
USUAL_LOCATION = "us-central1"
GLOBAL = "global"
PUBLISHER = "publishers/google"
CLAUDES_PUBLISHER = "publishers/anthropic"
OPENAIS = "/endpoints/openapi"
"""Where models of other makers are called in OpenAI's dialect."""
CLAUDE = "claude"
CLAUDES_VERSION = "vertex-2023-10-16"
OWN = ("gemini", "gemma", "text-embedding", "text-multilingual", "textembedding")
"""Beginnings of the names of Google's own models."""
_LOCATED = re.compile(r"/projects/[^/]+/locations/[^/]+$")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_-]*")


class _ServiceAccount(msgspec.Struct):
    project_id: str | None = None


def speaks(provider: Provider, model: str) -> tuple[Dialect, str]:
    """The dialect of a model at a provider, and Anthropic's version where it stands in bodies. The provider's
    row says the dialect, but for Claude on Vertex AI and in Azure's Foundry, and for the models of others on
    Vertex AI, whose names have their maker (`meta/llama-3.3-70b-instruct-maas`)."""
    if provider.claude_path and model.startswith(CLAUDE):
        return Dialect.ANTHROPIC, ""
    if provider.signs is Signs.GOOGLE and "/" in model:
        return Dialect.OPENAI, ""
    if provider.signs is Signs.GOOGLE and model.startswith(CLAUDE):
        return Dialect.ANTHROPIC, CLAUDES_VERSION
    return provider.dialect, ""


def vertex_base(params: LitellmParams, model: str, env: Mapping[str, str], path: str) -> str:
    """The address that a model's name is put behind:
    `https://europe-west4-aiplatform.googleapis.com/v1/projects/
    acme/locations/europe-west4/publishers/google`. With a key and no project it is that of the express mode.
    `path` is that of `litellm_params`. Raises BadDeployment."""
    tuned = model.isdecimal()  # the endpoint of a model that was tuned
    if not tuned and "/" not in model and not model.startswith((*OWN, CLAUDE, "*")):
        raise BadDeployment(
            f"{path}.model",
            "on Vertex AI this version calls Google's own models, Claude, and those that are named with "
            "their maker, such as meta/llama-3.3-70b-instruct-maas",
        )
    publisher = "" if tuned else publisher_of(model)
    location = params.vertex_location or _first(env, LOCATIONS) or USUAL_LOCATION
    project = params.vertex_project or _first(env, PROJECTS) or _project_in(params)
    if project is None and params.api_key and not tuned and "/" not in model:
        return f"https://aiplatform.googleapis.com/v1{publisher}"
    if project is None:
        raise BadDeployment(f"{path}.vertex_project", "there is no project", variable=PROJECTS[0])
    for name, value in (("vertex_project", project), ("vertex_location", location)):
        if not _NAME.fullmatch(value):
            raise BadDeployment(f"{path}.{name}", "expected a name of letters, digits and -")
    host = "aiplatform.googleapis.com" if location == GLOBAL else f"{location}-aiplatform.googleapis.com"
    return f"https://{host}/v1/projects/{project}/locations/{location}{publisher}"


def publisher_of(model: str) -> str:
    """What stands in an address before a model's name, or before the operation where bodies name the
    model."""
    if "/" in model:
        return OPENAIS
    return f"/{CLAUDES_PUBLISHER if model.startswith(CLAUDE) else PUBLISHER}"


def given_base(address: str, model: str) -> str:
    """An address of the config that a model's name is put behind. Configs have it up to the location, or with
    the model."""
    base = address.rstrip("/").removesuffix(f"/models/{model}")
    return base + publisher_of(model) if _LOCATED.search(base) and not model.isdecimal() else base


def _project_in(params: LitellmParams) -> str | None:
    """The project that a service account names, where the config holds the account itself."""
    given = params.vertex_credentials
    try:
        if isinstance(given, dict):
            return msgspec.convert(given, _ServiceAccount).project_id
        return msgspec.json.decode(given or "{}", type=_ServiceAccount).project_id
    except msgspec.DecodeError:
        return None  # the path of a file


def _first(env: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((env[name] for name in names if env.get(name)), None)

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
CLAUDE = "claude"
CLAUDES_VERSION = "vertex-2023-10-16"
OWN = ("gemini", "gemma", "text-embedding", "text-multilingual", "textembedding")
"""Beginnings of the names of Google's own models."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_-]*")


class _ServiceAccount(msgspec.Struct):
    project_id: str | None = None


def speaks(provider: Provider, model: str) -> tuple[Dialect, str]:
    """The dialect of a model at a provider, and Anthropic's version where it stands in bodies. The provider's
    row says the dialect, but for Claude on Vertex AI."""
    if provider.signs is Signs.GOOGLE and model.startswith(CLAUDE):
        return Dialect.ANTHROPIC, CLAUDES_VERSION
    return provider.dialect, ""


def vertex_base(params: LitellmParams, model: str, env: Mapping[str, str], path: str) -> str:
    """The address that a model's name is put behind:
    `https://europe-west4-aiplatform.googleapis.com/v1/projects/
    acme/locations/europe-west4/publishers/google`. With a key and no project it is that of the express mode.
    `path` is that of `litellm_params`. Raises BadDeployment."""
    if not model.startswith((*OWN, CLAUDE, "*")):
        raise BadDeployment(
            f"{path}.model", "on Vertex AI this version calls Google's own models and Claude alone"
        )
    publisher = CLAUDES_PUBLISHER if model.startswith(CLAUDE) else PUBLISHER
    location = params.vertex_location or _first(env, LOCATIONS) or USUAL_LOCATION
    project = params.vertex_project or _first(env, PROJECTS) or _project_in(params)
    if project is None and params.api_key:
        return f"https://aiplatform.googleapis.com/v1/{publisher}"
    if project is None:
        raise BadDeployment(f"{path}.vertex_project", "there is no project", variable=PROJECTS[0])
    for name, value in (("vertex_project", project), ("vertex_location", location)):
        if not _NAME.fullmatch(value):
            raise BadDeployment(f"{path}.{name}", "expected a name of letters, digits and -")
    host = "aiplatform.googleapis.com" if location == GLOBAL else f"{location}-aiplatform.googleapis.com"
    return f"https://{host}/v1/projects/{project}/locations/{location}/{publisher}"


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

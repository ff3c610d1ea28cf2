"""The addresses of Vertex AI: a project and a location in the path. Source: Vertex AI's REST reference."""

import re
from collections.abc import Mapping

import msgspec

from models_registry.config.reader import LitellmParams
from models_registry.numbers import BadDeployment

PROJECTS = ("VERTEXAI_PROJECT", "GOOGLE_CLOUD_PROJECT")
LOCATIONS = ("VERTEXAI_LOCATION", "GOOGLE_CLOUD_LOCATION")
USUAL_LOCATION = "us-central1"
GLOBAL = "global"
PUBLISHER = "publishers/google"
OWN = ("gemini", "gemma", "text-embedding", "text-multilingual", "textembedding")
"""Beginnings of the names of Google's own models."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_-]*")


class _ServiceAccount(msgspec.Struct):
    project_id: str | None = None


def vertex_base(params: LitellmParams, model: str, env: Mapping[str, str], path: str) -> str:
    """The address that a model's name is put behind:
    `https://europe-west4-aiplatform.googleapis.com/v1/projects/
    acme/locations/europe-west4/publishers/google`. With a key and no project it is that of the express mode.
    `path` is that of `litellm_params`. Raises BadDeployment."""
    if not model.startswith((*OWN, "*")):
        raise BadDeployment(f"{path}.model", "on Vertex AI this version calls Google's own models alone")
    location = params.vertex_location or _first(env, LOCATIONS) or USUAL_LOCATION
    project = params.vertex_project or _first(env, PROJECTS) or _project_in(params)
    if project is None and params.api_key:
        return f"https://aiplatform.googleapis.com/v1/{PUBLISHER}"
    if project is None:
        raise BadDeployment(f"{path}.vertex_project", "there is no project", variable=PROJECTS[0])
    for name, value in (("vertex_project", project), ("vertex_location", location)):
        if not _NAME.fullmatch(value):
            raise BadDeployment(f"{path}.{name}", "expected a name of letters, digits and -")
    host = "aiplatform.googleapis.com" if location == GLOBAL else f"{location}-aiplatform.googleapis.com"
    return f"https://{host}/v1/projects/{project}/locations/{location}/{PUBLISHER}"


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

"""Azure's addresses: with the deployment in the path and a version in the query, or OpenAI's own form under
`/openai/v1`. Source: Azure OpenAI's REST reference, and the addresses of recorded calls."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qs, quote, urlsplit

from models_registry.numbers import BadDeployment

VERSION, MODELS_VERSION = "2025-02-01-preview", "2024-05-01-preview"
"""The versions that LiteLLM asks for where nobody says one, by the kind of address."""
VERSION_ENV = "AZURE_API_VERSION"
OPERATIONS = ("/chat/completions", "/completions", "/embeddings", "/responses")
DEPLOYMENT = "/openai/deployments/{model}"
V1 = "/openai/v1"
V1_VERSIONS = ("preview", "latest", "v1")
"""The versions that only addresses under `/openai/v1` have."""
FOUNDRY = ".services.ai.azure.com"
"""Hosts where models of other vendors are served under `/models`."""
ONE_MODEL = (".models.ai.azure.com", ".inference.ai.azure.com", ".inference.ml.azure.com")
"""Hosts that serve one model each, whose name is not in the address."""
CLOUDFLARE = "gateway.ai.cloudflare.com"
"""Cloudflare's gateway. Its addresses end with Azure's resource, and the deployment follows."""
MESSAGES = ("/messages", "/v1")


class AddressForm(NamedTuple):
    """How the address of a call is made: `address`, `prefix`, the operation's path, `query`."""

    address: str
    prefix: str
    """`{model}` in it stands for the deployment."""
    query: str


def azure_form(address: str, version: str | None, env: Mapping[str, str], path: str) -> AddressForm:
    """The form of an address that a config may have copied from anywhere: the resource alone, with
    `/openai/v1`, with the deployment, with an operation, with `?api-version=`. `path` is the field's. Raises
    BadDeployment."""
    try:
        parts = urlsplit(address)
        given = parse_qs(parts.query, max_num_fields=10)
    except ValueError as exc:
        raise BadDeployment(path, "expected https://<resource>.openai.azure.com") from exc
    said = version or next(iter(given.pop("api-version", ())), None)
    if given or parts.fragment:
        raise BadDeployment(path, "may have no query but api-version")
    below = parts.path.rstrip("/")
    for operation in OPERATIONS:
        below = below.removesuffix(operation)
    root = f"{parts.scheme}://{parts.netloc}"
    if below.endswith(V1):
        return AddressForm(root + below, "", _query(said if said in ("preview", "latest") else None))
    host = parts.hostname or ""
    if host.endswith(ONE_MODEL):
        return AddressForm(root + below, "", _query(said))
    if said in V1_VERSIONS and below in ("", "/openai"):
        return AddressForm(root + V1, "", _query(said if said != "v1" else None))
    said = said or env.get(VERSION_ENV)
    if host == CLOUDFLARE:
        return AddressForm(root + below, "/{model}", _query(said or VERSION))
    if "/openai/deployments/" in below:
        return AddressForm(root + below, "", _query(said or VERSION))
    if host.endswith(FOUNDRY) and below in ("", "/models"):
        return AddressForm(root + "/models", "", _query(said or MODELS_VERSION))
    return AddressForm(root + below.removesuffix("/openai"), DEPLOYMENT, _query(said or VERSION))


def claudes_form(address: str, claude_path: str, path: str) -> AddressForm:
    """The form of an address at which Claude is served: the resource alone, with `/anthropic`, or with all
    that stands before and behind. Raises BadDeployment."""
    try:
        parts = urlsplit(address)
    except ValueError as exc:
        raise BadDeployment(path, "expected https://<resource>.services.ai.azure.com") from exc
    below = parts.path.rstrip("/")
    for end in MESSAGES:
        below = below.removesuffix(end)
    root = f"{parts.scheme}://{parts.netloc}"
    return AddressForm(f"{root}{below.removesuffix(claude_path)}{claude_path}", "", "")


def _query(version: str | None) -> str:
    return "" if version is None else f"?api-version={quote(version, safe='')}"

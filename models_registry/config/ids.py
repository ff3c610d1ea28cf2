"""The ids of deployments, each once. Spend, budgets, cooldowns and conversations go by them."""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import count

import msgspec

from models_registry.config.entries import Deployment
from models_registry.numbers import BadDeployment

_IDENTIFYING = (
    "model",
    "custom_llm_provider",
    "api_key",
    "api_base",
    "base_url",
    "organization",
    "extra_headers",
    "timeout",
    "stream_timeout",
    "weight",
    "rpm",
    "tpm",
    "num_retries",
    "drop_params",
)
"""The parameters that a deployment without an `id` is known by. A change of this list gives every deployment
another id."""


class DeploymentIds:
    """Gives the deployments of a registry their ids, those of the config file first. `of_file` are the ids
    that the file's deployments want: what is stored never moves one of them."""

    def __init__(self, of_file: Iterable[str]) -> None:
        self.paths: dict[str, str] = {}
        """Where each deployment stands, by its id."""
        self._of_file = frozenset(of_file)
        self._numbers: dict[str, Iterator[int]] = {}

    def give(self, deployment: Deployment, wanted: str) -> str:
        """The id of a deployment: the one that it wants, or that with a number (`3f1c-2`) for two of the file
        that differ in their keys alone. Raises BadDeployment for a stored one whose id another one has."""
        found = wanted
        if wanted in self.paths:
            if deployment.stored:
                raise BadDeployment(deployment.path, f"its id is that of {self.paths[wanted]}")
            numbers = self._numbers.setdefault(wanted, count(2))
            found = next(name for each in numbers if (name := f"{wanted}-{each}") not in self._of_file)
        self.paths[found] = deployment.path
        return found


def stable_id(deployment: Deployment) -> str:
    """The id of a deployment for which the config has none. It is the same after a restart and on every host.
    The key is not in it: a SHA-256 with the key would be a check on guesses of it."""
    entry, params = deployment.entry, deployment.entry.litellm_params
    public = {name: None if name == "api_key" else getattr(params, name) for name in _IDENTIFYING}
    prices = {name: str(field.value) for name, field in sorted(deployment.prices.items())}
    facts = msgspec.json.encode((public, prices) if prices else public, enc_hook=str)
    return hashlib.sha256(entry.model_name.encode() + facts).hexdigest()

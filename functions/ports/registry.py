"""Ports to what is stored of the registry, and to the hosts that serve with it. Their implementations are in
`runtime/registry`."""

from collections.abc import Callable, Sequence
from typing import Protocol

from functions.contract.call import Call
from models_registry.config.reader import Config
from models_registry.config.stored import Stored, StoredModel
from models_registry.target import Target
from schema.health import ConfigHost


class StoredRegistry(Protocol):
    """What is stored beside the config file."""

    def in_force(self) -> Config:
        """The config that this worker serves with: the file, and what is stored."""
        ...

    async def read(self) -> Stored:
        """What is stored now, opened. Nothing where models are not stored. Raises DatabaseUnavailable."""
        ...

    async def trial(self, model: StoredModel) -> Target | str:
        """The deployment that a model would be if it were stored, or why it could not be called. Nothing is
        stored. Raises DatabaseUnavailable."""
        ...

    async def change(self, change: Callable[[Stored], Stored], *, call: Call) -> Stored:
        """Change what is stored, one change after the other. `change` gets what is stored, and gives what
        shall be; what it raises ends the change. The whole registry is judged with the change before anything
        is written. Afterwards it is in force in this worker, and a moment later in all others. Gives what is
        stored then. Raises InvalidRequest where the registry could not be in force like that, or where models
        are not stored; nothing is changed then."""
        ...


class Hosts(Protocol):
    """The hosts that serve with the same database."""

    async def listed(self) -> Sequence[ConfigHost]:
        """The hosts, and the content of their config files. Raises DatabaseUnavailable."""
        ...

    @property
    def waits_for_restart(self) -> Sequence[str]:
        """The settings of this host's file that take effect at the next start."""
        ...

    @property
    def settings_refused(self) -> Sequence[str]:
        """Why stored settings of the router, or of the response cache, are not in force here, such as
        `router_settings.num_retries: Expected int, got str`."""
        ...

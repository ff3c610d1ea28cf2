"""Local hosts: how they stand, and what is asked of them."""

from typing import Any

import msgspec

from schema.fields import UNSET
from schema.wire import Wire


class LocalHostsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /local/hosts takes nothing."""


class HostModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model on a host."""

    name: str
    size_bytes: int | None = None
    """Of its files, or of what is loaded of it."""
    loaded: bool | None = None
    """Null: the host does not say."""
    left_s: float | None = None
    """How long it stays loaded without a call. Null: nobody knows, or for good."""
    context: int | None = None
    """With which context it is loaded, in tokens."""
    vram_bytes: int | None = None
    remote: bool = False
    """Whether the host passes the model on to another one: then it is not local."""


class LocalHostState(msgspec.Struct, frozen=True, kw_only=True):
    """How a host stands."""

    name: str
    kind: str
    api_base: str
    pull_base: str
    up: bool
    error: str = ""
    version: str | None = None
    warnings: list[str] = []
    """What is wrong with the version, or with who can reach the host."""
    memory_bytes: int | None = None
    slots: int | None = None
    slots_busy: int | None = None
    waiting: int | None = None
    """How many calls wait on the host itself."""
    models: list[HostModel] = []
    public_names: list[str] = []
    """The models of the gateway that are called there."""


class LocalHostList(msgspec.Struct, frozen=True, kw_only=True):
    hosts: list[LocalHostState]


class HostModelRequest(Wire, frozen=True, kw_only=True, dict=True):
    """A model on a host. `host` may be left out where there is one alone."""

    model: str
    host: str = ""


class LoadRequest(HostModelRequest, frozen=True, kw_only=True, dict=True):
    keep_alive: str | int | msgspec.UnsetType | None = UNSET
    """How long it stays loaded without a call: `30m`, seconds, or -1 for good."""
    num_ctx: int | msgspec.UnsetType | None = UNSET
    force: bool = False
    """Load it although the host's memory looks too small."""


class PullRequest(HostModelRequest, frozen=True, kw_only=True, dict=True):
    stream: bool = True
    force: bool = False
    public_name: str | msgspec.UnsetType | None = UNSET
    """The name by which the model is called afterwards. Null: it is not put into the registry."""


class HostModelShown(msgspec.Struct, frozen=True, kw_only=True):
    host: str
    model: str
    needs_bytes: int | None = None
    """About how much memory it needs, loaded with `context`."""
    context: int | None = None
    remote: bool
    details: Any = None  # the host's own words, of any shape
    capabilities: list[str] = []
    model_info: Any = None  # likewise
    parameters: str = ""
    template: str = ""


class HostModelDone(msgspec.Struct, frozen=True, kw_only=True):
    status: str = "success"
    host: str
    model: str
    public_name: str | None = None
    """The name by which the model can be called."""
    note: str = ""


class PullProgress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far a pull is, in Ollama's words."""

    status: str
    digest: str = ""
    total: int = 0
    completed: int = 0
    public_name: str = ""
    """At the end: the name by which the model can be called."""
    note: str = ""

"""What a provider is: a row of data."""

import enum

import msgspec

from models_registry.dialects import Dialect
from models_registry.facts.addresses import is_at
from models_registry.facts.allowances import TEMPLATE_TOKENS
from models_registry.turns.surfaces import Surface


class Signs(enum.Enum):
    """How a provider knows its callers, beside a key in a header."""

    NOT = "not"
    AWS = "aws"
    ENTRA = "entra"
    GOOGLE = "google"


class NewerLimit(msgspec.Struct, frozen=True, kw_only=True):
    """Where a provider takes `max_completion_tokens` in place of `max_tokens`. OpenAI's reasoning models know
    only the newer name. Compatible servers often know only the older one, and a name that a server does not
    know limits nothing."""

    hosts: tuple[str, ...] = ()
    """Hosts that take the newer name for every model. A subdomain counts as its host."""
    models: tuple[str, ...] = ()
    """Beginnings of the names of models that take the newer name at any host."""
    not_models: tuple[str, ...] = ()
    """Beginnings of names that are exceptions to `models`."""

    def holds(self, api_base: str, model: str) -> bool:
        name = model.rpartition("/")[2]
        known = name.startswith(self.models) and not name.startswith(self.not_models)
        return known or any(is_at(host, api_base) for host in self.hosts)


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """A provider. `api_base` None: the config must give an address. The names of environment variables are
    tried in order. `hosts` are the provider's own hosts, to which the environment's key may go. A `*` in one
    stands for one label: `*.api.openai.com`."""

    prefix: str
    dialect: Dialect
    api_base: str | None
    hosts: tuple[str, ...] = ()
    api_base_env: tuple[str, ...] = ()
    api_key_env: tuple[str, ...] = ()
    key_header: str = "authorization"
    """The header that carries the key. `authorization` has `Bearer` before it."""
    needs_key: bool = True
    local: bool = False
    """Whether it runs on the user's own machines: calls cost nothing unless the config says otherwise."""
    price_id: str | None = None
    """The provider's id in the price data."""
    template_tokens: int = TEMPLATE_TOKENS
    """The most tokens that its chat templates add to a call (`models_registry/facts/allowances.py`)."""
    takes_metadata: bool = False
    """Whether the provider keeps a request's `metadata` with a stored answer."""
    declares_fields: bool = False
    """Whether the provider's own hosts refuse a call with a field that its API does not declare."""
    bare_names: tuple[str, ...] = ()
    """Beginnings of the names of models that need no prefix, as at LiteLLM: `gpt-4` is `openai/gpt-4`."""
    newer_limit: NewerLimit = NewerLimit()
    limit_name: str = ""
    """The only field in which its servers take a limit on the output. Empty: what the caller sent goes on,
    but for what `newer_limit` says."""
    more_limits: tuple[str, ...] = ()
    """Further fields in which its servers take a limit on the output. They come before the dialect's own
    field."""
    refuses: tuple[str, ...] = ()
    """Fields that clients of other providers send, and that this provider's own hosts refuse."""
    surfaces: tuple[Surface, ...] = ()
    """The surfaces that the provider's own hosts have beside those of the dialect. Where the provider has no
    hosts of its own, all of its servers have them."""
    messages_base: str = ""
    """The address of Messages at the provider's own hosts, up to `/messages`, where it is not that of the
    other surfaces."""
    own_fields: tuple[str, ...] = ()
    """Fields of a body that its servers know although LiteLLM uses their names itself."""
    signs: Signs = Signs.NOT
    """What its calls are signed with where no key is given."""
    azure_paths: bool = False
    """Whether its addresses have Azure's forms (`models_registry/config/azure.py`)."""
    routes: tuple[str, ...] = ()
    """LiteLLM's words before a model's name that say how it is called: `o_series/`. They are no part of
    it."""
    claude_path: str = ""
    """Where its servers have Claude, by Anthropic's Messages: `/anthropic`. Empty: Claude is called as other
    models are."""
    takes_stream_options: bool = True
    """Whether a stream may be asked for its usage (`stream_options`)."""
    joins_content: bool = False
    """Whether a message's content must be one text, and no list of parts."""
    defaults: tuple[tuple[str, bytes], ...] = ()
    """Fields that are sent where nobody says otherwise, as JSON."""
    usual_base: str = ""
    """Where such servers usually listen, for those whose address the config has to give."""
    sources: tuple[str, ...] = ()
    """Where the row's facts come from. One source alone is `unverified` in the docs."""
    refused_in_messages: tuple[str, ...] = ()
    """Fields of earlier answers that the provider's own hosts refuse in messages."""
    strict_messages: bool = False
    """Whether the provider's own hosts refuse messages with fields that OpenAI does not declare."""
    bills_failures: bool = False
    """Whether the provider charges for calls that it answers with an error, where `model_info` does not
    say."""

"""What a translation needs beside the request, and must not look up itself."""

from collections.abc import Mapping

import msgspec


class CallFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a translation may need and must not look up itself: ids, the time, headers to pass on."""

    request_id: str
    """`chatcmpl-<this>` becomes the answer's id where the provider gives none."""
    created: int
    """Unix time in seconds."""
    pass_on: Mapping[str, str] = {}
    """The caller's headers from the allow-list (`traceparent`, `anthropic-beta`, `openai-beta` ...), with
    lower-case names. None of them is a credential or a cookie."""
    files: Mapping[str, str] = {}
    """The pictures and documents that were fetched for the call: data URIs by address."""
    stays_local: bool = False
    """Whether the call goes to local deployments alone. No host is then asked to fetch an address."""
    caches_prompts: bool = False
    """Whether the key has its prompts kept in the cache of a provider that has to be told so."""
    loaded_context: int = 0
    """The tokens of context with which the deployment's host has loaded the model. 0: none."""

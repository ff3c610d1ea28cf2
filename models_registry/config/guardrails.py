"""The guardrails of a config: `guardrails`, in LiteLLM's words. One kind has an effect, the generic one: a
web service that is asked about each call (`guardrail: generic_guardrail_api`).
"""

import enum
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from models_registry.config.content_rules import content_rules_of
from models_registry.config.hosts import is_near, origin_of
from models_registry.config.listed import ListedEntry
from models_registry.config.reader import Config
from models_registry.config.residency import said_residency
from models_registry.config.sections import GENERIC_GUARDRAIL
from models_registry.contents.rules import NO_RULES, ContentRules
from models_registry.target import Deadlines, Residency
from schema.cache_options import is_seconds
from schema.secret import Secret

PATH = "/beta/litellm_basic_guardrail_api"
"""Where the service is asked, behind its `api_base`."""
KEY_HEADER = "x-api-key"
MAX_GUARDRAILS = 100
MAX_TIMEOUT_S = 300.0
NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")  # RFC 9110, section 5.6.2


class Moment(enum.Enum):
    """When a guardrail is asked, by LiteLLM's word."""

    BEFORE = "pre_call"
    AFTER = "post_call"


MODES: Mapping[str, Moment] = MappingProxyType(
    {"pre_call": Moment.BEFORE, "during_call": Moment.BEFORE, "post_call": Moment.AFTER}
)
"""`during_call` is asked before the call as well: nothing leaves before it has answered."""
IDLE_MODES = frozenset({"logging_only", "pre_mcp_call", "during_mcp_call"})
"""LiteLLM's modes that have no effect here."""


class Guardrail(msgspec.Struct, frozen=True, kw_only=True):
    """A service that is asked about calls."""

    name: str
    url: str
    api_key: Secret | None = None
    """Sent as `x-api-key`."""
    headers: Mapping[str, Secret] = {}
    moments: frozenset[Moment] = frozenset({Moment.BEFORE})
    default_on: bool = False
    """Whether it is asked about every call. Else a model, a key, a team or a request names it."""
    opens_unreached: bool = False
    """`unreachable_fallback: fail_open`: calls go on where it can't be reached."""
    opens_failed: bool = False
    """`fail_on_error: false`: calls go on whatever is wrong with it."""
    residency: Residency = Residency.ANYWHERE
    deadlines: Deadlines = Deadlines(connect_s=5.0, first_byte_s=10.0, idle_s=10.0, total_s=10.0)
    window_chars: int = 500
    """`stream_window_chars` (ours): so many characters of a stream are read together."""
    held_chars: int = 100
    """`stream_held_chars` (ours): so many characters stay held back, so that no phrase is cut in two."""
    at_once: int = 64
    """`max_parallel` (ours): how many questions a worker asks at once."""
    sends_images: bool = True
    left_out: frozenset[str] = frozenset()
    """`exclude_payload_fields`."""
    params: msgspec.Raw = msgspec.Raw(b"{}")
    """`additional_provider_specific_params`."""
    info: msgspec.Raw = msgspec.Raw(b"{}")
    """`guardrail_info`: what people are told of it."""


class GuardrailRules(msgspec.Struct, frozen=True, kw_only=True):
    """The guardrails in force, by name, in the order of the config: so they are asked."""

    guardrails: Mapping[str, Guardrail] = {}
    defaults: tuple[str, ...] = ()
    """The names of those that are asked about every call."""
    missing: tuple[str, ...] = ()
    """The names of guardrails that are not in force: of kinds without an effect, and those that models name
    and nobody made."""
    contents: ContentRules = NO_RULES
    """The rules about contents, which the gateway applies itself before it asks any of them."""


NO_GUARDRAILS = GuardrailRules()
LEAVABLE = frozenset({"images", "tools", "structured_messages", "request_data", "litellm_trace_id", "model"})
"""The fields of a question that `exclude_payload_fields` may name."""
_NUMBERS: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {
        "stream_window_chars": (500, 1, 100_000),
        "stream_held_chars": (100, 0, 10_000),
        "max_parallel": (64, 1, 10_000),
    }
)
"""Ours, each with its default, the least and the most that it may be."""
_READ = frozenset(
    {"guardrail", "mode", "api_base", "api_key", "headers", "default_on", "unreachable_fallback", "timeout"}
    | {"fail_on_error", "residency", "allow_public_local", "send_images", "exclude_payload_fields"}
    | {"additional_provider_specific_params", *_NUMBERS}
)


def guardrail_rules_of(config: Config) -> tuple[GuardrailRules, tuple[str, ...], tuple[str, ...]]:
    """The guardrails of a config, the errors in them, and warnings."""
    errors: list[str] = []
    warnings: list[str] = []
    found: dict[str, Guardrail] = {}
    if len(config.guardrails) > MAX_GUARDRAILS:
        errors.append(f"guardrails: at most {MAX_GUARDRAILS}")
    elsewhere: list[str] = []
    for path, entry in config.guardrails[:MAX_GUARDRAILS]:
        reading = _ListedGuardrail(path, entry)
        kind = reading.kind()
        if kind != GENERIC_GUARDRAIL and not reading.errors:
            elsewhere.append(reading.name())
            continue
        made = reading.guardrail() if not reading.errors else None
        if made is not None and made.name in found:
            reading.wrong("guardrail_name", "another guardrail has this name")
        elif made is not None:
            found[made.name] = made
        errors += reading.errors
        warnings += reading.warnings
    if elsewhere:
        warnings.append(f"guardrails ({', '.join(elsewhere)}): has no effect in this version")
    missing = list(elsewhere)
    for deployment in config.deployments:
        for name in deployment.entry.litellm_params.guardrails or ():
            if name not in found:
                missing.append(name)
                warnings.append(
                    f"{deployment.path}.litellm_params.guardrails: there is no guardrail {name[:64]!r} in "
                    "force, and calls of the model are refused"
                )
    defaults = tuple(name for name, each in found.items() if each.default_on)
    contents, unruly = content_rules_of(config.general_settings)
    rules = GuardrailRules(
        guardrails=found,
        defaults=defaults,
        missing=tuple(dict.fromkeys(name[:64] for name in missing)),
        contents=contents,
    )
    return rules, (*errors, *unruly), tuple(warnings)


class _ListedGuardrail(ListedEntry):
    """Reads one entry of `guardrails`. No error shows a value."""

    def __init__(self, path: str, item: Any) -> None:  # values of YAML
        super().__init__(path, item)
        self.warnings: list[str] = []
        params = self._item.get("litellm_params")
        self._params: Mapping[str, Any] = params if isinstance(params, Mapping) else {}

    def kind(self) -> str:
        found = self._params.get("guardrail")
        return found if isinstance(found, str) else ""

    def name(self) -> str:
        found = self._item.get("guardrail_name")
        return found[:64] if isinstance(found, str) else "?"

    def wrong(self, name: str, what: str) -> None:
        """See ListedEntry. All fields but the name stand in `litellm_params`."""
        super().wrong(name if name == "guardrail_name" else f"litellm_params.{name}", what)

    def guardrail(self) -> Guardrail | None:
        name = self._item.get("guardrail_name")
        if not isinstance(name, str) or not NAME.fullmatch(name):
            self.wrong("guardrail_name", "expected 1 to 64 letters, digits, `_`, `.`, `-`")
        idle = [key for key in self._params if key not in _READ and self._params[key] is not None]
        self.warnings += [f"{self._path}.litellm_params.{key}: has no effect" for key in idle]
        url, residency = self._place()
        total_s = self._timeout()
        made = Guardrail(
            name=str(name),
            url=url,
            api_key=self._key(),
            headers=self._headers(),
            moments=self._moments(),
            default_on=self._flag("default_on", default=False),
            opens_unreached=self._opens_unreached(),
            opens_failed=not self._flag("fail_on_error", default=True),
            residency=residency,
            deadlines=Deadlines(
                connect_s=min(5.0, total_s), first_byte_s=total_s, idle_s=total_s, total_s=total_s
            ),
            window_chars=self._number("stream_window_chars"),
            held_chars=self._number("stream_held_chars"),
            at_once=self._number("max_parallel"),
            sends_images=self._flag("send_images", default=True),
            left_out=self._left_out(),
            params=self._json("additional_provider_specific_params", self._params),
            info=self._json("guardrail_info", self._item),
        )
        return None if self.errors else made

    def _place(self) -> tuple[str, Residency]:
        address = self._params.get("api_base")
        if not isinstance(address, str) or origin_of(address) is None:
            self.wrong("api_base", "expected an address that begins with http:// or https://")
            return "", Residency.ANYWHERE
        address = address.rstrip("/")
        url = address if address.endswith(PATH) else address + PATH
        is_trusted = self._flag("allow_public_local", default=False)
        found = said_residency(self._params.get("residency"), address, is_trusted=is_trusted)
        if isinstance(found, str):
            self.wrong("residency", found)
            return url, Residency.LOCAL
        if found is None:
            return url, Residency.NEAR if is_near(address) else Residency.ANYWHERE
        return url, found

    def _key(self) -> Secret | None:
        found = self._params.get("api_key")
        if found is None and "api_key" in self._params:
            self.wrong("api_key", "it has no value, as its variable is not set")
        if found is not None and not _fits_header(found):
            self.wrong("api_key", "expected printable ASCII")
        return Secret(found) if isinstance(found, str) and found else None

    def _headers(self) -> Mapping[str, Secret]:
        found = self._params.get("headers")
        if found is None:
            return {}
        fits = isinstance(found, Mapping) and len(found) <= 50
        if not fits or not all(
            isinstance(name, str) and _HEADER.fullmatch(name) and _fits_header(value)
            for name, value in found.items()
        ):
            self.wrong("headers", "expected names of headers with their texts")
            return {}
        return {name.lower(): Secret(value) for name, value in found.items()}

    def _moments(self) -> frozenset[Moment]:
        found = self._params.get("mode")
        modes: Sequence[Any] = found if isinstance(found, list) else [found]
        if not modes or not all(isinstance(each, str) and each in {*MODES, *IDLE_MODES} for each in modes):
            self.wrong("mode", f"expected {', '.join(MODES)}, or a list of them")
            return frozenset()
        idle = [each for each in modes if each in IDLE_MODES]
        if idle:
            self.warnings.append(f"{self._path}.litellm_params.mode: {', '.join(idle)} has no effect")
        return frozenset(MODES[each] for each in modes if each in MODES)

    def _opens_unreached(self) -> bool:
        found = self._params.get("unreachable_fallback") or "fail_closed"
        if found not in ("fail_closed", "fail_open"):
            self.wrong("unreachable_fallback", "expected fail_closed or fail_open")
        return found == "fail_open"

    def _timeout(self) -> float:
        found = self._params.get("timeout")
        if found is None:
            return 10.0
        if is_seconds(found) and 0 < found <= MAX_TIMEOUT_S:
            return float(found)
        self.wrong("timeout", f"expected seconds, above 0 and up to {MAX_TIMEOUT_S:g}")
        return 10.0

    def _number(self, name: str) -> int:
        default, least, most = _NUMBERS[name]
        found = self._params.get(name)
        if found is None:
            return default
        if isinstance(found, bool) or not isinstance(found, int) or not least <= found <= most:
            self.wrong(name, f"expected a whole number, {least} to {most}")
            return default
        return found

    def _flag(self, name: str, *, default: bool) -> bool:
        found = self._params.get(name)
        if found is None:
            return default
        if not isinstance(found, bool):
            self.wrong(name, "expected true or false")
        return found is True

    def _left_out(self) -> frozenset[str]:
        found = self._params.get("exclude_payload_fields") or []
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            self.wrong("exclude_payload_fields", "expected a list of names")
            return frozenset()
        for each in sorted({*found} - LEAVABLE - {"request_headers", "litellm_version"}):
            self.warnings.append(
                f"{self._path}.litellm_params.exclude_payload_fields: {each[:64]!r} is always sent, or never"
            )
        return frozenset(found) & LEAVABLE

    def _json(self, name: str, fields: Mapping[str, Any]) -> msgspec.Raw:
        found = fields.get(name)
        if found is None:
            return msgspec.Raw(b"{}")
        try:
            written = msgspec.json.encode(found)
        except (TypeError, ValueError, OverflowError):
            written = b""
        if not isinstance(found, Mapping) or not written:
            self.wrong(name, "expected a mapping that can be written as JSON")
        return msgspec.Raw(written)


def _fits_header(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable() and len(value) <= 4096

"""Checks LiteLLM's `config.yaml`: what it means, what is wrong with it, what has no effect.

The reader is pure: it takes the parsed mapping, includes merged, and the environment, and gives a `Config`.
All problems are collected, not only the first one. Each names its path in the file:
`model_list[2].litellm_params.api_base`.
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from models_registry.config import known_keys
from models_registry.config.entries import (
    Credentials,
    Deployment,
    EntryRead,
    Skipped,
    Unset,
    keeps_from_starting,
    skipped_of,
    with_credential,
)
from models_registry.config.names import names_in
from models_registry.config.sections import (
    GENERIC_GUARDRAIL,
    GeneralSettings,
    LitellmParams,
    LitellmSettings,
    ModelEntry,
    ModelInfo,
    RouterSettings,
)
from models_registry.config.unknown_keys import (
    NEVER_SENT,
    NEVER_SENT_PREFIXES,
    asks_for_nothing,
    homes_of,
    is_so_anyway,
    unknown_key,
)
from models_registry.numbers import BadDeployment
from models_registry.prices.fields import (
    PriceField,
    check_prices,
    is_price_field,
    per_million_doubt,
    warning_of,
)
from schema.errors.base import shortened
from schema.secret import Secret

ENV_PREFIX = "os.environ/"
NOTHING_STORED: Mapping[str, Mapping[str, Any]] = MappingProxyType({})


PROTECTED = frozenset(
    {"PATH", "HOME", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "LD_PRELOAD", "LD_LIBRARY_PATH", "SHELL"}
)
"""Names that `environment_variables` must not set: they decide what code runs."""


_VARIABLE = re.compile(
    r"""\$\{([A-Za-z_][A-Za-z0-9_]*)(?::?[-=?][^}]*)?\}"""
    r"""|^\$([A-Z_][A-Z0-9_]+)$|^\$?\{\{\s*(?:env\.)?([A-Z_][A-Z0-9_]+)\s*\}\}$"""
    r"""|^os\.(?:environ(?:\.get)?|getenv)[.\[(:]\s*["']?([A-Za-z_][A-Za-z0-9_]*)"""
    r"""|^env[./:]([A-Z_][A-Z0-9_]+)$"""
)
"""Ways of other programs to write a variable."""


NO_KEYS = ("x-", "_", ".")
"""How the top-level keys begin that are a place for anchors alone."""


S = TypeVar("S", bound=msgspec.Struct)


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A whole config. It can be used when `errors` is empty."""

    deployments: tuple[Deployment, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    litellm_settings: LitellmSettings = LitellmSettings()
    router_settings: RouterSettings = RouterSettings()
    general_settings: GeneralSettings = GeneralSettings()
    environment: Mapping[str, str] = {}
    """The process environment with the file's `environment_variables` over it."""
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    unset: tuple[Unset, ...] = ()
    written: tuple[str, ...] = ()
    """The paths of texts that look like a variable and are taken as they are: `${OPENAI_API_KEY}`."""
    credentials: Credentials = {}
    """The values of shared credentials, by the credential's name."""
    guardrails: tuple[tuple[str, Any], ...] = ()  # any YAML
    """The entries of `guardrails`, each with its path."""
    ids: Mapping[str, str] = {}
    """The paths of the file's entries that say an `id`, by it. Those that can't be called are in it too."""
    cache_flaw: str = ""
    """Why the stored settings of the response cache can't be in force. It is off then."""

    @property
    def master_key(self) -> Secret | None:
        key = self.general_settings.master_key
        return Secret(key) if key else None


def read_config(
    document: Mapping[str, Any],
    env: Mapping[str, str],
    stored: Mapping[str, Mapping[str, Any]] = NOTHING_STORED,
) -> Config:
    """Check a parsed config file. Nothing that a file can hold makes this raise. `stored` has settings by
    section, which count before those of the file. In them no variable is looked up."""
    reader = _ConfigReader(env, stored)
    reader.export(document.get("environment_variables"))
    reader.share(document.get("credential_list"))
    for key in document:
        if key in known_keys.TOP_LEVEL_LATER:
            if not asks_for_nothing(document[key]):
                reader.warnings.append(f"{key}{names_in(document[key])}: has no effect in this version")
        elif key not in known_keys.TOP_LEVEL and not str(key).startswith(NO_KEYS):
            reader.warnings.append(f"{key}: {unknown_key(key, '')}")
    guardrails = tuple(reader.guardrails(document))
    return Config(
        guardrails=guardrails,
        deployments=tuple(reader.deployments(document.get("model_list"))),
        skipped=tuple(reader.skipped),
        litellm_settings=reader.section(document, "litellm_settings", LitellmSettings),
        router_settings=reader.section(document, "router_settings", RouterSettings),
        general_settings=reader.section(document, "general_settings", GeneralSettings),
        environment=reader.env,
        errors=tuple(reader.errors),
        warnings=tuple(reader.warnings),
        unset=tuple(reader.unset),
        written=tuple(reader.written),
        credentials=reader.credentials,
        ids=reader.ids,
    )


def read_entry(
    item: Mapping[str, Any], path: str, env: Mapping[str, str], credentials: Credentials
) -> EntryRead:
    """Check one entry that is not in the file. Whatever is wrong with it makes it one that is skipped.
    `env` are the variables that it may name."""
    reader = _ConfigReader(env)
    reader.credentials = dict(credentials)
    values = reader.resolved(item, path)
    found: Deployment | Skipped
    try:
        found = reader.deployment(item, values, path)
    except BadDeployment as exc:
        found = skipped_of(values, path, exc)
    return EntryRead(found=found, warnings=tuple(reader.warnings))


class _ConfigReader:
    """Walks the document and collects what it finds."""

    def __init__(
        self, env: Mapping[str, str], stored: Mapping[str, Mapping[str, Any]] = NOTHING_STORED
    ) -> None:
        self.env = dict(env)
        self.stored = stored
        self.errors: list[str] = []
        self.skipped: list[Skipped] = []
        self.ids: dict[str, str] = {}
        self.warnings: list[str] = []
        self.unset: list[Unset] = []
        self.written: list[str] = []
        self.credentials: dict[str, Mapping[str, Any]] = {}

    def share(self, listed: Any) -> None:
        """Read `credential_list`, the credentials that entries name."""
        for index, item in enumerate(listed if isinstance(listed, list) else ()):
            path = f"credential_list[{index}]"
            values = self.resolved(item, path)
            name = values.get("credential_name") if isinstance(values, Mapping) else None
            inside = values.get("credential_values") if isinstance(values, Mapping) else None
            if not isinstance(name, str) or not isinstance(inside, Mapping):
                self.errors.append(f"{path}: expected credential_name and credential_values")
            elif name in self.credentials:
                self.errors.append(f"{path}.credential_name: another credential has this name")
            else:
                self.credentials[name] = inside
        if listed is not None and not isinstance(listed, list):
            self.errors.append(f"credential_list: expected a list, found {_kind(listed)}")

    def export(self, variables: Any) -> None:
        if variables is None:
            return
        if not isinstance(variables, Mapping):
            self.errors.append(f"environment_variables: expected a mapping, found {_kind(variables)}")
            return
        for name, value in variables.items():
            path = f"environment_variables.{name}"
            if name in PROTECTED:
                self.errors.append(f"{path}: this variable decides what code runs and can't be set here")
            elif isinstance(value, (str, int, float, bool)):
                found = self.resolved(value, path)
                if found is not None:
                    self.env[str(name)] = str(found)
            else:
                self.errors.append(f"{path}: expected text, found {_kind(value)}")

    def guardrails(self, document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """The entries of `guardrails`, and of the same in `litellm_settings`, each with its path. Variables
        are looked up in those of the kind that has an effect."""
        inside = document.get("litellm_settings")
        places = [("guardrails", document.get("guardrails"))]
        if isinstance(inside, Mapping):
            places.append(("litellm_settings.guardrails", inside.get("guardrails")))
        for place, listed in places:
            if not isinstance(listed, list):
                if not asks_for_nothing(listed):
                    self.errors.append(f"{place}: expected a list, found {_kind(listed)}")
                continue
            for index, item in enumerate(listed):
                path = f"{place}[{index}]"
                params = item.get("litellm_params") if isinstance(item, Mapping) else None
                is_generic = isinstance(params, Mapping) and params.get("guardrail") == GENERIC_GUARDRAIL
                yield path, self.resolved(item, path) if is_generic else item

    def section(self, document: Mapping[str, Any], name: str, kind: type[S]) -> S:
        found, stored = document.get(name), self.stored.get(name, {})
        if found is None and not stored:
            return kind()
        if found is None:
            found = {}
        if isinstance(found, Mapping):
            elsewhere = {*stored, "guardrails"} if name == "litellm_settings" else stored
            found = {key: value for key, value in found.items() if key not in elsewhere}
        values = self.resolved(found, name)
        if isinstance(values, Mapping):
            values = {**values, **stored}
            self._warn_unknown(values, name, kind)
        return self._convert(values, name, kind) or kind()

    def deployments(self, model_list: Any) -> Iterator[Deployment]:
        if model_list is None:
            return
        if not isinstance(model_list, list):
            self.errors.append(f"model_list: expected a list, found {_kind(model_list)}")
            return
        for index, item in enumerate(model_list):
            path = f"model_list[{index}]"
            values = self.resolved(item, path)
            try:
                yield self.deployment(item, values, path)
            except BadDeployment as exc:
                if keeps_from_starting(path, exc.path):
                    self.errors.append(str(exc))
                else:
                    self.skipped.append(skipped_of(values, path, exc))
            self._check_id(values, path)

    def _check_id(self, values: Any, path: str) -> None:
        """The rows of two deployments with one id could not be told apart."""
        info = values.get("model_info") if isinstance(values, Mapping) else None
        known_as = info.get("id") if isinstance(info, Mapping) else None
        if isinstance(known_as, str) and self.ids.setdefault(known_as, path) != path:
            self.errors.append(f"{path}.model_info.id: {self.ids[known_as]} has the same id")

    def deployment(self, item: Any, values: Any, path: str) -> Deployment:
        """The deployment of an entry. `item` is the entry as it is written, and `values` with its variables
        looked up. Raises BadDeployment."""
        with_credential(values, self.credentials, path)
        prices = self._prices(values, path)
        if isinstance(values, dict) and values.get("model_info", "absent") is None:
            del values["model_info"]
        entry = _converted(values, path, ModelEntry)
        self._warn_unknown(values, path, ModelEntry)
        self._warn_unknown(values.get("model_info") or {}, f"{path}.model_info", ModelInfo)
        return Deployment(
            path=path,
            entry=entry,
            params=self._params(values["litellm_params"], f"{path}.litellm_params"),
            prices=prices,
            empty=self._empty(item["litellm_params"], values["litellm_params"]),
            info=values.get("model_info") or {},
        )

    def _empty(self, written: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, str]:
        found = {}
        for name in known_keys.NEEDS_VALUE:
            if name not in values or (values[name] is not None and str(values[name]).strip()):
                continue
            text = str(written.get(name, ""))
            found[name] = text.removeprefix(ENV_PREFIX) if text.startswith(ENV_PREFIX) else ""
        return found

    def resolved(self, value: Any, path: str) -> Any:
        """The value with each `os.environ/NAME` looked up. As at LiteLLM, texts in mappings are looked up,
        also in mappings inside lists, and texts that stand in a list are not. A variable that is missing
        becomes null."""
        if isinstance(value, Mapping):
            return {key: self.resolved(inner, f"{path}.{key}") for key, inner in value.items()}
        if isinstance(value, list):
            return [
                self.resolved(inner, f"{path}[{index}]") if isinstance(inner, (Mapping, list)) else inner
                for index, inner in enumerate(value)
            ]
        if not isinstance(value, str) or not value.startswith(ENV_PREFIX):
            if isinstance(value, str) and _VARIABLE.search(value):
                self.written.append(path)
            return value
        name = value.removeprefix(ENV_PREFIX)
        text = self.env.get(name)
        if text is None:
            self.unset.append(Unset(path=path, variable=name))
        return {"True": True, "true": True, "False": False, "false": False}.get(text or "", text)

    def _convert(self, values: Any, path: str, kind: type[S]) -> S | None:
        try:
            return _converted(values, path, kind)
        except BadDeployment as exc:
            self.errors.append(str(exc))
            return None

    def _warn_unknown(self, values: Mapping[str, Any], path: str, kind: type[msgspec.Struct]) -> None:
        known = set(kind.__struct_encode_fields__)
        later = known_keys.LATER.get(kind.__name__, frozenset())
        for key, value in values.items():
            is_shown = kind is ModelInfo and (is_price_field(str(key)) or key in known_keys.SHOWN)
            if key in known or is_shown:
                continue
            if key not in later:
                section = path.rpartition(".")[2] if kind is not ModelEntry else "model_list"
                self.warnings.append(f"{path}.{key}: {unknown_key(str(key), section)}")
            elif self._forget_unset(f"{path}.{key}") or not is_so_anyway(key, value):
                self.warnings.append(f"{path}.{key}{names_in(value)}: has no effect in this version")

    def _forget_unset(self, path: str) -> bool:
        """A variable that the environment lacks matters nothing where its key has no effect. True where there
        was one."""
        inside = (f"{path}.", f"{path}[")
        kept = [each for each in self.unset if each.path != path and not each.path.startswith(inside)]
        found = len(kept) < len(self.unset)
        self.unset = kept
        return found

    def _prices(self, values: Any, path: str) -> dict[str, PriceField]:
        """The price fields, checked first of all: what is wrong with the rest of the entry must not hide a
        price that is none."""
        found: dict[str, PriceField] = {}
        for section in ("model_info", "litellm_params"):
            fields = values.get(section) if isinstance(values, Mapping) else None
            for name, value in fields.items() if isinstance(fields, Mapping) else ():
                if not isinstance(name, str) or not is_price_field(name) or value is None:
                    continue
                warning = warning_of(name)
                if warning is None:
                    found[name] = PriceField(path=f"{path}.{section}.{name}", value=value)
                else:
                    self.warnings.append(f"{path}.{section}.{name}: {warning}")
        check_prices(found)
        for name, field in found.items():
            doubt = per_million_doubt(name, field.value)
            if doubt is not None:
                self.warnings.append(f"{field.path}: {doubt}")
        return found

    def _params(self, values: Mapping[str, Any], path: str) -> dict[str, msgspec.Raw]:
        known = set(LitellmParams.__struct_encode_fields__)
        params: dict[str, msgspec.Raw] = {}
        for key, value in values.items():
            if key in known or is_price_field(key):
                continue
            if key in NEVER_SENT or key.startswith(NEVER_SENT_PREFIXES):
                if self._forget_unset(f"{path}.{key}") or not asks_for_nothing(value):
                    self.warnings.append(f"{path}.{key}{names_in(value)}: has no effect in this version")
                continue
            if value is None:
                continue
            elsewhere = homes_of(key)
            if elsewhere and key not in known_keys.REQUEST_PARAMS:
                self.warnings.append(f"{path}.{key}: {unknown_key(key, 'litellm_params')}; it is not sent")
                continue
            try:
                params[key] = msgspec.Raw(msgspec.json.encode(value))
            except (TypeError, ValueError, OverflowError):
                raise BadDeployment(f"{path}.{key}", f"{_kind(value)} can't be sent as JSON") from None
        return params


def _converted(values: Any, path: str, kind: type[S]) -> S:
    """The values as a Struct. Text may stand for a number, since the environment gives `os.environ/RPM` as
    text. A number where text is declared is an error. Raises BadDeployment."""
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as exc:
        what, _, where = str(exc).partition(" - at `$")
        where = _with_key(values, where.rstrip("`"), kind)
        raise BadDeployment(f"{path}{where}", what) from None


def _with_key(values: Any, where: str, kind: type[S]) -> str:
    """A place within a section, such as `.model_group_alias[...]`, with the key that is meant."""
    field, some, rest = where.removeprefix(".").partition("[...]")
    inside = values.get(field) if some and isinstance(values, Mapping) else None
    for key, value in inside.items() if isinstance(inside, Mapping) else ():
        try:
            msgspec.convert({**values, field: {key: value}}, kind, strict=False)
        except msgspec.ValidationError:
            return f".{field}.{shortened(str(key))}{rest}"
    return where


def _kind(value: object) -> str:
    """The kind of a value, for a message: `a list`. The value is never shown, since it may be a secret in the
    wrong place."""
    kinds = {"dict": "a mapping", "list": "a list", "str": "text", "NoneType": "nothing"}
    return kinds.get(type(value).__name__, type(value).__name__)

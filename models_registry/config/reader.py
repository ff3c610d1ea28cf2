"""Checks LiteLLM's `config.yaml`: what it means, what is wrong with it, what has no effect.

The reader is pure: it takes the parsed mapping, includes merged, and the environment, and gives a `Config`.
All problems are collected, not only the first one. Each names its path in the file:
`model_list[2].litellm_params.api_base`.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from models_registry.config import known_keys
from models_registry.config.conversion import S, converted, kind_of
from models_registry.config.entries import (
    Credentials,
    Deployment,
    EntryRead,
    Skipped,
    Unset,
    keeps_from_starting,
    skipped_of,
)
from models_registry.config.entry_reader import EntryReader
from models_registry.config.names import names_in
from models_registry.config.sections import (
    GENERIC_GUARDRAIL,
    GeneralSettings,
    LitellmSettings,
    RouterSettings,
)
from models_registry.config.unknown_keys import asks_for_nothing, unknown_key, unknown_key_warnings
from models_registry.config.variables import Variables
from models_registry.numbers import BadDeployment
from schema.secret import Secret

NOTHING_STORED: Mapping[str, Mapping[str, Any]] = MappingProxyType({})


NO_KEYS = ("x-", "_", ".")
"""How the top-level keys begin that are a place for anchors alone."""


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
    unfit_settings: Mapping[str, str] = {}
    """Why stored settings of the router are not in force, by their names. The others are."""
    cache_judged: bool = False
    """Whether somebody entered the settings of the response cache through the API."""

    @property
    def master_key(self) -> Secret | None:
        key = self.general_settings.master_key
        return Secret(key) if key else None

    @property
    def settings_refused(self) -> list[str]:
        """Why stored settings of the router, or of the response cache, are not in force."""
        return [*self.unfit_settings.values(), *([self.cache_flaw] if self.cache_flaw else [])]


def read_config(
    document: Mapping[str, Any],
    env: Mapping[str, str],
    stored: Mapping[str, Mapping[str, Any]] = NOTHING_STORED,
) -> Config:
    """Check a parsed config file. Nothing that a file can hold makes this raise. `stored` has settings by
    section, which count before those of the file. In them no variable is looked up."""
    reader = _ConfigReader(env, stored)
    reader.errors += reader.variables.export(document.get("environment_variables"))
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
        environment=reader.variables.env,
        errors=tuple(reader.errors),
        warnings=tuple(reader.warnings),
        unset=tuple(reader.variables.unset),
        written=tuple(reader.variables.written),
        credentials=reader.credentials,
        ids=reader.ids,
    )


def read_entry(
    item: Mapping[str, Any], path: str, env: Mapping[str, str], credentials: Credentials
) -> EntryRead:
    """Check one entry that is not in the file. Whatever is wrong with it makes it one that is skipped.
    `env` are the variables that it may name."""
    variables, warnings = Variables(env), list[str]()
    values = variables.resolved(item, path)
    found: Deployment | Skipped
    try:
        found = EntryReader(variables, credentials, warnings).deployment(item, values, path)
    except BadDeployment as exc:
        found = skipped_of(values, path, exc)
    return EntryRead(found=found, warnings=tuple(warnings))


class _ConfigReader:
    """Walks the document and collects what it finds."""

    def __init__(
        self, env: Mapping[str, str], stored: Mapping[str, Mapping[str, Any]] = NOTHING_STORED
    ) -> None:
        self.variables = Variables(env)
        self.stored = stored
        self.errors: list[str] = []
        self.skipped: list[Skipped] = []
        self.ids: dict[str, str] = {}
        self.warnings: list[str] = []
        self.credentials: dict[str, Mapping[str, Any]] = {}
        self.entries = EntryReader(self.variables, self.credentials, self.warnings)

    def share(self, listed: Any) -> None:
        """Read `credential_list`, the credentials that entries name."""
        for index, item in enumerate(listed if isinstance(listed, list) else ()):
            path = f"credential_list[{index}]"
            values = self.variables.resolved(item, path)
            name = values.get("credential_name") if isinstance(values, Mapping) else None
            inside = values.get("credential_values") if isinstance(values, Mapping) else None
            if not isinstance(name, str) or not isinstance(inside, Mapping):
                self.errors.append(f"{path}: expected credential_name and credential_values")
            elif name in self.credentials:
                self.errors.append(f"{path}.credential_name: another credential has this name")
            else:
                self.credentials[name] = inside
        if listed is not None and not isinstance(listed, list):
            self.errors.append(f"credential_list: expected a list, found {kind_of(listed)}")

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
                    self.errors.append(f"{place}: expected a list, found {kind_of(listed)}")
                continue
            for index, item in enumerate(listed):
                path = f"{place}[{index}]"
                params = item.get("litellm_params") if isinstance(item, Mapping) else None
                is_generic = isinstance(params, Mapping) and params.get("guardrail") == GENERIC_GUARDRAIL
                yield path, self.variables.resolved(item, path) if is_generic else item

    def section(self, document: Mapping[str, Any], name: str, kind: type[S]) -> S:
        found, stored = document.get(name), self.stored.get(name, {})
        if found is None and not stored:
            return kind()
        if found is None:
            found = {}
        if isinstance(found, Mapping):
            elsewhere = {*stored, "guardrails"} if name == "litellm_settings" else stored
            found = {key: value for key, value in found.items() if key not in elsewhere}
        values = self.variables.resolved(found, name)
        if isinstance(values, Mapping):
            values = {**values, **stored}
            self.warnings += unknown_key_warnings(values, name, kind, self.variables)
        return self._convert(values, name, kind) or kind()

    def deployments(self, model_list: Any) -> Iterator[Deployment]:
        if model_list is None:
            return
        if not isinstance(model_list, list):
            self.errors.append(f"model_list: expected a list, found {kind_of(model_list)}")
            return
        for index, item in enumerate(model_list):
            path = f"model_list[{index}]"
            values = self.variables.resolved(item, path)
            try:
                yield self.entries.deployment(item, values, path)
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

    def _convert(self, values: Any, path: str, kind: type[S]) -> S | None:
        try:
            return converted(values, path, kind)
        except BadDeployment as exc:
            self.errors.append(str(exc))
            return None

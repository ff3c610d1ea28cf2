"""The deployments of a config, each compiled, and those of the last time where nothing about them changed.

Compiling takes 0.7 ms. A registry is built anew with each change of a stored model, and all of its other
deployments are as before. So the work of the last time is kept, for as long as everything that it depends on
is the same.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import msgspec

from models_registry.config.access import without_key
from models_registry.config.cache_points import cache_point_warnings
from models_registry.config.capacity import tag_warnings
from models_registry.config.credentials import idle_fields
from models_registry.config.deployments import compile_targets
from models_registry.config.doubts import (
    doubled_path,
    doubts_of,
    header_warnings,
    needed_warnings,
    unbounded_warning,
    unsafe_warning,
)
from models_registry.config.entries import Deployment, EntryRead
from models_registry.config.hosts import is_provider
from models_registry.config.params import judged
from models_registry.config.providers import PROVIDERS
from models_registry.config.reader import Config
from models_registry.numbers import BadDeployment
from models_registry.target import Target, TlsOptions

TlsFlaw = Callable[[TlsOptions], str | None]
"""What is wrong with the files of TLS options. None: nothing is."""


class Compiled(msgspec.Struct, frozen=True, kw_only=True):
    """What a deployment became."""

    targets: tuple[Target, ...]
    warnings: tuple[str, ...]


class _Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What a compiled deployment depends on beside itself. Prices are those of a day."""

    sections: tuple[msgspec.Struct, ...]
    environment: Mapping[str, str]
    day: date


class BuildCache:
    """What was read and compiled the last time. It belongs to one worker, and is used by one build at a
    time. Nothing that failed is kept."""

    def __init__(self) -> None:
        self._around: _Surroundings | None = None
        self._compiled: dict[int, tuple[Deployment, Compiled]] = {}
        """By the identity of the deployment, which is kept too."""
        self._config: tuple[object, Mapping[str, Any], Config] | None = None
        self._entries: dict[str, tuple[object, EntryRead]] = {}

    def config(self, document: object, settings: Mapping[str, Any], read: Callable[[], Config]) -> Config:
        """The config of this very document with these stored settings."""
        kept = self._config
        if kept is None or kept[0] is not document or dict(kept[1]) != dict(settings):
            kept = self._config = (document, settings, read())
        return kept[2]

    def entry(self, key: str, of: object, read: Callable[[], EntryRead]) -> EntryRead:
        """A stored entry, which is the same as long as `of` is equal."""
        kept = self._entries.get(key)
        if kept is None or kept[0] != of:
            kept = self._entries[key] = (of, read())
        return kept[1]

    def keep_entries(self, keys: set[str]) -> None:
        """Forget the other entries."""
        self._entries = {key: each for key, each in self._entries.items() if key in keys}

    def compiled(
        self, config: Config, at: datetime, tls_flaw: TlsFlaw
    ) -> list[tuple[Deployment, Compiled | BadDeployment]]:
        """Each deployment of a config, compiled, or why it can't be called."""
        around = _surroundings_of(config, at)
        if around != self._around:
            self._around, self._compiled = around, {}
        found: list[tuple[Deployment, Compiled | BadDeployment]] = []
        kept: dict[int, tuple[Deployment, Compiled]] = {}
        for deployment in config.deployments:
            known = self._compiled.get(id(deployment))
            if known is None:
                try:
                    known = (deployment, compiled(config, deployment, at, tls_flaw))
                except BadDeployment as exc:
                    found.append((deployment, exc))
                    continue
            kept[id(deployment)] = known
            found.append(known)
        self._compiled = kept
        return found


def _surroundings_of(config: Config, at: datetime) -> _Surroundings:
    sections = (config.litellm_settings, config.router_settings, config.general_settings)
    return _Surroundings(sections=sections, environment=config.environment, day=at.date())


def compiled(config: Config, deployment: Deployment, at: datetime, tls_flaw: TlsFlaw) -> Compiled:
    """A deployment with the prices in force at `at`, and warnings. Raises BadDeployment."""
    targets = compile_targets(config, deployment, at)
    if targets[0].tls is not None and (flaw := tls_flaw(targets[0].tls)) is not None:
        params = deployment.entry.litellm_params
        name = "ssl_verify" if isinstance(params.ssl_verify, str) else "ssl_certificate"
        raise BadDeployment(f"{deployment.path}.litellm_params.{name}", flaw)
    targets, params_said = _judged(config, deployment, targets)
    unsafe = unsafe_warning(deployment)
    warnings = [
        *params_said,
        *needed_warnings(deployment),
        *tag_warnings(config, deployment),
        *header_warnings(deployment),
        *idle_fields(PROVIDERS[targets[0].provider], deployment),
        *([] if unsafe is None else [unsafe]),
    ]
    for target in targets:
        warning = without_key(target, PROVIDERS[target.provider], config.environment)
        if warning is not None:
            warnings.append(f"{deployment.path}.litellm_params.api_key: {warning}")
        doubled = doubled_path(target)
        if doubled is not None:
            warnings.append(f"{deployment.path}.litellm_params.api_base: {doubled}")
        warnings += cache_point_warnings(deployment, target)
        warnings += [f"{deployment.path}: {doubt}" for doubt in doubts_of(deployment, target)]
        unbounded = unbounded_warning(deployment, target)
        if unbounded is not None:
            warnings.append(unbounded)
    return Compiled(targets=targets, warnings=tuple(warnings))


def _judged(
    config: Config, deployment: Deployment, targets: Sequence[Target]
) -> tuple[tuple[Target, ...], list[str]]:
    """The targets with the parameters that can be sent to each, and warnings. Raises BadDeployment."""
    found, warnings = [], []
    for target in targets:
        provider = PROVIDERS[target.provider]
        known = provider.declares_fields and is_provider(provider, target.api_base, config.environment)
        fit, said = judged(deployment, target, declares_all=known)
        found.append(fit)
        warnings += said
    return tuple(found), list(dict.fromkeys(warnings))

"""The registry of model names: exact names and wildcards to groups of deployments.

Built once from a config; looking up is pure. A wildcard (`openai/*`) puts what its star matched
in place of the star of `litellm_params.model`; the longest pattern that fits wins.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

import msgspec

from models_registry.config.deployments import (
    compile_targets,
    doubled_path,
    doubts_of,
    expand,
    header_warnings,
    needed_warnings,
    priced,
    unbounded_warning,
    unsafe_warning,
    without_key,
)
from models_registry.config.hosts import is_provider
from models_registry.config.params import judged
from models_registry.config.providers import PROVIDERS
from models_registry.config.reader import Config, Deployment, Skipped, keeps_from_starting, would_be_local
from models_registry.drops import Drop, Reason
from models_registry.numbers import BadDeployment
from models_registry.prices.price import Price
from models_registry.prices.pricing import unused_adjustments
from models_registry.target import Target, TlsOptions
from schema.errors import GatewayError, ModelInError, ModelNotAllowed, ModelNotFound
from schema.ledger.rows import SpendRow
from schema.models import AllowedModels, ModelCard

EVERYTHING = frozenset({"*", "all-proxy-models"})
MAX_NAME_CHARS = 256
MAX_REASONS = 3
"""Told of a model whose deployments are in error."""
MAX_EXPANDED = 1_000
"""Concrete models remembered for wildcards; past it each call looks its price up again."""


class Wildcard(msgspec.Struct, frozen=True, kw_only=True):
    """A public name with a star, and its deployments: none where all of them are skipped."""

    name: str
    targets: tuple[Target, ...]


class Registry:
    """Implements the `Models` port."""

    def __init__(
        self,
        groups: Mapping[str, tuple[Target, ...]],
        wildcards: Sequence[Wildcard],
        at: datetime,
        access_groups: Mapping[str, Sequence[str]] = MappingProxyType({}),
        skipped: Sequence[Skipped] = (),
    ) -> None:
        """`access_groups`: names that stand for several models in a key's list. `skipped`: deployments that
        can't be called. A name all of whose deployments are skipped stays a name: no wildcard takes its
        calls."""
        self.skipped = tuple(skipped)
        self._access_groups = dict(access_groups)
        self._groups = dict(groups)
        self._reasons: dict[str, list[str]] = defaultdict(list)
        """Why deployments are skipped, by the public name as the config has it."""
        for each in self.skipped:
            if each.model_name:
                self._reasons[each.model_name].append(each.reason)
        found = {wildcard.name: wildcard for wildcard in wildcards}
        gone = {name: Wildcard(name=name, targets=()) for name in self._reasons if "*" in name}
        self._wildcards = sorted((gone | found).values(), key=lambda wildcard: -len(wildcard.name))
        self._at = at
        self._expanded: dict[str, tuple[Target, ...]] = {}

    def target(self, name: str, *, allowed: Sequence[AllowedModels], roll: float) -> Target:
        """A deployment for one call. Raises ModelNotFound, ModelInError or ModelNotAllowed."""
        targets = self.targets(name, allowed=allowed)
        return targets[pick(targets, roll)]

    def targets(self, name: str, *, allowed: Sequence[AllowedModels]) -> tuple[Target, ...]:
        """The deployments of a model, one at least. Raises ModelNotFound, ModelInError or ModelNotAllowed."""
        found = self.find(name, allowed=allowed)
        if isinstance(found, tuple):
            return found
        raise _error_of(found)

    def find(self, name: str, *, allowed: Sequence[AllowedModels]) -> tuple[Target, ...] | Drop:
        """The deployments of a model, one at least, or why there is none for this caller."""
        targets = self._groups.get(name) or self._expanded.get(name)
        if targets is None and len(name) <= MAX_NAME_CHARS:
            targets = self._expand(name)
        if not targets and not self.why_not(name):
            return Drop(model=name[:MAX_NAME_CHARS], reason=Reason.UNKNOWN)
        for each in allowed:
            if not self._permits(each, name):
                return Drop(model=name, reason=Reason.NOT_ALLOWED, detail=each.level)
        if not targets:
            return Drop(model=name, reason=Reason.IN_ERROR, detail=self._whats_wrong(name))
        if name not in self._groups and len(self._expanded) < MAX_EXPANDED:
            self._expanded[name] = targets
        return targets

    def knows(self, name: str) -> bool:
        """Whether there is a deployment to call."""
        return name in self._groups or bool(self._expand(name))

    def why_not(self, name: str) -> list[str]:
        """Why deployments of a model can't be called; empty where nothing is wrong, or nothing is known."""
        if not self._reasons or len(name) > MAX_NAME_CHARS:
            return []
        if name not in self._groups and name not in self._reasons:
            wildcard = self._wildcard_of(name)
            name = "" if wildcard is None else wildcard.name
        return self._reasons.get(name, [])

    def in_error(self, name: str) -> list[Drop]:
        """The deployments of a model that can't be called, beside those that can."""
        return [Drop(model=name, reason=Reason.IN_ERROR, detail=each) for each in self.why_not(name)]

    def _whats_wrong(self, name: str) -> str:
        reasons = self.why_not(name)
        more = "" if len(reasons) <= MAX_REASONS else f" (and {len(reasons) - MAX_REASONS} more)"
        return f"{'; '.join(reasons[:MAX_REASONS])}{more}"

    def cards(self, *, allowed: Sequence[AllowedModels]) -> list[ModelCard]:
        """Exact names, then wildcards as they are written: what they cover can't be listed."""
        named = [(name, targets[0].provider) for name, targets in self._groups.items()]
        named += [(each.name, each.targets[0].provider) for each in self._wildcards if each.targets]
        created = int(self._at.timestamp())
        return [
            ModelCard(id=name, created=created, owned_by=provider)
            for name, provider in named
            if all(self._permits(each, name) for each in allowed)
        ]

    def price_of(self, row: SpendRow) -> Price | None:
        """Implements the `Prices` port: what is known today of the price at the time of the call. A
        deployment that was given another id is known by its provider and model."""
        name = row.model_group
        targets = self._groups.get(name) or self._expanded.get(name)
        if targets is None and len(name) <= MAX_NAME_CHARS:
            targets = self._expand(name)
        same = [each for each in targets or () if (each.provider, each.model) == (row.provider, row.model)]
        found = next((each for each in same if each.model_id == row.model_id), same[0] if same else None)
        return None if found is None else found.pricing.price(found.model, row.started_at)

    def price_named(self, provider: str, model: str) -> Price | None:
        """Likewise: the configured price of that very model, else its list price."""
        known = [
            target
            for targets in (*self._groups.values(), *(each.targets for each in self._wildcards))
            for target in targets
            if target.provider == provider
        ]
        same = next((target for target in known if target.model == model), None)
        if same is not None:
            return same.price
        if not known:
            return None
        return priced(msgspec.structs.replace(known[0], price=None, local=False), model, self._at).price

    def _permits(self, allowed: AllowedModels, name: str) -> bool:
        groups = self._access_groups
        return permits(allowed.names, name) or any(
            entry in groups and permits(groups[entry], name) for entry in allowed.names
        )

    def _expand(self, name: str) -> tuple[Target, ...]:
        """The deployments of a concrete name that a wildcard covers; none where no wildcard does, or the
        config has the name and its deployments are skipped."""
        wildcard = None if name in self._reasons else self._wildcard_of(name)
        if wildcard is None:
            return ()
        head, _, tail = wildcard.name.partition("*")
        matched = name[len(head) : len(name) - len(tail)]
        found = (expand(target, matched, self._at) for target in wildcard.targets)
        return tuple(msgspec.structs.replace(target, public_name=name) for target in found if target)

    def _wildcard_of(self, name: str) -> Wildcard | None:
        """The longest pattern that a concrete name fits."""
        return next((wildcard for wildcard in self._wildcards if covers(wildcard.name, name)), None)


def _error_of(drop: Drop) -> GatewayError:
    """What a caller is told who asked for this model."""
    name = drop.model
    if drop.reason is Reason.NOT_ALLOWED:
        return ModelNotAllowed(
            f"The {drop.detail} of this call may not use the model `{name}`.",
            param="model",
            level=drop.detail,
        )
    if drop.reason is Reason.IN_ERROR:
        return ModelInError(
            f"The model `{name}` has no deployment that can be called: an administrator has to mend its "
            f"config. {drop.detail}",
            param="model",
        )
    return ModelNotFound(
        f"The model `{name}` does not exist here. GET /v1/models lists those you may use.", param="model"
    )


def permits(allowed: Sequence[str], name: str) -> bool:
    """Does a key's list of models cover this name? Entries may be wildcards themselves."""
    return any(entry in EVERYTHING or covers(entry, name) for entry in allowed)


def covers(pattern: str, name: str) -> bool:
    """Whether a name fits a pattern whose first star stands for one or more characters; what a
    second would mean nobody says, so it is a star."""
    head, star, tail = pattern.partition("*")
    if not star:
        return pattern == name
    return len(name) > len(head) + len(tail) and name.startswith(head) and name.endswith(tail)


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """A registry with what was found wrong, by path in the config. `skipped` are deployments that can't be
    called: the others serve."""

    registry: Registry
    skipped: tuple[Skipped, ...]
    errors: tuple[str, ...]
    warnings: tuple[str, ...]


def build_registry(
    config: Config, at: datetime, *, tls_flaw: Callable[[TlsOptions], str | None] = lambda options: None
) -> Built:
    """The registry of a config. `tls_flaw` says what is wrong with the files that a deployment names."""
    groups: dict[str, list[Target]] = {}
    access_groups: dict[str, list[str]] = {}
    errors: list[str] = []
    warnings: list[str] = []
    skipped = list(config.skipped)
    ids: Counter[str] = Counter()
    paths: dict[str, str] = {}
    for deployment in config.deployments:
        name = deployment.entry.model_name
        try:
            targets = compile_targets(config, deployment, at)
            if targets[0].tls is not None and (flaw := tls_flaw(targets[0].tls)) is not None:
                params = deployment.entry.litellm_params
                name = "ssl_verify" if isinstance(params.ssl_verify, str) else "ssl_certificate"
                raise BadDeployment(f"{deployment.path}.litellm_params.{name}", flaw)
            targets, params_said = _judged(config, deployment, targets)
        except BadDeployment as exc:
            if keeps_from_starting(deployment.path, exc.path):
                errors.append(str(exc))
            else:
                skipped.append(_skipped(deployment, exc))
            continue
        known_as = targets[0].model_id
        ids[known_as] += 1
        if ids[known_as] > 1:  # two that differ in their keys alone, or in nothing
            targets = tuple(
                msgspec.structs.replace(each, model_id=f"{known_as}-{ids[known_as]}") for each in targets
            )
        unsafe = unsafe_warning(deployment)
        warnings += [
            *params_said,
            *needed_warnings(deployment),
            *header_warnings(deployment),
            *([] if unsafe is None else [unsafe]),
        ]
        for group in deployment.entry.model_info.access_groups or ():
            access_groups.setdefault(group, []).append(name)
        for target in targets:
            groups.setdefault(target.public_name, []).append(target)
            paths[target.model_id] = deployment.path
            warning = without_key(target, PROVIDERS[target.provider], config.environment)
            if warning is not None:
                warnings.append(f"{deployment.path}.litellm_params.api_key: {warning}")
            doubled = doubled_path(target)
            if doubled is not None:
                warnings.append(f"{deployment.path}.litellm_params.api_base: {doubled}")
            warnings += [f"{deployment.path}: {doubt}" for doubt in doubts_of(deployment, target)]
            unbounded = unbounded_warning(deployment, target)
            if unbounded is not None:
                warnings.append(unbounded)
    skipped += _kept_home(groups, skipped, paths)
    settings = config.litellm_settings
    for section, said in (
        ("cost_discount_config", settings.cost_discount_config),
        ("cost_margin_config", settings.cost_margin_config),
    ):
        warnings += unused_adjustments(said or {}, PROVIDERS, f"litellm_settings.{section}")
    exact = {name: tuple(targets) for name, targets in groups.items() if "*" not in name}
    wildcards = [
        Wildcard(name=name, targets=tuple(targets)) for name, targets in groups.items() if "*" in name
    ]
    return Built(
        registry=Registry(exact, wildcards, at, access_groups, skipped),
        skipped=tuple(skipped),
        errors=tuple(dict.fromkeys(errors)),  # a section's error is found at each deployment it is about
        warnings=tuple(warnings),
    )


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


def _skipped(deployment: Deployment, error: BadDeployment) -> Skipped:
    params = deployment.entry.litellm_params
    return Skipped(
        path=deployment.path,
        model_name=deployment.entry.model_name,
        reason=str(error),
        variable=error.variable,
        local=would_be_local(msgspec.structs.asdict(params)),
    )


def _kept_home(
    groups: dict[str, list[Target]], skipped: Sequence[Skipped], paths: Mapping[str, str]
) -> list[Skipped]:
    """Take out of the groups what would bring a model's calls elsewhere because its local deployment is
    skipped: they stay local, or they are refused."""
    causes = {each.model_name: each.path for each in skipped if each.local}
    taken = []
    for name, cause in causes.items():
        targets = groups.get(name, [])
        away = [target for target in targets if not target.local]
        for path in dict.fromkeys(paths[target.model_id] for target in away):
            reason = f"{path}: is not local, and {cause}, which is, is skipped: calls of the model stay local"
            taken.append(Skipped(path=path, model_name=name, reason=reason, follows=cause))
        if targets and len(away) == len(targets):
            del groups[name]
        elif away:
            groups[name] = [target for target in targets if target.local]
    return taken


def pick(targets: Sequence[Target], roll: float) -> int:
    """By weight: the place of the target in whose share of the whole `roll` falls."""
    left = roll * sum(target.weight for target in targets)
    for place, target in enumerate(targets):
        left -= target.weight
        if left < 0:
            return place
    return len(targets) - 1

"""Builds the registry of a config: the deployments that can be called, and what is wrong with the others."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import msgspec

from models_registry.config.compiled import BuildCache, Compiled, TlsFlaw
from models_registry.config.entries import Deployment, Skipped, keeps_from_starting, would_be_local
from models_registry.config.ids import DeploymentIds
from models_registry.config.providers import PROVIDERS
from models_registry.config.reader import Config
from models_registry.model_names import STAR, covers
from models_registry.numbers import BadDeployment
from models_registry.prices.pricing import unused_adjustments
from models_registry.registry import MAX_EXPANDED, MAX_NAME_CHARS, Alias, MoreNames, Registry, Wildcard
from models_registry.target import Target, group_of


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """A registry, and what is wrong with its config, by path. `skipped` are deployments that can't be called.
    The other deployments serve all the same."""

    registry: Registry
    skipped: tuple[Skipped, ...]
    errors: tuple[str, ...]
    warnings: tuple[str, ...]


def build_registry(
    config: Config,
    at: datetime,
    *,
    tls_flaw: TlsFlaw = lambda options: None,
    cache: BuildCache | None = None,
) -> Built:
    """Build the registry of a config, with the prices in force at `at`. `tls_flaw` says what is wrong with
    the files that a deployment names. `cache` has what was compiled the last time."""
    groups: dict[str, list[Target]] = {}
    owned: dict[str, dict[str, list[Target]]] = {}  # by team
    access_groups: dict[str, list[str]] = {}
    errors: list[str] = []
    warnings: list[str] = []
    skipped = list(config.skipped)
    compiled = (cache or BuildCache()).compiled(config, at, tls_flaw)
    of_file = (
        made.targets[0].model_id for each, made in compiled if not each.stored and isinstance(made, Compiled)
    )
    ids = DeploymentIds((*config.ids, *of_file))
    for deployment, made in compiled:
        if isinstance(made, BadDeployment):
            is_its_own = deployment.stored and made.path.startswith(f"{deployment.path}.")
            if keeps_from_starting(deployment.path, made.path) and not is_its_own:
                errors.append(str(made))
            else:
                skipped.append(_skipped(deployment, made))
            continue
        targets = made.targets
        try:
            model_id = ids.give(deployment, targets[0].model_id)
        except BadDeployment as taken:
            skipped.append(_skipped(deployment, taken))
            continue
        if model_id != targets[0].model_id:
            targets = tuple(msgspec.structs.replace(each, model_id=model_id) for each in targets)
        warnings += made.warnings
        team_id = deployment.entry.model_info.team_id
        inside = groups if not team_id else owned.setdefault(team_id, {})
        for group in (not team_id and deployment.entry.model_info.access_groups) or ():
            access_groups.setdefault(group, []).append(deployment.entry.public_name)
        for target in targets:
            inside.setdefault(target.public_name, []).append(target)
    skipped += _kept_home(groups, [each for each in skipped if not each.team_id], ids.paths)
    for team_id, its in owned.items():
        skipped += _kept_home(its, [each for each in skipped if each.team_id == team_id], ids.paths)
    aliases, misnamed, doubts = aliases_of(config, groups)
    errors += misnamed
    warnings += doubts
    settings = config.litellm_settings
    for section, said in (
        ("cost_discount_config", settings.cost_discount_config),
        ("cost_margin_config", settings.cost_margin_config),
    ):
        warnings += unused_adjustments(said or {}, PROVIDERS, f"litellm_settings.{section}")
    base = _NamedModels.of(groups, [each for each in skipped if not each.team_id])
    teams = {}
    team_ids = dict.fromkeys((*owned, *(each.team_id for each in skipped if each.team_id)))
    for team_id in team_ids:
        own = _NamedModels.of(owned.get(team_id, {}), [each for each in skipped if each.team_id == team_id])
        teams[team_id] = base.under(own).registry(
            at,
            access_groups,
            MoreNames(
                aliases={name: each for name, each in aliases.items() if name not in own.names},
                own=own.names,
                most_expanded=MAX_EXPANDED // len(team_ids),
            ),
        )
    return Built(
        registry=base.registry(at, access_groups, MoreNames(aliases=aliases, teams=teams)),
        skipped=tuple(skipped),
        errors=tuple(dict.fromkeys(errors)),  # a section's error is found at each deployment it is about
        warnings=tuple(warnings),
    )


class _NamedModels(msgspec.Struct, frozen=True, kw_only=True):
    """The models of everybody, those of one team, or both together."""

    exact: Mapping[str, tuple[Target, ...]]
    wildcards: tuple[Wildcard, ...]
    skipped: tuple[Skipped, ...]

    @classmethod
    def of(cls, groups: Mapping[str, Sequence[Target]], skipped: Sequence[Skipped]) -> "_NamedModels":
        whole = {name: tuple(counted(targets)) for name, targets in groups.items()}
        return cls(
            exact={name: targets for name, targets in whole.items() if STAR not in name},
            wildcards=tuple(Wildcard(name=name, targets=whole[name]) for name in whole if STAR in name),
            skipped=tuple(skipped),
        )

    @property
    def names(self) -> frozenset[str]:
        return frozenset(
            (
                *self.exact,
                *(each.name for each in self.wildcards),
                *(each.model_name for each in self.skipped),
            )
        )

    def under(self, own: "_NamedModels") -> "_NamedModels":
        """These models with a team's own over them. A name of the team's own hides everybody's, also where
        all of its deployments are skipped."""
        hidden = own.names
        return _NamedModels(
            exact={name: each for name, each in self.exact.items() if name not in hidden} | dict(own.exact),
            wildcards=(*(each for each in self.wildcards if each.name not in hidden), *own.wildcards),
            skipped=(*(each for each in self.skipped if each.model_name not in hidden), *own.skipped),
        )

    def registry(self, at: datetime, access_groups: Mapping[str, Sequence[str]], more: MoreNames) -> Registry:
        return Registry(self.exact, self.wildcards, at, access_groups, self.skipped, more)


def _skipped(deployment: Deployment, error: BadDeployment) -> Skipped:
    params = deployment.entry.litellm_params
    lacking = dict.fromkeys(name for name in deployment.empty.values() if name) if error.variable else {}
    also = tuple(name for name in lacking if name != error.variable)
    return Skipped(
        path=deployment.path,
        model_name=deployment.entry.public_name,
        reason=f"{error}; the environment lacks {', '.join(also)} too" if also else str(error),
        variable=error.variable,
        also=also,
        local=would_be_local(msgspec.structs.asdict(params), deployment.info),
        model_id=deployment.entry.model_info.id or "" if deployment.stored else "",
        team_id=deployment.entry.model_info.team_id or "",
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
        away = [target for target in targets if not target.stays_home]
        for path in dict.fromkeys(paths[target.model_id] for target in away):
            reason = f"{path}: is not local, and {cause}, which is, is skipped: calls of the model stay local"
            taken.append(Skipped(path=path, model_name=name, reason=reason, follows=cause))
        if targets and len(away) == len(targets):
            del groups[name]
        elif away:
            groups[name] = [target for target in targets if target.stays_home]
    return taken


def counted(targets: Sequence[Target]) -> list[Target]:
    """The deployments of one model, each with their number and what stands for all of them."""
    group = group_of(targets)
    return [msgspec.structs.replace(target, peers=len(targets), group=group) for target in targets]


def aliases_of(config: Config, groups: Collection[str]) -> tuple[dict[str, Alias], list[str], list[str]]:
    """The aliases of the config, then errors and warnings."""
    found: dict[str, Alias] = {}
    errors: list[str] = []
    warnings: list[str] = []
    given = config.router_settings.model_group_alias or {}
    for name, each in given.items():
        path = f"router_settings.model_group_alias.{name}"
        alias = Alias(model=each) if isinstance(each, str) else Alias(model=each.model, hidden=each.hidden)
        if STAR in name or STAR in alias.model or len(name) > MAX_NAME_CHARS:
            errors.append(f"{path}: a wildcard can't be an alias, nor have one")
            continue
        if alias.model in given:
            errors.append(f"{path}: {alias.model!r} is an alias itself; name its model")
            continue
        if name in groups:
            warnings.append(f"{path}: the deployments of this name get no calls: they go to {alias.model!r}")
        if not any(covers(known, alias.model) for known in groups):
            warnings.append(f"{path}: no model is called {alias.model!r}")
        found[name] = alias
    return found, errors, warnings

"""The registry of public names: it leads exact names and wildcards to model groups.

A registry is built once from a config, and looking up does no IO. Where a wildcard (`openai/*`) fits a name,
the text that its star matched replaces the star of `litellm_params.model`. Where several wildcards fit, the
longest wins.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

import msgspec

from models_registry.config.entries import Skipped
from models_registry.config.wildcards import expand
from models_registry.drops import Drop, Reason
from models_registry.model_names import STAR, covers, permits
from models_registry.target import Target
from schema.errors.base import GatewayError
from schema.errors.callers import ModelNotAllowed
from schema.errors.models import ModelInError, ModelNotFound
from schema.models import AllowedModels

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
"""What stands in no name of a model. A caller may send it under a wildcard."""
LISTED_MODES = frozenset({"chat", "completion", "responses", "embedding"})
"""The kinds of models that a wildcard is shown as."""
LISTS_OF_OTHERS = frozenset({"team", "org"})
"""The lists that a team's own models need not stand on: whoever gave the team the model has permitted it."""
MAX_NAME_CHARS = 256
GROUP_OWNER = "model_access_group"
"""Whose an access group is said to be in the list of models."""
MAX_REASONS = 3
"""How many errors a caller is told of a model whose deployments are in error."""
MAX_EXPANDED = 1_000
"""How many concrete models are remembered for wildcards, and as many for the teams that own models together.
Past it, each call looks its price up again."""


class Wildcard(msgspec.Struct, frozen=True, kw_only=True):
    """A public name with a star, and its deployments: none where all of them are skipped."""

    name: str
    targets: tuple[Target, ...]


class Alias(msgspec.Struct, frozen=True, kw_only=True):
    """A further name of a model (`model_group_alias`)."""

    model: str
    hidden: bool = False
    """Whether lists of models leave the name out."""


class MoreNames(msgspec.Struct, frozen=True, kw_only=True):
    """Names beside those of the deployments for everybody."""

    aliases: Mapping[str, Alias] = MappingProxyType({})
    teams: "Mapping[str, Registry]" = MappingProxyType({})
    """The models as the callers of a team see them, for the teams that own models. Only in the registry for
    everybody."""
    own: frozenset[str] = frozenset()
    """The names that belong to the registry's own team."""
    most_expanded: int = MAX_EXPANDED
    """How many concrete models are remembered for wildcards."""


class Registry:
    """Implements the `Models` port."""

    def __init__(
        self,
        groups: Mapping[str, tuple[Target, ...]],
        wildcards: Sequence[Wildcard],
        at: datetime,
        access_groups: Mapping[str, Sequence[str]] = MappingProxyType({}),
        skipped: Sequence[Skipped] = (),
        more: "MoreNames | None" = None,
    ) -> None:
        """`at` is the moment of the prices. `access_groups` are names that stand for several models in a
        key's list. `skipped` are deployments that can't be called. A name all of whose deployments are
        skipped stays a name: no wildcard takes its calls. `more` has aliases, and what teams own."""
        more = more or MoreNames()
        self.aliases = dict(more.aliases)
        self.teams, self.owned = more.teams, more.own
        self.has_teams = bool(more.teams)
        self.skipped = tuple(skipped)
        self.access_groups = dict(access_groups)
        self.groups = dict(groups)
        self._reasons: dict[str, list[str]] = defaultdict(list)
        """Why deployments are skipped, by the public name as the config has it."""
        for each in self.skipped:
            if each.model_name:
                self._reasons[each.model_name].append(each.reason)
        found = {wildcard.name: wildcard for wildcard in wildcards}
        gone = {name: Wildcard(name=name, targets=()) for name in self._reasons if "*" in name}
        self.wildcards = sorted((gone | found).values(), key=lambda wildcard: -len(wildcard.name))
        self.at = at
        self._expanded: dict[str, tuple[Target, ...]] = {}
        self._most_expanded = more.most_expanded

    @property
    def names(self) -> frozenset[str]:
        """Every public name that can be called, wildcards and teams' own names too."""
        own = (each.names for each in self.teams.values())
        return frozenset(name for name, targets in self.named_groups() if targets).union(*own)

    def of_team(self, team_id: str | None) -> "Registry":
        """The registry as callers of a team see it: with the models that the team owns."""
        return self.teams.get(team_id, self) if self.teams and team_id is not None else self

    def target(self, name: str, *, allowed: Sequence[AllowedModels], roll: float) -> Target:
        """A deployment for one call. `roll`, a number in [0, 1), decides by weight which one. Raises
        ModelNotFound, ModelInError or ModelNotAllowed."""
        targets = self.targets(name, allowed=allowed)
        return targets[pick(targets, roll)]

    def targets(self, name: str, *, allowed: Sequence[AllowedModels]) -> tuple[Target, ...]:
        """The deployments of a model, at least one. Raises ModelNotFound, ModelInError or ModelNotAllowed."""
        found = self.find(name, allowed=allowed)
        if isinstance(found, tuple):
            return found
        raise _error_of(found)

    def find(self, name: str, *, allowed: Sequence[AllowedModels]) -> tuple[Target, ...] | Drop:
        """The deployments of a model, at least one, or the reason why this caller gets none. A name with a
        star is no model: it stands for many."""
        if STAR in name:
            return Drop(model=name[:MAX_NAME_CHARS], reason=Reason.UNKNOWN)
        if self.aliases and name in self.aliases:
            return self._aliased(name, allowed)
        targets = self.groups.get(name) or self._expanded.get(name)
        if targets is None and len(name) <= MAX_NAME_CHARS:
            targets = self.expand(name)
        if not targets and not self.why_not(name):
            return Drop(model=name[:MAX_NAME_CHARS], reason=Reason.UNKNOWN)
        for each in allowed:
            if not self.permits(each, name):
                return Drop(model=name, reason=Reason.NOT_ALLOWED, detail=each.level)
        if not targets:
            return Drop(model=name, reason=Reason.IN_ERROR, detail=self._whats_wrong(name))
        if name not in self.groups and len(self._expanded) < self._most_expanded:
            self._expanded[name] = targets
        return targets

    def real_name(self, name: str) -> str:
        """The model that a name stands for: an alias has the name of its model, any other name is one."""
        alias = self.aliases.get(name) if self.aliases else None
        return name if alias is None else alias.model

    def _aliased(self, name: str, allowed: Sequence[AllowedModels]) -> tuple[Target, ...] | Drop:
        """The deployments of an alias's model. A list may have either name."""
        model = self.aliases[name].model
        lists = [each for each in allowed if not self.permits(each, name)]
        found = self.find(model, allowed=lists)
        if isinstance(found, Drop) and found.reason is Reason.UNKNOWN:
            return Drop(model=name, reason=Reason.UNKNOWN)
        return found

    def named(self, name: str) -> tuple[Target, ...]:
        """The deployments of a name that can be called, whoever asks. Empty: there are none."""
        found = self.groups.get(name) or self._expanded.get(name)
        if found is None and len(name) <= MAX_NAME_CHARS:
            found = self.expand(name)
        return found or ()

    def knows(self, name: str) -> bool:
        """Whether a name has a deployment that can be called."""
        return bool(self.named(self.real_name(name)))

    def why_not(self, name: str) -> list[str]:
        """Why deployments of a model can't be called. Empty: nothing is wrong with them, or the name is
        unknown."""
        if not self._reasons or len(name) > MAX_NAME_CHARS:
            return []
        if name not in self.groups and name not in self._reasons:
            wildcard = self._wildcard_of(name)
            name = "" if wildcard is None else wildcard.name
        return self._reasons.get(name, [])

    def in_error(self, name: str) -> list[Drop]:
        """A drop for each deployment of a model that can't be called."""
        return [Drop(model=name, reason=Reason.IN_ERROR, detail=each) for each in self.why_not(name)]

    def _whats_wrong(self, name: str) -> str:
        reasons = self.why_not(name)
        more = "" if len(reasons) <= MAX_REASONS else f" (and {len(reasons) - MAX_REASONS} more)"
        return f"{'; '.join(reasons[:MAX_REASONS])}{more}"

    def everything(self) -> list[Target]:
        """Every deployment that can be called, those that teams own too. The model of a wildcard's deployment
        has a star in it."""
        everybodys = [target for _, targets in self.named_groups() for target in targets]
        return everybodys + [target for registry in self.teams.values() for target in registry.own_targets()]

    def own_targets(self) -> list[Target]:
        """The deployments that the registry's own team owns."""
        return [target for name, targets in self.named_groups() if name in self.owned for target in targets]

    def named_groups(self) -> list[tuple[str, tuple[Target, ...]]]:
        return [*self.groups.items(), *((each.name, each.targets) for each in self.wildcards)]

    def permits(self, allowed: AllowedModels, name: str) -> bool:
        if name in self.owned and allowed.level in LISTS_OF_OTHERS:
            return True
        groups = self.access_groups
        return permits(allowed.names, name) or any(
            entry in groups and permits(groups[entry], name) for entry in allowed.names
        )

    def expand(self, name: str) -> tuple[Target, ...]:
        """The deployments of a concrete name by the wildcard that covers it. Empty: no wildcard covers the
        name, or the config has the name and its deployments are skipped."""
        wildcard = None if name in self._reasons or _CONTROL.search(name) else self._wildcard_of(name)
        if wildcard is None:
            return ()
        head, _, tail = wildcard.name.partition("*")
        matched = name[len(head) : len(name) - len(tail)]
        found = (expand(target, matched, self.at) for target in wildcard.targets)
        return tuple(msgspec.structs.replace(target, public_name=name) for target in found if target)

    def _wildcard_of(self, name: str) -> Wildcard | None:
        """The longest pattern that a concrete name fits."""
        return next((wildcard for wildcard in self.wildcards if covers(wildcard.name, name)), None)


def _error_of(drop: Drop) -> GatewayError:
    """The error for a caller who asked for the dropped model."""
    name = drop.model
    if drop.reason is Reason.NOT_ALLOWED:
        return ModelNotAllowed(
            f"The model `{name}` is not available for this API key: the {drop.detail} of this call may not "
            "use it.",
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


def pick(targets: Sequence[Target], roll: float) -> int:
    """The index of a target, chosen by weight. Each target has a share of [0, 1) in proportion to its weight,
    and the one whose share has `roll` in it is chosen."""
    left = roll * sum(target.weight for target in targets)
    for place, target in enumerate(targets):
        left -= target.weight
        if left < 0:
            return place
    return len(targets) - 1

"""What callers are shown of a registry: the models, groups and deployments that their lists permit. Pure."""

from collections.abc import Iterator, Sequence

from models_registry.config.wildcards import ANY_MODEL
from models_registry.drops import Drop
from models_registry.facts.table import listed
from models_registry.model_names import EVERYTHING, STAR, covers
from models_registry.registry import MAX_EXPANDED, MAX_NAME_CHARS, Registry
from models_registry.shown import deployment_facts, group_facts, public_params, skipped_facts
from models_registry.target import Target
from schema.model_info import DeploymentInfo, ShownFacts
from schema.models import AllowedModels, ModelCard

LISTED_MODES = frozenset({"chat", "completion", "responses", "embedding"})
"""The kinds of models that a wildcard is shown as."""
GROUP_OWNER = "model_access_group"
"""Whose an access group is said to be in the list of models."""


class ShownModels:
    """The models of a registry, as one caller after the other is shown them. Implements the port
    `SeenModels`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def target(self, name: str, *, allowed: Sequence[AllowedModels], roll: float) -> Target:
        """See SeenModels."""
        return self._registry.target(name, allowed=allowed, roll=roll)

    def cards(self, *, allowed: Sequence[AllowedModels]) -> list[ModelCard]:
        """The models on every one of these lists: exact names, then names on the lists that a wildcard
        covers, then wildcards as they are written, since not all names that they cover can be listed."""
        registry = self._registry
        named = [(name, targets[0].provider) for name, targets in registry.groups.items()]
        named += self._covered(allowed)
        named += [
            (name, registry.groups[alias.model][0].provider)
            for name, alias in registry.aliases.items()
            if alias.model in registry.groups and not alias.hidden
        ]
        named += [(each.name, each.targets[0].provider) for each in registry.wildcards if each.targets]
        return [
            self._card(name, provider)
            for name, provider in dict(named).items()
            if all(registry.permits(each, name) for each in allowed)
        ]

    def group_cards(self, *, allowed: Sequence[AllowedModels], more: Sequence[str]) -> list[ModelCard]:
        """The access groups of the config that stand on every one of these lists, and the groups `more`."""
        own = [name for name in self._registry.access_groups if all(name in each.names for each in allowed)]
        return [self._card(name, GROUP_OWNER) for name in dict.fromkeys((*own, *more))]

    def deployments(
        self, *, allowed: Sequence[AllowedModels], with_address: bool
    ) -> Sequence[DeploymentInfo]:
        """Every entry of the config whose public name is on all these lists: those that can be called, then
        those that can't."""
        registry = self._registry
        found = [
            DeploymentInfo(
                model_name=name,
                litellm_params=public_params(target, with_address=with_address),
                model_info=deployment_facts(target),
            )
            for name, targets in registry.named_groups()
            if all(registry.permits(each, name) for each in allowed)
            for target in targets
        ]
        return found + [
            DeploymentInfo(
                model_name=each.model_name,
                litellm_params={},
                model_info=skipped_facts(each.reason, model_id=each.model_id, blocked=each.blocked),
            )
            for each in registry.skipped
            if each.model_name and all(registry.permits(lists, each.model_name) for lists in allowed)
        ]

    def group_infos(self, *, allowed: Sequence[AllowedModels], name: str | None) -> Sequence[ShownFacts]:
        """Each model group whose name is on all these lists. A wildcard is shown as the models that are known
        of its provider. With `name`, that group alone, which a wildcard may cover."""
        registry = self._registry
        if name is not None:
            targets = registry.find(name, allowed=allowed)
            return [] if isinstance(targets, Drop) else [group_facts(name, targets)]
        found: dict[str, ShownFacts] = {}
        for group, targets in registry.named_groups():
            names = [group] if "*" not in group else self._known_under(group, targets)
            for each in names[:MAX_EXPANDED]:
                known = registry.groups.get(each) or (registry.expand(each) if "*" in group else targets)
                if known and each not in found and all(registry.permits(lists, each) for lists in allowed):
                    found[each] = group_facts(each, known)
        return list(found.values())

    def card(self, name: str, *, allowed: Sequence[AllowedModels]) -> ModelCard | None:
        """One of the models that these lists permit: one of `cards`, or any name that a wildcard covers.
        None: there is no such model."""
        for card in self.cards(allowed=allowed):
            if card.id == name:
                return card
        found = self._registry.find(name, allowed=allowed)
        return None if isinstance(found, Drop) else self._card(name, found[0].provider)

    def _covered(self, allowed: Sequence[AllowedModels]) -> Iterator[tuple[str, str]]:
        """The names on these lists that a wildcard covers, each with its provider: `openai/gpt-4o` where the
        config has `openai/*`, and `openai/gpt-4*`, which covers less than it."""
        registry = self._registry
        for each in allowed:
            for entry in each.names:
                for name in (entry, *registry.access_groups.get(entry, ())):
                    if name in registry.groups or name in EVERYTHING or len(name) > MAX_NAME_CHARS:
                        continue
                    if STAR not in name:
                        targets = registry.expand(name)
                        if targets:
                            yield name, targets[0].provider
                        continue
                    wider = next((other for other in registry.wildcards if covers(other.name, name)), None)
                    if wider is not None and name != wider.name:
                        yield name, wider.targets[0].provider

    def _known_under(self, pattern: str, targets: Sequence[Target]) -> list[str]:
        """Names that a wildcard covers: those of the models that the table of facts has of its providers."""
        head, _, tail = pattern.partition("*")
        found = []
        for target in targets:
            before, _, after = target.model.partition("*")
            for facts in listed(target.provider):
                model = facts.model if target.model != ANY_MODEL else f"{target.provider}/{facts.model}"
                if target.model == ANY_MODEL:
                    name = f"{head}{model}{tail}"
                elif covers(target.model, model):
                    name = f"{head}{model[len(before) : len(model) - len(after)]}{tail}"
                else:
                    continue
                if facts.mode in LISTED_MODES:
                    found.append(name)
        return found

    def _card(self, name: str, provider: str) -> ModelCard:
        return ModelCard(id=name, created=int(self._registry.at.timestamp()), owned_by=provider)


def owned_deployments(registry: Registry, *, with_address: bool) -> Sequence[DeploymentInfo]:
    """The deployments that teams own, for who sees all of them."""
    return [
        each
        for own in registry.teams.values()
        for each in ShownModels(own).deployments(allowed=(), with_address=with_address)
        if each.model_name in own.owned
    ]

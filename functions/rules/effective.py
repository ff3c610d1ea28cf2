"""What a caller may do, and why: roles, models, budgets and limits."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fnmatch import fnmatchcase

from functions.contract.call import Caller
from functions.contract.roles import ORG_ADMIN, ROLES, SERVICE_KEY, TEAM_ADMIN, Access
from functions.ports.models import SeenModels
from schema.limits import Meter
from schema.me import AllowedModel, BudgetOver, LimitOver
from schema.models import AllowedModels
from schema.permissions import HeldAccess, HeldRole

NANO = Decimal(1_000_000_000)


def because(lists: Sequence[AllowedModels], name: str) -> str:
    """What lets somebody use a model: the entry of each list over the caller, such as `team: openai/*`."""
    found = []
    for each in lists:
        entry = next((word for word in each.names if word == name), None)
        entry = entry or next((word for word in each.names if "*" in word and fnmatchcase(name, word)), None)
        found.append(f"{each.level}: {entry or 'an access group'}")
    return "; ".join(found) or "no list restricts models"


def denied(caller: Caller, seen: SeenModels) -> list[AllowedModel]:
    """The models that the caller may not use, each with the first list that does not have it."""
    found = []
    permitted = [{card.id for card in seen.cards(allowed=(each,))} for each in caller.models]
    for card in seen.cards(allowed=()):
        for each, names in zip(caller.models, permitted, strict=True):
            if card.id not in names:
                listed = ", ".join(each.names) or "nothing"
                why = f"{each.level}: the list has {listed}"
                found.append(AllowedModel(id=card.id, because=why))
                break
    return found


def budgets(caller: Caller, now_s: float) -> Iterator[BudgetOver]:
    for rule in caller.rules:
        if rule.meter is Meter.MONEY:
            yield BudgetOver(
                level=rule.who,
                of=rule.subject,
                max_budget=Decimal(rule.limit_at(now_s)) / NANO,
                duration=rule.duration,
                model=rule.model,
            )


def limits(caller: Caller, now_s: float) -> Iterator[LimitOver]:
    for rule in caller.rules:
        if rule.meter is not Meter.MONEY:
            yield LimitOver(
                level=rule.who,
                of=rule.subject,
                meter=rule.meter.name.lower(),
                limit=rule.limit_at(now_s),
                model=rule.model,
            )


def held_roles(caller: Caller) -> list[HeldRole]:
    """The caller's roles, each with its reason."""
    own = "a key without a user" if caller.role == SERVICE_KEY else "the user's own role"
    found = [HeldRole(role=caller.role, because=own)]
    found += [
        HeldRole(role=TEAM_ADMIN, because=f"admin of the team {team}")
        for team, role in sorted(caller.teams.items())
        if role == "admin"
    ]
    found += [
        HeldRole(role=ORG_ADMIN, because=f"admin of the organization {organization}")
        for organization, role in sorted(caller.organizations.items())
        if role == ORG_ADMIN
    ]
    return found


def held_accesses(caller: Caller) -> list[HeldAccess]:
    """What the caller's roles may do, each with how far it reaches and the roles that say so."""
    found = []
    for access in Access:
        given = {
            role: reach for role in sorted(caller.roles) if (reach := ROLES[role].get(access)) is not None
        }
        if given and access is not Access.OPEN:
            found.append(
                HeldAccess(
                    access=access.value,
                    reaches=sorted({reach.value for reach in given.values()}),
                    because=[f"{role}: {reach.value}" for role, reach in given.items()],
                )
            )
    return found

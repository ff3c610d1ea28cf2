"""The thresholds of budgets that a booked row crosses, and the name of each budget in an alert. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from urllib.parse import unquote

import msgspec

from schema.alerts import AlertKind

THRESHOLDS: tuple[tuple[AlertKind, Decimal], ...] = (
    (AlertKind.BUDGET_REACHED, Decimal(1)),
    (AlertKind.BUDGET_95, Decimal("0.95")),
    (AlertKind.BUDGET_85, Decimal("0.85")),
)
"""The parts of a budget at which an alert is raised. Where a batch crosses several, only the first one here
counts."""
LEAST = min(part for _, part in THRESHOLDS)
GATEWAY = "gateway"
"""What an alert calls the budget over all calls of the gateway."""
IDS: Mapping[str, int] = MappingProxyType({"global": 0, "member": 2, "end_user": 2})
"""How many ids of the holder an account's name has, by kind. The other kinds have one."""
CUSTOMERS = "money:customer:"
"""How the accounts of customers' budgets begin. `runtime/limits/rules.py` writes it."""


class CustomerBudget(msgspec.Struct, frozen=True, kw_only=True):
    """The config's budget of customers that have none of their own."""

    budget_id: str | None = None
    """The setting `max_end_user_budget_id`."""
    max_budget: Decimal | None = None
    """The setting `max_end_user_budget`, in dollars. It counts where no budget has the id `budget_id`."""


NO_CUSTOMER_BUDGET = CustomerBudget()


class NamedBudget(msgspec.Struct, frozen=True, kw_only=True):
    """A budget as an alert names it. A window or a model is named before the holder (`window 1d of team:a`).
    A caller chooses a customer's id, and no id may look like the name of another budget."""

    holder: str
    """`team:platform`, or GATEWAY."""
    window: str | None = None
    """`1d`, where the budget is one of the holder's `budget_limits`."""
    model: str | None = None

    @property
    def is_main(self) -> bool:
        """Whether this is the holder's `max_budget`, and not the budget of a window or of a model."""
        return self.window is None and self.model is None

    @property
    def object(self) -> str:
        """The budget's name: `team:platform`, `window 1d of team:platform`, `model gpt-4 of key:5f2c`."""
        if self.window is not None:
            return f"window {self.window} of {self.holder}"
        return self.holder if self.model is None else f"model {self.model} of {self.holder}"

    def message(self, spend: Decimal, budget: Decimal) -> str:
        """The alert's text: `team:platform has spent $9.5 of $10 in its window of 1d.`"""
        who = "The gateway" if self.holder == GATEWAY else self.holder
        of = ""
        if self.window is not None:
            of = f" in its window of {self.window}"
        elif self.model is not None:
            of = f" on the model {self.model}"
        return f"{who} has spent ${spend.normalize():f} of ${budget.normalize():f}{of}."


class Crossed(msgspec.Struct, frozen=True, kw_only=True):
    """A threshold of a budget that was just crossed. Sums are in dollars."""

    kind: AlertKind
    budget: NamedBudget
    spend: Decimal
    limit: Decimal
    """The whole budget (not the part at which the alert is raised), or the soft budget."""
    since: datetime | None = None
    """When the budget's window began. None where the budget has no window."""


def holder_of(kind: str, id: str, part: str | None) -> str:
    """What an alert calls a holder: `team:platform`."""
    return ":".join(name for name in (kind, id, part) if name)


def named(account: str) -> NamedBudget:
    """The budget of an account, by the account's name: `money:team:platform:window:1d`.
    (`runtime/limits/rules.py` makes these names.) An account with a name of another form is called by its
    whole name."""
    match account.split(":"):
        case ["money", kind, *names]:
            return _named(kind, names) or NamedBudget(holder=account)
    return NamedBudget(holder=account)


def _named(kind: str, names: list[str]) -> NamedBudget | None:
    ids = IDS.get(kind, 1)
    name = GATEWAY if kind == "global" else ":".join([kind, *map(unquote, names[:ids])])
    holder = NamedBudget(holder=name)
    match names[ids:]:
        case [] if len(names) == ids:
            return holder
        case ["window", window]:
            return msgspec.structs.replace(holder, window=window)
        case ["model", model]:
            return msgspec.structs.replace(holder, model=unquote(model))
    return None


def crossings(
    budget: NamedBudget,
    *,
    before: Decimal,
    after: Decimal,
    soft: Decimal | None,
    limit: Decimal | None,
    since: datetime | None,
) -> Iterator[Crossed]:
    """The thresholds of one budget that lie between the sums `before` and `after`, in dollars."""
    if soft is not None and before < soft <= after:
        yield Crossed(kind=AlertKind.SOFT_BUDGET, budget=budget, spend=after, limit=soft, since=since)
    if limit is None:
        return
    for kind, part in THRESHOLDS:
        if before < limit * part <= after:
            yield Crossed(kind=kind, budget=budget, spend=after, limit=limit, since=since)
            return


def increase_at(now_s: float, dollars: str | None, expiry: str | None) -> Decimal:
    """The temporary increase of a budget at the time `now_s`, in dollars. 0 where the texts can't be read:
    here they matter only for alerts."""
    if dollars is None or expiry is None:
        return Decimal(0)
    try:
        amount, until = Decimal(dollars), msgspec.convert(expiry, datetime, strict=False)
        runs = until.timestamp() > now_s
    except (ArithmeticError, ValueError, msgspec.ValidationError):
        return Decimal(0)
    return amount if runs and amount.is_finite() else Decimal(0)

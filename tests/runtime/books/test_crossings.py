"""What an alert calls each budget, and which thresholds lie between two sums."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.books.crossings import NamedBudget, crossings, named
from runtime.limits.rules import Level, Limits, money_rules
from schema.alerts import AlertKind
from schema.fields import BudgetWindow, ModelBudget

KINDS = ("key", "user", "team", "member", "organization", "customer", "end_user", "global")
TEXT = st.text(
    st.sampled_from("ab:%/ @é") | st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12
)


def accounts(kind: str, id: str, part: str, model: str, *, own: bool = False) -> dict[str, str]:
    """The accounts of all budgets of a holder, as the gateway names them."""
    is_member, is_global = kind in ("member", "end_user"), kind == "global"
    level = Level(
        kind=kind,
        who="",
        subject="",
        id="" if is_global else id,
        part=part if is_member else "",
        own=own,
    )
    limits = Limits(
        max_budget=Decimal(1),
        budget_limits=[BudgetWindow(budget_duration="1d", max_budget=Decimal(1))],
        model_max_budget={model: ModelBudget(max_budget=Decimal(1))},
    )
    main, window, of_model = [rule.account for rule in money_rules(level, limits)]
    return {"main": main, "window": window, "model": of_model}


@given(st.sampled_from(KINDS), TEXT, TEXT, TEXT, st.booleans())
def test_every_account_is_called_by_its_holder_window_and_model(
    kind: str, id: str, part: str, model: str, own: bool
) -> None:
    own = own and kind == "customer"
    who = {
        "global": "gateway",
        "member": f"member:{id}:{part}",
        "end_user": f"end_user:{id}:{part}",
    }.get(kind, f"{kind}:{id}")
    found = {name: named(account) for name, account in accounts(kind, id, part, model, own=own).items()}
    assert found["main"] == NamedBudget(holder=who)
    assert found["window"] == NamedBudget(holder=who, window="1d")
    assert found["model"] == NamedBudget(holder=who, model=model)
    assert found["main"].object == who
    assert found["window"].object == f"window 1d of {who}"
    assert found["model"].object == f"model {model} of {who}"


@given(TEXT)
def test_no_name_of_a_customer_is_taken_for_another_budget(name: str) -> None:
    others = {
        named(account).object
        for kind in KINDS
        for which, account in accounts(kind, "x", "y", "gpt-4").items()
        if kind != "customer" or which != "main"
    }
    for chosen in (name, "x in 1d", "x:window:1d", "window 1d of customer:x", "x:model:gpt-4", "/../gateway"):
        assert named(accounts("customer", chosen, "", "gpt-4", own=True)["main"]).object not in others


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (NamedBudget(holder="team:red"), "team:red has spent $0.9 of $100."),
        (NamedBudget(holder="team:red", window="1d"), "team:red has spent $0.9 of $100 in its window of 1d."),
        (NamedBudget(holder="key:k", model="gpt-4"), "key:k has spent $0.9 of $100 on the model gpt-4."),
        (NamedBudget(holder="gateway"), "The gateway has spent $0.9 of $100."),
    ],
)
def test_a_message_names_the_holder_and_what_the_budget_is_for(budget: NamedBudget, words: str) -> None:
    assert budget.message(Decimal("0.900000000"), Decimal(100)) == words


@pytest.mark.parametrize(
    "account", ["money:team:red:other", "rpm:team:red", "", "money:member:red", "money:x:y:z"]
)
def test_an_account_of_another_form_is_called_by_its_whole_name(account: str) -> None:
    assert named(account).object == account


@pytest.mark.parametrize(
    ("before", "after", "kinds"),
    [
        ("0", "0.8499", []),
        ("0", "0.85", [AlertKind.BUDGET_85]),
        ("0.85", "0.94", []),
        ("0.85", "0.95", [AlertKind.BUDGET_95]),
        ("0", "3", [AlertKind.SOFT_BUDGET, AlertKind.BUDGET_REACHED]),
        ("1", "3", [AlertKind.SOFT_BUDGET]),
        ("0.9", "0.2", []),
    ],
)
def test_of_several_thresholds_at_once_the_highest_is_told(
    before: str, after: str, kinds: list[AlertKind]
) -> None:
    found = crossings(
        NamedBudget(holder="team:red"),
        before=Decimal(before),
        after=Decimal(after),
        soft=Decimal(2),
        limit=Decimal(1),
        since=None,
    )
    assert [each.kind for each in found] == kinds

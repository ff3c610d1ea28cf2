"""What this worker has of budgets and limits, in memory. The code here is pure: no IO, no clock.

A slice is leased from Postgres (`runtime/limits/leases.py`). Calls take from it and give back. A slice
belongs to one window of its account: what a call gives back after the window has ended is not added to the
next window.
"""

from collections.abc import Iterable, Sequence

import msgspec

from schema.limits import Meter, Rule

FORGOTTEN_AFTER_S = 120.0
"""How long a debt of tokens is remembered after the end of its window. A slice of the next window begins with
the debt."""
RECALLED = float("-inf")
"""The `until_mono` of a slice that was recalled: calls may not take from it until its account is leased from
again."""


TOKENS = (Meter.TOKENS, Meter.DAY_TOKENS)
HAVE_LEASES = (Meter.MONEY, Meter.PARALLEL)
"""For these meters Postgres knows what each worker has. For the other meters it knows only the sum."""


class Need(msgspec.Struct, frozen=True, gc=False):
    """What one attempt takes of one account."""

    rule: Rule
    amount: int
    """In the unit of the rule's meter: nano-USD, requests, tokens or calls."""


class Slice(msgspec.Struct, kw_only=True):
    """One lease in this worker's memory. Amounts are in the unit of the rule's meter."""

    rule: Rule
    epoch: int
    worker: str
    """The name that this worker had when it leased. A worker that begins anew gets another name."""
    free: int
    """What calls may still take. It is below zero where calls used more than they held. A debt of tokens
    stays here, and the next calls wait for it; a debt of money is charged at once (`Slices.overdrawn`)."""
    held: int = 0
    """What calls under way have taken."""
    calls: int = 0
    """How many calls have taken something and are under way."""
    until_mono: float
    """When calls may no longer take from the slice, by the monotonic clock: the end of the window, or
    earlier."""
    used_mono: float
    """When a call last took from it, or a lease last added to it."""
    limit: int = 0
    """The limit of the rule when Postgres was last asked."""
    elsewhere: int = 0
    """What was spent and leased of the account when Postgres was last asked. It includes this slice."""
    spent: int = 0
    """What was spent of the account when Postgres was last asked."""
    told_spent: int = 0
    """The same, with what this worker had settled by then and the bookkeeper had not booked."""
    settled: int = 0
    """What calls of this worker have used since then."""
    window_end_s: float = 0.0
    """The end of the window, in seconds since 1970. 0 where the account has no window."""
    owed_until_mono: float = 0.0
    """Until when the next slot that a call gives back is another worker's, which has less than its share."""
    share: int = 0
    """The share of each worker, as the other worker said it then."""


class Taken(msgspec.Struct, frozen=True, gc=False):
    """What one attempt has taken of one slice."""

    slice: Slice
    amount: int


def give_back(taken: Taken, unused: int) -> None:
    """End what a call took of a slice. `unused` is the part of it that the call did not use; it is below zero
    where the call used more. A slice that was replaced meanwhile is in no table any more: what is given back
    to it is lost."""
    held = taken.slice
    held.held -= taken.amount
    held.settled += taken.amount - unused
    held.calls -= 1
    held.free += unused


class Slices:
    """The slices of one worker, by account. `idle` forgets slices that are not used, so that the table stays
    small."""

    def __init__(self) -> None:
        self._slices: dict[str, Slice] = {}
        self._by_topic: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._slices)

    def take(self, needs: Sequence[Need], now_mono: float) -> tuple[list[Taken], list[Need]]:
        """Take all needs or none. The second list is empty where all was taken; else it has the accounts that
        are short, each with the amount that is missing."""
        slices = self._slices
        taken: list[Taken] = []
        for need in needs:
            held, rule, amount = slices.get(need.rule.account), need.rule, need.amount
            if (
                held is None
                or held.free < amount
                or now_mono >= held.until_mono
                or (held.rule is not rule and not self._is_for(held, rule))
            ):
                return [], self._missing(needs, now_mono)
            taken.append(Taken(held, amount))
        for each in taken:
            held, amount = each.slice, each.amount
            held.free -= amount
            held.held += amount
            held.calls += 1
            held.used_mono = now_mono
        return taken, []

    def _missing(self, needs: Sequence[Need], now_mono: float) -> list[Need]:
        """The needs that can't be met, each with the amount that its account is short of."""
        short = []
        for need in needs:
            held = self._slices.get(need.rule.account)
            if held is None or now_mono >= held.until_mono or not self._is_for(held, need.rule):
                short.append(need)
            elif held.free < need.amount:
                short.append(Need(need.rule, need.amount - held.free))
        return short

    def put(self, granted: Slice, now_mono: float) -> None:
        """Add what was leased. A slice of another window, or of another worker's name, replaces the slice
        that was there."""
        account = granted.rule.account
        held = self._slices.get(account)
        if held is None or held.epoch != granted.epoch or held.worker != granted.worker:
            if held is not None:
                if held.rule.meter in TOKENS:
                    granted.free += min(held.free, 0)
                self._forget(account)
            self._slices[account] = granted
            self._index(granted, granted.rule)
            return
        held.free += granted.free
        if granted.spent < held.spent:  # somebody lowered it
            held.told_spent = granted.spent
        else:
            held.told_spent = max(granted.spent, held.told_spent + held.settled)
        held.spent, held.settled = granted.spent, 0
        self._index(held, granted.rule)
        held.limit, held.elsewhere = granted.limit, granted.elsewhere
        held.until_mono, held.window_end_s = granted.until_mono, granted.window_end_s
        held.used_mono = now_mono

    def outdated(self, needs: Sequence[Need]) -> list[tuple[Slice, int]]:
        """Take out what is free in the slices of these accounts that were leased under other terms (a limit
        was lowered meanwhile) or were recalled. Gives each slice with the amount taken out."""
        return self._out(
            held
            for need in needs
            if (held := self._slices.get(need.rule.account)) is not None
            and (held.until_mono == RECALLED or _terms(held.rule) != _terms(need.rule))
        )

    def overdrawn(self, taken: Iterable[Taken]) -> list[tuple[Slice, int]]:
        """Take out the debts of money in the slices of these calls: the calls cost more than this worker had
        leased. Calls take nothing more from such a slice until its account is leased from again, whatever
        other calls give back to it."""
        found = {each.slice.rule.account: each.slice for each in taken}
        owing = [held for held in found.values() if held.free < 0 and held.rule.meter is Meter.MONEY]
        for held in owing:
            held.until_mono = RECALLED
        return self._out(owing)

    def idle(self, now_mono: float, since_mono: float) -> list[tuple[Slice, int]]:
        """Take out what is free in slices that were not used since `since_mono`, or whose time is over.
        Forget the slices of this kind that no call has taken from and that have nothing to return."""
        gone = [
            account
            for account, held in self._slices.items()
            if held.calls == 0
            and (
                (held.free == 0 and held.used_mono <= since_mono)
                or now_mono >= held.until_mono + (FORGOTTEN_AFTER_S if held.free < 0 else 0.0)
            )
            and not (held.free and held.rule.meter in HAVE_LEASES)
        ]
        for account in gone:
            self._forget(account)
        return self._out(
            held
            for held in self._slices.values()
            if held.free < 0 or held.used_mono <= since_mono or now_mono >= held.until_mono
        )

    def recall(self, accounts: Iterable[str], *, overdrawn: bool = False) -> list[tuple[Slice, int]]:
        """Take out all that is free of these accounts. With `overdrawn`, calls take nothing more from their
        slices of money until the accounts are leased from again, whatever other calls give back."""
        found = [held for account in accounts if (held := self._slices.get(account)) is not None]
        for held in found:
            if overdrawn and held.rule.meter is Meter.MONEY:
                held.until_mono = RECALLED
        return self._out(found)

    def owe(self, account: str, share: int, until_mono: float) -> None:
        """Another worker has fewer slots of this account than its share. If this worker has more than so
        many, the next one that a call gives back is owed."""
        held = self._slices.get(account)
        if held is not None and held.rule.meter is Meter.PARALLEL and held.held + held.free > share:
            held.owed_until_mono, held.share = until_mono, share

    def owed(self, held: Slice, now_mono: float) -> list[tuple[Slice, int]]:
        """Take out the slot that is owed, if one is and is free now. A slice that was dropped owes none:
        Postgres no longer counts its slots as this worker's."""
        if held.free <= 0 or now_mono >= held.owed_until_mono:
            return []
        if self._slices.get(held.rule.account) is not held:
            return []
        held.owed_until_mono = 0.0
        held.free -= 1
        return [(held, 1)]

    def lacks(self, account: str, share: int) -> bool:
        """Whether this worker has fewer slots of this account than its share, or none."""
        held = self._slices.get(account)
        return held is None or held.held + held.free < max(1, share)

    def keep(self, held: Slice, amount: int) -> None:
        """Put back what was taken out of a slice: it could not be returned to Postgres, so this worker has it
        still."""
        now = self._slices.setdefault(held.rule.account, held)
        if now is held:
            self._index(held, held.rule)
        if (now.epoch, now.worker) == (held.epoch, held.worker):
            now.free += amount

    def renew(self, until_mono: float) -> None:
        """Keep the parallel slots until `until_mono`: Postgres has seen that this worker lives."""
        for held in self._slices.values():
            if held.rule.meter is Meter.PARALLEL:
                held.until_mono = until_mono

    def drop(self, meters: Sequence[Meter]) -> None:
        """Forget the slices of these meters: Postgres no longer counts them as this worker's. Calls that took
        from them go on."""
        for account in [account for account, held in self._slices.items() if held.rule.meter in meters]:
            self._forget(account)

    def about(self, topic: str) -> list[str]:
        """The accounts whose rule was read from the row with this topic, such as `team:platform`."""
        return list(self._by_topic.get(topic, ()))

    def everything(self) -> list[str]:
        return list(self._slices)

    def calls(self, account: str) -> int:
        """How many calls under way of this worker have taken from an account."""
        held = self._slices.get(account)
        return 0 if held is None else held.calls

    def held(self, account: str) -> int:
        """What the calls under way of this worker have taken of an account."""
        held = self._slices.get(account)
        return 0 if held is None else held.held

    def knows(self, rule: Rule) -> bool:
        """Whether this worker has a slice of a rule's account."""
        return rule.account in self._slices

    def remaining(self, rule: Rule) -> int:
        """What is left of an account, as far as this worker knows. 0 where this worker has no slice of it."""
        held = self._slices.get(rule.account)
        return 0 if held is None else max(0, held.limit - held.elsewhere) + max(0, held.free)

    def spent(self, rule: Rule) -> int | None:
        """What was spent of an account, as of the last lease and with what this worker's calls used since.
        None where this worker has no slice of it."""
        held = self._slices.get(rule.account)
        return None if held is None else held.told_spent + held.settled

    def reset_s(self, rule: Rule, now_s: float) -> float:
        """The seconds until the account's window ends. 0 where the account has no window, or no slice
        here."""
        held = self._slices.get(rule.account)
        return 0.0 if held is None or not held.window_end_s else max(0.0, held.window_end_s - now_s)

    def _is_for(self, held: Slice, rule: Rule) -> bool:
        """Whether the slice was leased under the terms of this rule. If so, the slice has this rule from now
        on: the same rule is another object when it was read from Postgres again."""
        if _terms(held.rule) != _terms(rule):
            return False
        self._index(held, rule)
        return True

    def _index(self, held: Slice, rule: Rule) -> None:
        """Give the slice this rule, and make it found by the topics of the rule (`about`)."""
        for topic in held.rule.topics:
            if topic not in rule.topics:
                self._unlist(topic, rule.account)
        held.rule = rule
        for topic in rule.topics:
            self._by_topic.setdefault(topic, set()).add(rule.account)

    def _unlist(self, topic: str, account: str) -> None:
        accounts = self._by_topic.get(topic)
        if accounts is not None:
            accounts.discard(account)
            if not accounts:
                del self._by_topic[topic]

    def _out(self, found: Iterable[Slice]) -> list[tuple[Slice, int]]:
        """Take out what is free in these slices. From slices of money, debts are taken out too, as amounts
        below zero."""
        out = []
        for held in found:
            if held.free > 0 or (held.free < 0 and held.rule.meter is Meter.MONEY):
                out.append((held, held.free))
                held.free = 0
        return out

    def _forget(self, account: str) -> None:
        held = self._slices.pop(account)
        for topic in held.rule.topics:
            self._unlist(topic, account)


def _terms(rule: Rule) -> tuple[int, int, float, str | None]:
    return (rule.limit, rule.extra, rule.extra_until, rule.duration)

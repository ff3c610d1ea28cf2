"""What this worker holds of budgets and limits, in memory. Pure: no IO, no clock.

A slice was leased from Postgres (`runtime/limits/leases.py`); calls take from it and give back. It belongs to
one window of its account: what comes back after the window has ended is not added to the next one.
"""

from collections.abc import Iterable, Sequence

import msgspec

from schema.limits import Meter, Rule

FORGOTTEN_AFTER_S = 120.0
"""How long a debt of tokens is remembered after its window, for the next one."""
RECALLED = float("-inf")
"""`until_mono` of a slice that may not be taken from until its account is leased from anew."""


TOKENS = (Meter.TOKENS, Meter.DAY_TOKENS)
HAVE_LEASES = (Meter.MONEY, Meter.PARALLEL)
"""Meters of which Postgres knows what each worker has. Of the others it knows the sum."""


class Need(msgspec.Struct, frozen=True, gc=False):
    """What a call takes of one account."""

    rule: Rule
    amount: int


class Slice(msgspec.Struct, kw_only=True):
    """`free` may be below zero, where calls used more than was held for them. Tokens stay owed by the next
    calls; money is charged at once (`overdrawn`)."""

    rule: Rule
    epoch: int
    worker: str
    """Under which this worker was known when it leased."""
    free: int
    held: int = 0
    """Out with calls."""
    calls: int = 0
    """How many have some."""
    until_mono: float
    """When its window ends, or earlier."""
    used_mono: float
    limit: int = 0
    elsewhere: int = 0
    """What was spent, used or out, this slice too, when Postgres was last asked."""
    window_end_s: float = 0.0
    """Seconds since 1970; 0 for none."""


class Taken(msgspec.Struct, frozen=True, gc=False):
    """What one call has of one slice."""

    slice: Slice
    amount: int


def give_back(taken: Taken, unused: int) -> None:
    """A call is over: so much of what it took was not needed; less than nothing where it used more. A
    slice that was replaced meanwhile is nobody's any more, and what comes back to it is gone."""
    held = taken.slice
    held.held -= taken.amount
    held.calls -= 1
    held.free += unused


class Slices:
    """By account. What is idle, empty and over is forgotten, so that it does not grow."""

    def __init__(self) -> None:
        self._slices: dict[str, Slice] = {}
        self._by_topic: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._slices)

    def take(self, needs: Sequence[Need], now_mono: float) -> tuple[list[Taken], list[Need]]:
        """Everything, or nothing and what is missing (with the amount that is short)."""
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
        """What is short, of each account for itself."""
        short = []
        for need in needs:
            held = self._slices.get(need.rule.account)
            if held is None or now_mono >= held.until_mono or not self._is_for(held, need.rule):
                short.append(need)
            elif held.free < need.amount:
                short.append(Need(need.rule, need.amount - held.free))
        return short

    def put(self, granted: Slice, now_mono: float) -> None:
        """Add what was leased. Another window of the account replaces the one before."""
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
        self._index(held, granted.rule)
        held.limit, held.elsewhere = granted.limit, granted.elsewhere
        held.until_mono, held.window_end_s = granted.until_mono, granted.window_end_s
        held.used_mono = now_mono

    def outdated(self, needs: Sequence[Need]) -> list[tuple[Slice, int]]:
        """Take out what was leased under other terms than these (a limit that was lowered meanwhile), and
        what was recalled."""
        return self._out(
            held
            for need in needs
            if (held := self._slices.get(need.rule.account)) is not None
            and (held.until_mono == RECALLED or _terms(held.rule) != _terms(need.rule))
        )

    def overdrawn(self, taken: Iterable[Taken]) -> list[tuple[Slice, int]]:
        """Take out the money below zero: calls cost more than this worker had leased. Nothing is taken from
        such an account before it was leased from anew, whatever other calls give back to it."""
        found = {each.slice.rule.account: each.slice for each in taken}
        owing = [held for held in found.values() if held.free < 0 and held.rule.meter is Meter.MONEY]
        for held in owing:
            held.until_mono = RECALLED
        return self._out(owing)

    def idle(self, now_mono: float, since_mono: float) -> list[tuple[Slice, int]]:
        """Take out what was not used since then, and forget what is over and done with."""
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
        """Take out all that is free of these accounts. Of one that is `overdrawn`, what calls give back later
        is not taken by others before it was leased from anew."""
        found = [held for account in accounts if (held := self._slices.get(account)) is not None]
        for held in found:
            if overdrawn and held.rule.meter is Meter.MONEY:
                held.until_mono = RECALLED
        return self._out(found)

    def keep(self, held: Slice, amount: int) -> None:
        """What was taken out of a slice could not be returned: it is this worker's still."""
        now = self._slices.setdefault(held.rule.account, held)
        if now is held:
            self._index(held, held.rule)
        if (now.epoch, now.worker) == (held.epoch, held.worker):
            now.free += amount

    def renew(self, until_mono: float) -> None:
        """This worker was seen alive: its parallel slots are its own for longer."""
        for held in self._slices.values():
            if held.rule.meter is Meter.PARALLEL:
                held.until_mono = until_mono

    def drop(self, meters: Sequence[Meter]) -> None:
        """Forget slices that Postgres no longer counts as ours. Calls that hold some go on."""
        for account in [account for account, held in self._slices.items() if held.rule.meter in meters]:
            self._forget(account)

    def about(self, topic: str) -> list[str]:
        """The accounts whose rule was read from a row."""
        return list(self._by_topic.get(topic, ()))

    def everything(self) -> list[str]:
        return list(self._slices)

    def calls(self, account: str) -> int:
        """How many calls of this worker are under way on an account."""
        held = self._slices.get(account)
        return 0 if held is None else held.calls

    def held(self, account: str) -> int:
        """What calls of this worker hold of an account."""
        held = self._slices.get(account)
        return 0 if held is None else held.held

    def remaining(self, rule: Rule) -> int:
        """What is left of an account, as far as this worker knows; nothing where it knows nothing."""
        held = self._slices.get(rule.account)
        return 0 if held is None else max(0, held.limit - held.elsewhere) + max(0, held.free)

    def reset_s(self, rule: Rule, now_s: float) -> float:
        """Until the account's window ends; 0 where it has none."""
        held = self._slices.get(rule.account)
        return 0.0 if held is None or not held.window_end_s else max(0.0, held.window_end_s - now_s)

    def _is_for(self, held: Slice, rule: Rule) -> bool:
        """Was it leased under these terms? A rule that was read anew and says the same is the slice's from
        now on."""
        if _terms(held.rule) != _terms(rule):
            return False
        self._index(held, rule)
        return True

    def _index(self, held: Slice, rule: Rule) -> None:
        """The slice is this rule's, and found by the rows that the rule was read from."""
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
        """What is free of these; of money also what is below zero."""
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

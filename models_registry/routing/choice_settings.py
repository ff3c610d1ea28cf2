"""What the config says about choosing among deployments, about cooldowns and about the budget of retries."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from models_registry.backends.credentials import without_credentials
from models_registry.config.capacity import ENFORCE
from models_registry.config.reader import Config
from models_registry.config.sections import RouterSettings
from models_registry.numbers import BadDeployment, Number, number
from models_registry.routing.choice import Affinity, ChoiceRules, Strategy
from models_registry.routing.cooldowns import POLICY_KINDS, CooldownRules
from models_registry.routing.failures import FailureKind
from models_registry.routing.retry_budget import RetryBudget

MAX_SPAN_S = Decimal(86_400)
MAX_FAILS = 10_000
MAX_SHARE = Decimal(10_000)
MAX_RETRIES_PER_S = Decimal(1_000_000)
DEFAULT_STALE_S = 900.0
"""How long a failed health check keeps calls away where the config does not say it: three checks of the
default interval."""
ALWAYS_ON = frozenset({"responses_api_deployment_check", "router_budget_limiting", ENFORCE})
"""Words of `optional_pre_call_checks` that are no affinity: what they ask for is done here anyway, or by
`models_registry/config/capacity.py`."""
STRATEGY, CHECKS = "routing_strategy", "optional_pre_call_checks"
STRATEGIES = tuple(each.value for each in Strategy)
CHECK_WORDS = tuple(sorted({each.value for each in Affinity} | ALWAYS_ON))
SHOWN_CHARS = 60


def unknown_words(settings: Mapping[str, object]) -> dict[str, str]:
    """The settings of the router with a word that this version does not know, each with the reason. A config
    file may have such a word, and the start names it; nobody stores one."""
    found: dict[str, str] = {}
    for name, known in ((STRATEGY, STRATEGIES), (CHECKS, CHECK_WORDS)):
        given = settings.get(name)
        words = given if isinstance(given, list) else [given]
        unknown = next((each for each in words if isinstance(each, str) and each not in known), None)
        if unknown is not None:
            found[name] = _unknown_word(name, unknown, known)
    return found


def _unknown_word(name: str, given: str, known: Sequence[str]) -> str:
    shown = without_credentials(given[:SHOWN_CHARS])
    return f"router_settings.{name}: {shown!r} is none of {', '.join(known)}"


class ChoiceReader:
    """Reads the settings, and collects errors and warnings, each with its path in the config."""

    def __init__(self, config: Config) -> None:
        self._router = config.router_settings
        self._config = config
        self.errors: list[str] = []
        self.warnings: list[str] = []

    def choice(self) -> ChoiceRules:
        router = self._router
        stale_s = 0.0
        if router.enable_health_check_routing:
            stale_s = DEFAULT_STALE_S
            if router.health_check_staleness_threshold is not None:
                stale_s = self._number("health_check_staleness_threshold", most=MAX_SPAN_S)
        return ChoiceRules(
            strategy=self._strategy(router.routing_strategy),
            checks_context=bool(router.enable_pre_call_checks),
            checks_tags=bool(router.enable_tag_filtering),
            any_tag=router.tag_filtering_match_any is not False,
            affinities=tuple(self._affinities(router)),
            check_stale_s=stale_s,
        )

    def cooldowns(self) -> CooldownRules:
        router, litellm = self._router, self._config.litellm_settings
        default = CooldownRules()
        fails = router.allowed_fails if router.allowed_fails is not None else litellm.allowed_fails
        return CooldownRules(
            enabled=not router.disable_cooldowns,
            allowed_fails=default.allowed_fails if fails is None else self._fails(fails, "allowed_fails"),
            span_s=default.span_s
            if router.cooldown_time is None
            else self._number("cooldown_time", most=MAX_SPAN_S),
            policy=self._policy(router.allowed_fails_policy or {}),
        )

    def budget(self) -> RetryBudget:
        """The retries that a worker may make."""
        router, default = self._router, RetryBudget()
        share, per_s = default.share, default.per_s
        if router.retry_budget_percent is not None:
            share = self._number("retry_budget_percent", most=MAX_SHARE) / 100
        if router.retry_budget_per_s is not None:
            per_s = self._number("retry_budget_per_s", most=MAX_RETRIES_PER_S)
        most = max(1.0, per_s * 10)
        return RetryBudget(share=share, per_s=per_s, most=most, left=most)

    def _strategy(self, given: str | None) -> Strategy:
        if given is None or given in STRATEGIES:
            return Strategy.SHUFFLE if given is None else Strategy(given)
        self.warnings.append(
            f"{_unknown_word(STRATEGY, given, STRATEGIES)}; calls are shared by weight, which is "
            f"{Strategy.SHUFFLE.value}"
        )
        return Strategy.SHUFFLE

    def _affinities(self, router: RouterSettings) -> list[Affinity]:
        """In the order in which they count, whatever the order of the config."""
        given = router.optional_pre_call_checks or []
        self.warnings += [
            _unknown_word(CHECKS, each, CHECK_WORDS) for each in given if each not in CHECK_WORDS
        ]
        return [each for each in Affinity if each.value in given]

    def _policy(self, given: Mapping[str, int | None]) -> dict[FailureKind, int]:
        found: dict[FailureKind, int] = {}
        path = "router_settings.allowed_fails_policy"
        for name, fails in given.items():
            if name not in POLICY_KINDS:
                known = ", ".join(sorted(POLICY_KINDS))
                self.errors.append(f"{path}.{name}: no kind of error; expected one of {known}")
            elif fails is not None:
                allowed = self._fails(fails, f"allowed_fails_policy.{name}")
                found.update(dict.fromkeys(POLICY_KINDS[name], allowed))
        return found

    def _fails(self, value: int, name: str) -> int:
        if not 0 <= value <= MAX_FAILS:
            self.errors.append(f"router_settings.{name}: expected 0 to {MAX_FAILS}, found {value}")
        return value

    def _number(self, name: str, *, most: Decimal) -> float:
        value: Number = getattr(self._router, name)
        try:
            return float(number(value, f"router_settings.{name}", most=most))
        except BadDeployment as exc:
            self.errors.append(str(exc))
            return 0.0

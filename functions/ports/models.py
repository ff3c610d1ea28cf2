"""Ports of functions that call models. Their implementations are in `runtime`. A port holds only what some
function calls."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from functions.contract.call import Call
from models_registry.backends.addresses import NamedFile
from models_registry.backends.backend import UpstreamRequest
from models_registry.bounds.judgement import Unbounded
from models_registry.routing.choice import Shape
from models_registry.routing.fleet import DeploymentHealth
from models_registry.routing.plan import RoutePlan
from models_registry.target import Deadlines, Target
from schema.errors.base import GatewayError
from schema.explain import ExplainedRule
from schema.limits import Rule
from schema.model_info import DeploymentInfo, ShownFacts
from schema.models import AllowedModels, ModelCard
from schema.route_options import RouteOptions
from schema.usage import Usage

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class SeenModels(Protocol):
    """The registry of model names, as the callers of one team see it."""

    def target(self, name: str, *, allowed: Sequence[AllowedModels], roll: float) -> Target:
        """A deployment for one call. The model must be on all lists `allowed`. `roll`, a number in [0, 1),
        picks among several deployments. Raises ModelNotFound, ModelInError or ModelNotAllowed."""
        ...

    def cards(self, *, allowed: Sequence[AllowedModels]) -> Sequence[ModelCard]:
        """The models that a key may use, in the order of the config."""
        ...

    def group_cards(self, *, allowed: Sequence[AllowedModels], more: Sequence[str]) -> Sequence[ModelCard]:
        """The access groups of the config that a key may use, and the groups `more`."""
        ...

    def deployments(
        self, *, allowed: Sequence[AllowedModels], with_address: bool
    ) -> Sequence[DeploymentInfo]:
        """The config's entries for the models that a key may use. `with_address`: their addresses too."""
        ...

    def group_infos(self, *, allowed: Sequence[AllowedModels], name: str | None) -> Sequence[ShownFacts]:
        """What the models that a key may use can do and cost; with `name` that one alone."""
        ...

    def card(self, name: str, *, allowed: Sequence[AllowedModels]) -> ModelCard | None:
        """One of the models that a key may use. None: there is no such model."""
        ...


class Models(Protocol):
    """The registry of model names."""

    def of_team(self, team_id: str | None) -> SeenModels:
        """The models as callers of a team see them, with those that the team owns. None: a caller without a
        team."""
        ...

    def owned_deployments(self, *, with_address: bool) -> Sequence[DeploymentInfo]:
        """The deployments that teams own, all of them."""
        ...


class Attempting(Protocol[T_co]):
    """The attempts of one call, made one by one by `Routes.walk`."""

    async def at(self, target: Target) -> T_co:
        """Attempt the call at one deployment. An attempt that raises a GatewayError keeps its hold for `end`.
        Any other attempt has ended its hold, or has given it to a stream that will."""
        ...

    def end(self, error: GatewayError, *, final: bool) -> None:
        """End the hold of the attempt that raised this error, where it had one. `final`: the call makes no
        other attempt."""
        ...

    def shape(self) -> Shape:
        """What the request says that decides about deployments."""
        ...


class Routes(Protocol):
    """The ways from the name of a model to an answer."""

    async def walk(self, call: Call, model: str, attempts: Attempting[T]) -> T:
        """Make one attempt after another until one answers, and end each one that failed. Raises
        ModelNotFound, ModelNotAllowed, and the error of the model asked for where nothing answers."""
        ...


class RoutePlans(Protocol):
    """The ways of calls that are not made."""

    @property
    def strategy(self) -> str:
        """How deployments are chosen, by LiteLLM's word."""
        ...

    def plan(self, call: Call, model: str, shape: Shape, options: RouteOptions) -> RoutePlan:
        """Where a call would go if each attempt failed. Nothing is changed by it."""
        ...

    def state_of(self, target: Target) -> DeploymentHealth:
        """How a deployment stands."""
        ...


class Quotes(Protocol):
    """What calls could cost, and how the budgets and limits over them stand. Nothing is held."""

    def ceiling(self, target: Target, bounds: "Bounds") -> int | None:
        """The most that an attempt can cost, in nano-USD. None: nothing limits its output, or its price is
        unknown. Raises UnboundedCost."""
        ...

    async def rules(self, call: Call, model: str, *, everything: bool) -> Sequence[ExplainedRule]:
        """How the budgets and limits over a call to a model stand. `everything`: those of all levels, and not
        only the key's, team's and user's. Raises DatabaseUnavailable."""
        ...

    async def budgets(self, call: Call, model: str) -> Sequence[Rule]:
        """The budgets over a call to a model, of all levels. Raises DatabaseUnavailable, and what the call's
        customer is refused with."""
        ...

    async def capacity(self, target: Target) -> Sequence[ExplainedRule]:
        """How the limits and budgets of a deployment stand. Raises DatabaseUnavailable."""
        ...


class UpstreamResponse(Protocol):
    """An answer whose head has arrived. `close()` cuts the connection at once, unless the body was read to
    its end. It may be called any number of times."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Lower-case names."""
        ...

    @property
    def raw_headers(self) -> Sequence[tuple[bytes, bytes]]:
        """The same as they came."""
        ...

    @property
    def took_s(self) -> float:
        """How long the answer took: from the call of `open` until its body was read. 0 before that."""
        ...

    async def read(self) -> bytes:
        """The whole body. Raises UpstreamMalformed over the size limit, UpstreamCut, UpstreamTimeout."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. The body ends without an error only where the connection ended cleanly."""
        ...

    def close(self) -> None: ...


class Upstream(Protocol):
    """The way out to model providers."""

    async def open(
        self, request: UpstreamRequest, deadlines: Deadlines, *, near: bool = False, judged: bool = False
    ) -> UpstreamResponse:
        """Send the request, and wait for the head of the answer. `near`: only to an address of this machine
        or of a private network, and past no proxy. `judged`: the address is one that somebody entered
        through the API, and goes only where such addresses may lead. Raises UpstreamUnreachable where nothing
        was sent, UpstreamTimeout, UpstreamCut where the provider closed the connection without an answer, and
        UpstreamMalformed where the answer is not HTTP."""
        ...


class Contexts(Protocol):
    """With which context local hosts have loaded their models."""

    async def loaded(self, target: Target) -> int:
        """The tokens of context with which the host has loaded the deployment's model, or loads it now. 0: it
        is not loaded, or the host does not say. It never raises GatewayError."""
        ...

    async def is_remote(self, target: Target) -> bool:
        """Whether a host passes the deployment's model on to another host, or does not say. It never raises
        GatewayError."""
        ...

    def sent(self, target: Target, tokens: int) -> None:
        """A call with a context of so many tokens goes to the host."""
        ...


class Files(Protocol):
    """The pictures and documents that callers name by address."""

    async def fetched(
        self,
        files: Sequence[NamedFile],
        take_room: Callable[[int], None],
        *,
        near: bool = False,
        whose: str = "",
    ) -> Mapping[str, str]:
        """The files as data URIs, by address. `take_room` counts their bytes. `near`: nothing outside is
        asked, since even an address says something of the call. `whose`: the key, which has a share of the
        fetches. Raises FileNotFetched, and
        Overloaded where the worker holds too many bytes."""
        ...


class Bounds(Protocol):
    """The most that a call can use. Each figure is worked out when it is asked for."""

    @property
    def prompt_tokens(self) -> int: ...

    @property
    def output_tokens(self) -> int | None:
        """The output tokens of all answers together. None: nothing bounds them."""
        ...

    @property
    def answers(self) -> int: ...

    @property
    def at_least(self) -> int:
        """The tokens that an answer may have whatever its limit is, such as a budget for thinking."""
        ...

    @property
    def beside(self) -> int:
        """The tokens that may come beside the limit of one answer."""
        ...

    @property
    def images(self) -> int:
        """The pictures in the request."""
        ...

    @property
    def searches(self) -> int:
        """The searches that the provider runs itself."""
        ...

    @property
    def at_list_price(self) -> bool:
        """Whether the call is sure to be served at the standard service tier, or at a cheaper one."""
        ...

    @property
    def limited(self) -> bool:
        """Whether the caller, or the deployment, says how long an answer may be."""
        ...

    @property
    def reasons(self) -> bool:
        """Whether the model may think before it answers."""
        ...

    def cap(self, tokens: int) -> None:
        """Limit an answer to so many tokens, where the caller set no limit."""
        ...

    def unbounded_field(self) -> Unbounded | None:
        """The field for which the cost has no known bound, if there is one."""
        ...

    def usage(self) -> Usage:
        """The most of everything, as a usage."""
        ...

    def estimate(self, output_tokens: int) -> int:
        """About how many tokens the call will use. `output_tokens` stands for the output where the request
        sets no limit."""
        ...


class Hold(Protocol):
    """One attempt on the books. Exactly one of settle, settle_hit, fail and cancel is called, and once. They
    are synchronous, so that a cancelled task still ends its hold."""

    @property
    def output_limit(self) -> int | None:
        """The tokens that an answer has to be limited to, so that the call fits its budgets. None: no limit
        is needed."""
        ...

    def first_token(self) -> None:
        """The first event of a stream came that the client is sent."""
        ...

    def opened(self, usage: Usage) -> None:
        """The provider began an answer, and the attempt ends before the answer said anything: the client was
        sent nothing of it. `usage` is booked in place of the whole bound."""
        ...

    def answered(self, response_id: str | None) -> None:
        """The client is sent an answer with this id. None: the answer has no id."""
        ...

    def settle(self, usage: Usage) -> None:
        """The answer is complete."""
        ...

    def settle_hit(self, usage: Usage) -> None:
        """The answer came from the response cache: it costs nothing. `usage` is that of the call whose answer
        was kept."""
        ...

    def fail(self, error: Exception, usage: Usage | None = None, *, final: bool = True) -> None:
        """The attempt failed. `usage` is booked where it is given; where `opened` was told of another one,
        that one is. Else the error decides: nothing where the provider did no work, the whole bound of the
        hold where nobody knows. Not `final`: the call makes another attempt."""
        ...

    def cancel(self, usage: Usage) -> None:
        """The client left."""
        ...

    async def charged(self) -> None:
        """Wait, after the end of an attempt that cost more than it held, until its budgets are charged. The
        client is sent the end of its answer after that, so that its next call is judged by the cost."""
        ...


class Ledger(Protocol):
    """The ledger: money is held there, and written down."""

    async def hold(
        self, call: Call, target: Target, *, streamed: bool, bounds: Bounds, customer: str | None
    ) -> Hold:
        """Hold what an attempt may cost and use, from every budget and limit over its caller and over
        `customer`, the end user that its request names. Holds nothing where it raises BudgetExceeded,
        RateLimited, UnboundedCost, TooManyTokens, NotAllowed or Overloaded."""
        ...

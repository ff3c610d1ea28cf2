"""Ports of functions that call models. Implementations are in `runtime`; a port holds only what some
function calls."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol, TypeVar

from functions.contract.call import Call
from models_registry.backends.backend import UpstreamRequest
from models_registry.bounds.judgement import Unbounded
from models_registry.target import Deadlines, Target
from schema.errors import GatewayError
from schema.models import AllowedModels, ModelCard
from schema.usage import Usage

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Models(Protocol):
    """The registry of model names."""

    def target(self, name: str, *, allowed: Sequence[AllowedModels], roll: float) -> Target:
        """A deployment for one call of a key that all lists `allowed` cover. `roll`, in [0, 1),
        picks among several. Raises ModelNotFound or ModelNotAllowed."""
        ...

    def cards(self, *, allowed: Sequence[AllowedModels]) -> Sequence[ModelCard]:
        """The models a key may use, in the config's order."""
        ...


class Attempting(Protocol[T_co]):
    """The attempts of one call, made one by one by `Routes.walk`."""

    async def at(self, target: Target) -> T_co:
        """Attempt the call at one deployment. An attempt that raises a GatewayError keeps its hold for `end`;
        every other way out has ended the hold."""
        ...

    def end(self, error: GatewayError, *, final: bool) -> None:
        """End the hold of the attempt that raised this error. `final`: the call makes no other attempt. Does
        nothing where the attempt failed before it had a hold."""
        ...


class Routes(Protocol):
    """The ways from the name of a model to an answer."""

    async def walk(self, call: Call, model: str, attempts: Attempting[T]) -> T:
        """Make one attempt after another until one answers, and end each one that failed. Raises
        ModelNotFound, ModelNotAllowed, and the error of the model asked for where nothing answers."""
        ...


class UpstreamResponse(Protocol):
    """An answer whose head has arrived. `close()` at once cuts the connection unless the body
    was read to its end; it may be called any number of times."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Lower-case names."""
        ...

    async def read(self) -> bytes:
        """The whole body. Raises UpstreamMalformed over the size limit, UpstreamCut, UpstreamTimeout."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Ends without an error only where the transport ended cleanly."""
        ...

    def close(self) -> None: ...


class Upstream(Protocol):
    """The way out to model providers."""

    async def open(self, request: UpstreamRequest, deadlines: Deadlines) -> UpstreamResponse:
        """Send and wait for the head. Raises UpstreamUnreachable (nothing was sent), UpstreamTimeout,
        UpstreamCut (sent, and closed without an answer) or UpstreamMalformed (not HTTP)."""
        ...


class Bounds(Protocol):
    """How much a call can use. Worked out when it is asked for."""

    @property
    def prompt_tokens(self) -> int: ...

    @property
    def output_tokens(self) -> int | None:
        """Of all answers together; None where nothing bounds them."""
        ...

    @property
    def answers(self) -> int: ...

    @property
    def at_least(self) -> int:
        """An answer may have so many tokens, whatever its limit is."""
        ...

    @property
    def beside(self) -> int:
        """So many tokens may come beside the limit of one answer."""
        ...

    @property
    def images(self) -> int:
        """Pictures in the request."""
        ...

    @property
    def searches(self) -> int:
        """Searches that the provider runs itself."""
        ...

    @property
    def at_list_price(self) -> bool:
        """Whether it is sure to be served at the standard service tier, or at a cheaper one."""
        ...

    @property
    def limited(self) -> bool:
        """Did the caller say how long an answer may be?"""
        ...

    @property
    def reasons(self) -> bool:
        """Whether the model may think before it answers."""
        ...

    def cap(self, tokens: int) -> None:
        """An answer is limited to so many tokens after all."""
        ...

    def unbounded_field(self) -> Unbounded | None:
        """The field for which the cost has no known bound, if there is one."""
        ...

    def usage(self) -> Usage:
        """All of it."""
        ...

    def estimate(self, output_tokens: int) -> int:
        """Tokens it will use, more or less; `output_tokens` where its request does not say."""
        ...


class Hold(Protocol):
    """One upstream attempt on the books. Exactly one of settle, fail and cancel is called, once;
    each is synchronous, so that a cancelled task still settles."""

    @property
    def output_limit(self) -> int | None:
        """Tokens that an answer has to be limited to, so that the call fits its budgets."""
        ...

    def first_token(self) -> None: ...

    def settle(self, usage: Usage) -> None:
        """The answer is complete."""
        ...

    def fail(self, error: Exception, usage: Usage | None = None, *, final: bool = True) -> None:
        """It broke. With `usage` that is booked; without, the error decides between nothing
        (the provider did no work) and the hold's whole bound (nobody knows). Not `final`: the call goes
        on to another attempt."""
        ...

    def cancel(self, usage: Usage) -> None:
        """The client left."""
        ...


class Ledger(Protocol):
    """Where money is held and written down."""

    async def hold(
        self, call: Call, target: Target, *, streamed: bool, bounds: Bounds, customer: str | None
    ) -> Hold:
        """Let an attempt in under every budget and limit over its caller and `customer` (the end
        user its request names). Raises BudgetExceeded, RateLimited, UnboundedCost, TooManyTokens,
        NotAllowed or Overloaded: then nothing is held."""
        ...

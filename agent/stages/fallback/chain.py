"""The providers of one stage in the order in which they are asked, and how one is asked."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from livekit.agents import APIConnectionError, APIConnectOptions, APITimeoutError

from agent.stages.breaker import Breaker, State
from agent.stages.fallback.failure import failure_of

FIRST_RETRY_S = 0.1
CLOSED_WITHIN_S = 0.1
"""A stream that takes longer to close is left to it: it may be that of a vendor that is gone."""
STAGE_CLOSED_WITHIN_S = 2.0
"""A provider that takes longer is left: the conversation is over, and has to end."""


class Stage(Protocol):
    """What all stages of livekit-agents have."""

    def on(self, event: Any, callback: Any = None) -> Any:
        """Have the callback called at each event of that name."""

    async def aclose(self) -> None:
        """Close it."""


class Stream(Protocol):
    """What all streams of theirs have."""

    async def aclose(self) -> None:
        """Close it."""


_S = TypeVar("_S", bound=Stage)
_Stream = TypeVar("_Stream", bound=Stream)
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a provider is waited for while it sends nothing, in seconds."""

    first_s: float
    """For its first output, retries included, where others can take over from it."""
    stall_s: float
    """Between two outputs."""


@dataclass(frozen=True, slots=True)
class Link(Generic[_S]):
    """One provider of a chain."""

    provider: str
    stage: _S
    breaker: Breaker


Attempt = Callable[[Link[_S], float], Awaitable[None]]
"""Has a provider serve; gets the loop's time by which the first output must be there. Raises."""


class Chain(Generic[_S]):
    """Providers of one stage, the preferred one first; at least one."""

    def __init__(self, name: str, links: Sequence[Link[_S]], patience: Patience) -> None:
        if not links:
            raise ValueError("a chain needs a provider")
        self.name = name
        self.links = tuple(links)
        self.patience = patience
        self.serving = self.links[0]
        """The provider that served last."""
        self._pauses_s: dict[str, float] = {}
        """What providers asked for in an error that is about to be raised."""
        self._closing: set[asyncio.Task[None]] = set()
        for link in links:
            link.stage.on("error", partial(self._on_error, link.provider))

    def is_last(self, link: Link[_S]) -> bool:
        """Whether nobody can take over from it."""
        return link is self.links[-1]

    def retry_delay_s(self, link: Link[_S], retry: int, options: APIConnectOptions) -> float | None:
        """How long to wait before this retry of it (from 1 on); None: it is not asked again.

        Where others can take over, it is asked again once, and soon.
        """
        if retry > options.max_retry:
            return None
        if self.is_last(link):
            return options._interval_for_retry(retry - 1)  # noqa: SLF001 - livekit's hook
        return FIRST_RETRY_S if retry == 1 else None

    def candidates(self) -> Iterator[Link[_S]]:
        """Whom to ask, in order: those that are kept out only when nobody else has served."""
        kept_out = []
        for link in self.links:
            if link.breaker.admit():
                yield link
            else:
                kept_out.append(link)
        yield from kept_out

    async def serve(
        self, attempt: Attempt[_S], options: APIConnectOptions, *, has_begun: Callable[[], bool]
    ) -> None:
        """Have one provider after the other tried until one has served to the end.

        `options` are the last one's retries and timeout. `has_begun` tells whether there was any
        output; after it, the same provider is not asked again.

        Raises `APIConnectionError`, not to be retried, when nobody served.
        """
        error: Exception | None = None
        for link in self.candidates():
            error = await self._try(link, attempt, options, has_begun)
            if error is None:
                self.serving = link
                return
        raise APIConnectionError(f"no provider of {self.name} served", retryable=False) from error

    @asynccontextmanager
    async def opened(self, stream: _Stream) -> AsyncIterator[_Stream]:
        """The stream, which is closed after the context, at leisure if it must be."""
        try:
            yield stream
        finally:
            closing = asyncio.create_task(stream.aclose(), name=f"{self.name}.close")
            self._own(closing)
            await asyncio.wait({closing}, timeout=CLOSED_WITHIN_S)

    async def aclose(self, *, within_s: float = STAGE_CLOSED_WITHIN_S) -> None:
        """Close all providers, whatever befalls one of them, and what is still closing."""
        for stream in self._closing:
            stream.cancel()
        for link in self.links:
            self._own(asyncio.create_task(link.stage.aclose(), name=f"{self.name}.aclose"))
        _, late = await asyncio.wait(self._closing, timeout=within_s)
        for task in late:
            task.cancel()

    def _own(self, closing: "asyncio.Task[None]") -> None:
        self._closing.add(closing)
        closing.add_done_callback(self._on_closed)

    def _on_closed(self, closing: "asyncio.Task[None]") -> None:
        self._closing.discard(closing)
        if not closing.cancelled() and (error := closing.exception()) is not None:
            _log.debug("not closed", extra={"error": type(error).__name__})

    async def _try(
        self,
        link: Link[_S],
        attempt: Attempt[_S],
        options: APIConnectOptions,
        has_begun: Callable[[], bool],
    ) -> Exception | None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.patience.first_s
        retry = 0
        while True:
            if self.is_last(link):
                deadline = loop.time() + options.timeout
            try:
                await attempt(link, deadline)
            except Exception as error:  # noqa: BLE001 - whatever a plugin raises, another may serve
                retry += 1
                delay_s = self.retry_delay_s(link, retry, options)
                if not self.note(link, error) or delay_s is None or has_begun():
                    return error
                await asyncio.sleep(delay_s)
            except BaseException:
                link.breaker.let_go()
                raise
            else:
                link.breaker.succeeded()
                return None

    def note(self, link: Link[_S], error: Exception) -> bool:
        """A provider has failed; returns whether it is worth asking again at once."""
        failure = failure_of(error)
        pause_s = max(failure.pause_s, self._pauses_s.pop(link.provider, 0.0))
        if failure.of_the_request:
            link.breaker.let_go()
        else:
            link.breaker.failed(at_once=failure.for_good, pause_s=pause_s)
        _log.warning(
            "provider failed",
            extra={
                "stage": self.name,
                "provider": link.provider,
                "error": failure.name,
                "status": failure.status,
                "breaker": link.breaker.state.name.lower(),
            },
        )
        is_out = link.breaker.state is State.OPEN and not self.is_last(link)
        return failure.retryable and not pause_s and not is_out

    def _on_error(self, provider: str, event: Any) -> None:
        # livekit-agents raises it anew then, and what it was raised for is lost
        self._pauses_s[provider] = failure_of(event.error).pause_s


async def in_time(
    outputs: AsyncIterator[_T],
    *,
    deadline: float,
    stall_s: float,
    counts: Callable[[_T], bool] = lambda _: True,
) -> AsyncIterator[_T]:
    """The outputs, as long as they come: the first by `deadline` (loop time), then in `stall_s`.

    What does not count neither is a first output nor keeps a stream alive.

    Raises `APITimeoutError` when they do not.
    """
    loop = asyncio.get_running_loop()
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                output = await anext(outputs)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise APITimeoutError("the provider sends nothing") from None
        yield output
        if counts(output):
            deadline = loop.time() + stall_s

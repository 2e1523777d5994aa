"""Who is asked, in which order, how often, and when silence is a failure."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
from livekit.agents import APIConnectionError, APIConnectOptions, APIStatusError, APITimeoutError

from agent.stages.breaker import Breakers, State
from agent.stages.fallback.chain import Chain, Link, Patience, in_time
from agent.stages.fallback.speech import unsaid

OPTIONS = APIConnectOptions(max_retry=2, retry_interval=0.0, timeout=5.0)


class Provider:
    """A stage of which only the name matters."""

    def on(self, event: Any, callback: Any = None) -> Any:
        """Nothing ever happens."""

    async def aclose(self) -> None:
        """Nothing is open."""


class Asked:
    """A chain of `a`, `b` and `c`, and who was asked in it."""

    def __init__(self) -> None:
        self.breakers = Breakers()
        links = [Link(name, Provider(), self.breakers.of("speech", name)) for name in "abc"]
        self.chain = Chain("speech", links, Patience(first_s=5.0, stall_s=5.0))
        self.order = ""
        self.has_begun = False

    async def serve(self, fails: Mapping[str, Exception] | None = None) -> str:
        async def attempt(link: Link[Provider], deadline: float) -> None:
            assert deadline > asyncio.get_running_loop().time()
            self.order += link.provider
            if fails and link.provider in fails:
                raise fails[link.provider]

        await self.chain.serve(attempt, OPTIONS, has_begun=lambda: self.has_begun)
        return self.order


async def test_the_preferred_one_serves() -> None:
    """Catches a second provider that is asked, and paid, for nothing."""
    assert await Asked().serve() == "a"


async def test_how_often_each_is_asked() -> None:
    """Catches retries that keep the user from the next provider, or a last one that has none."""
    asked = Asked()
    error = APIConnectionError()
    with pytest.raises(APIConnectionError) as caught:
        await asked.serve({"a": error, "b": error, "c": error})
    assert asked.order == "aabbccc"
    assert not caught.value.retryable
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error", [APIStatusError("no", status_code=401), APITimeoutError(), TimeoutError()]
)
async def test_what_is_not_asked_again(error: Exception) -> None:
    """Catches a user who waits twice for what cannot help."""
    assert await Asked().serve({"a": error}) == "ab"


async def test_after_its_first_output_the_next_one_goes_on() -> None:
    """Catches what was heard already being said again by the same provider."""
    asked = Asked()
    asked.has_begun = True
    assert await asked.serve({"a": APIConnectionError()}) == "ab"


async def test_those_that_are_kept_out_are_the_last_resort() -> None:
    """Catches a dead provider that is waited for, and a stage that is left without anybody."""
    asked = Asked()
    asked.breakers.of("speech", "a").failed(at_once=True)
    assert await asked.serve() == "b"
    everybody_else = dict.fromkeys("bc", APIStatusError("no", status_code=401))
    assert await asked.serve(everybody_else) == "b" + "bca"
    assert asked.breakers.of("speech", "a").state is State.CLOSED


async def test_an_attempt_that_was_interrupted_tells_nothing() -> None:
    """Catches a probe that the user's barge-in turns into a failure, or that is never over."""
    asked = Asked()
    breaker = asked.breakers.of("speech", "a")

    async def attempt(link: Link[Provider], deadline: float) -> None:
        await asyncio.Event().wait()

    serving = asyncio.create_task(
        asked.chain.serve(attempt, OPTIONS, has_begun=lambda: False), name="serve"
    )
    await asyncio.sleep(0)
    serving.cancel()
    await asyncio.wait({serving})
    assert serving.cancelled()
    assert breaker.state is State.CLOSED
    breaker.failed()
    assert breaker.state is State.CLOSED


async def outputs(*given: str | Callable[[], Any]) -> AsyncIterator[str]:
    for output in given:
        if isinstance(output, str):
            yield output
        else:
            await output()


@pytest.mark.parametrize("begun", [(), ("", ""), ("a",)])
async def test_silence_is_a_failure(begun: tuple[str, ...]) -> None:
    """Catches a stream that stalls and is waited for, also one that sends what is no output."""
    stalling = outputs(*begun, asyncio.Event().wait)
    deadline = asyncio.get_running_loop().time() + 0.02
    heard = in_time(stalling, deadline=deadline, stall_s=0.02, counts=bool)
    async with asyncio.timeout(5):
        for output in begun:
            assert await anext(heard) == output
        with pytest.raises(APITimeoutError):
            await anext(heard)


@pytest.mark.parametrize(
    ("said_s", "rest"),
    [
        (0.0, "Thirty days from the day."),
        (0.5, "Thirty days from the day."),
        (1.0, "days from the day."),
        (60.0, ""),
    ],
)
def test_what_is_left_to_say(said_s: float, rest: str) -> None:
    """Catches words that are left out when a voice breaks off, and words cut in two."""
    assert unsaid("Thirty days from the day.", said_s) == rest


class Closing(Provider):
    """A stage that is closed, or not, as it is told."""

    def __init__(self, *, error: Exception | None = None, hangs: bool = False) -> None:
        self._error = error
        self._hangs = hangs
        self.closed = False

    async def aclose(self) -> None:
        if self._error is not None:
            raise self._error
        if self._hangs:
            await asyncio.Event().wait()
        self.closed = True


async def test_each_is_closed_whatever_befalls_another() -> None:
    """Catches connections that outlive a call, and a call that ends only with a vendor's leave."""
    stages = [Closing(error=RuntimeError("no")), Closing(hangs=True), Closing()]
    breakers = Breakers()
    links = [
        Link(name, stage, breakers.of("speech", name))
        for name, stage in zip("abc", stages, strict=True)
    ]
    await Chain("speech", links, Patience(first_s=5.0, stall_s=5.0)).aclose(within_s=0.05)
    assert [stage.closed for stage in stages] == [False, False, True]

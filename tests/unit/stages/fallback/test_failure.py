"""What errors mean for what is tried next."""

import aiohttp
import httpx2
import openai
import pytest
from livekit.agents import APIConnectionError, APIError, APIStatusError, APITimeoutError
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from agent.stages.fallback.failure import failure_of

RETRY_AFTER = {"Retry-After": "7"}


def refused_handshake(status: int, headers: dict[str, str]) -> Exception:
    """As aiohttp raises it."""
    url = URL("wss://vendor.example/")
    sent: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
    request = aiohttp.RequestInfo(url, "GET", sent, url)
    return aiohttp.WSServerHandshakeError(
        request, (), status=status, headers=CIMultiDictProxy(CIMultiDict(headers))
    )


def from_openai(status: int, headers: dict[str, str]) -> Exception:
    """As livekit-agents raises it, which hides what it was raised for."""
    request = httpx2.Request("POST", "https://vendor.example/")
    response = httpx2.Response(status, headers=headers, request=request)
    try:
        try:
            raise openai.APIStatusError("no", response=response, body=None)
        except openai.APIStatusError as error:
            raise APIStatusError("no", status_code=error.status_code) from None
    except APIStatusError as hidden:
        return hidden


@pytest.mark.parametrize("make", [refused_handshake, from_openai])
def test_a_pause_that_was_asked_for(make: object) -> None:
    """Catches a `Retry-After` that is not found where each library keeps it."""
    assert callable(make)
    busy = failure_of(make(429, RETRY_AFTER))
    assert (busy.status, busy.pause_s, busy.retryable) == (429, 7.0, False)
    silent = failure_of(make(429, {}))
    assert (silent.pause_s, silent.retryable) == (0.0, True)


def test_a_pause_without_an_end() -> None:
    """Catches one header that keeps a vendor out for as long as the process lives."""
    assert failure_of(from_openai(429, {"Retry-After": "1e12"})).pause_s == 3_600.0


@pytest.mark.parametrize("value", ["soon", "-3", "nan", "inf", "Wed, 21 Oct 2026 07:28:00 GMT", ""])
def test_a_pause_that_makes_no_sense(value: str) -> None:
    """Catches a header of a vendor's that breaks the turn, or keeps the vendor out for ever."""
    assert failure_of(from_openai(503, {"Retry-After": value})).pause_s == 0.0


@pytest.mark.parametrize(
    ("status", "of_the_request", "for_good"),
    [(400, True, False), (401, False, True), (403, False, True), (500, False, False)],
)
def test_whose_fault_it_is(status: int, of_the_request: bool, for_good: bool) -> None:
    """Catches a provider that is kept out for one bad request, or a bad key that is tried again."""
    failure = failure_of(APIStatusError("no", status_code=status))
    assert (failure.of_the_request, failure.for_good) == (of_the_request, for_good)
    assert failure.retryable is (status == 500)


def test_what_a_plugin_lets_through() -> None:
    """Catches an error that is no `APIError` and ends the stage instead of the attempt."""
    failure = failure_of(ValueError("what was said"))
    assert (failure.name, failure.status, failure.retryable) == ("ValueError", None, True)


def test_what_is_asked_again() -> None:
    """Catches a stalled provider that is waited for twice."""
    assert failure_of(APIConnectionError()).retryable
    assert not failure_of(APIError("no", retryable=False)).retryable
    assert not failure_of(APITimeoutError()).retryable

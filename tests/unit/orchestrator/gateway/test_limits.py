"""How much one connection may send, and how much waits for it."""

import pytest

from orchestrator.gateway import limits
from orchestrator.gateway.limits import MessageRate, Outbox, OutboxFull


def test_a_burst_and_then_the_rate() -> None:
    """Catches a flood that is let in, and a client that is refused for one burst."""
    rate = MessageRate(per_second=10.0)
    assert all(rate.allows(0.0) for _ in range(20))
    assert not rate.allows(0.0)
    rate = MessageRate(per_second=10.0)
    assert all(rate.allows(at / 10) for at in range(1000))


async def test_messages_come_in_order_and_end() -> None:
    """Catches messages that overtake each other, and a writer that waits for ever."""
    outbox = Outbox()
    outbox.put("one", is_audio=False)
    outbox.put("two", is_audio=True)
    outbox.close()
    outbox.put("three", is_audio=False)
    assert [await outbox.get() for _ in range(3)] == [("one", False), ("two", True), None]


async def test_audio_is_thrown_away_and_nothing_else() -> None:
    """Catches audio of an interrupted answer behind its `stop`, and a lost message."""
    outbox = Outbox()
    for text, is_audio in (("a", False), ("b", True), ("c", False), ("d", True)):
        outbox.put(text, is_audio=is_audio)
    outbox.drop_audio()
    outbox.close()
    assert [await outbox.get() for _ in range(3)] == [("a", False), ("c", False), None]


def test_it_is_bounded_in_bytes() -> None:
    """Catches memory that grows with a client that does not read."""
    outbox = Outbox()
    for _ in range(limits.MAX_WAITING_BYTES // 100_000):
        outbox.put("x" * 100_000, is_audio=True)
    with pytest.raises(OutboxFull):
        outbox.put("x" * 100_000, is_audio=True)


def test_it_is_bounded_in_messages() -> None:
    """Catches a queue of countless small messages; what was taken out makes room."""
    outbox = Outbox()
    for _ in range(limits.MAX_WAITING_MESSAGES):
        outbox.put("x", is_audio=True)
    with pytest.raises(OutboxFull):
        outbox.put("x", is_audio=False)
    outbox.drop_audio()
    outbox.put("x", is_audio=False)

"""The user's audio on its way to the session: in order, to the turn it belongs to, in bounds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from orchestrator.gateway.audio import Pcm
from orchestrator.gateway.audio.wav import wav
from orchestrator.gateway.dialect import EndTurn, ErrorCode, Event, Failed, Hear
from orchestrator.gateway.hearing import Hearing, Limits
from tests.unit.orchestrator.gateway.watched import Watched, settled

LOUD = b"\x00\x40"
RATE_HZ = 16_000
SIXTY_SECONDS = Limits(turn_s=60.0)
PATIENT = replace(SIXTY_SECONDS, late_frames_s=3600.0)


@dataclass
class Session(Watched):
    """What the session heard, and where turns ended in it."""

    hearing: Hearing
    told: list[Event] = field(default_factory=list)
    heard: bytearray = field(default_factory=bytearray)
    turns: list[bytes] = field(default_factory=list)

    async def listen(self) -> None:
        async for frame in self.hearing.audio:
            self.heard += bytes(frame.data)
            self.changed.set()

    async def commit(self) -> None:
        self.turns.append(bytes(self.heard))
        self.heard.clear()
        self.changed.set()

    def tell(self, event: Event) -> None:
        self.told.append(event)
        self.changed.set()


@asynccontextmanager
async def session(limits: Limits = SIXTY_SECONDS, *, manual: bool = True) -> AsyncIterator[Session]:
    made: Session

    async def commit() -> None:
        await made.commit()

    def tell(event: Event) -> None:
        made.tell(event)

    made = Session(Hearing(tell, commit, limits, manual_turns=manual, rate_hz=RATE_HZ, channels=1))
    tasks = [asyncio.create_task(made.hearing.run()), asyncio.create_task(made.listen())]
    try:
        yield made
    finally:
        made.hearing.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def seconds(length_s: float, sample: bytes = LOUD) -> bytes:
    return sample * int(length_s * RATE_HZ)


async def test_a_turn_ends_after_all_of_its_audio() -> None:
    """Catches a turn that is committed before its last words were heard."""
    async with session() as made:
        for at in range(20):
            made.hearing.put(Hear(seconds(0.1), begins=at == 0))
        made.hearing.put(EndTurn())
        await made.until(lambda: made.turns)
    assert made.turns == [seconds(2.0)]


async def test_turns_follow_each_other() -> None:
    """Catches audio of one turn in another."""
    async with session() as made:
        for sample in (b"\x01\x00", b"\x02\x00"):
            made.hearing.put(Hear(sample * 1600, begins=True))
            made.hearing.put(EndTurn())
        await made.until(lambda: len(made.turns) == 2)
    assert made.turns == [b"\x01\x00" * 1600, b"\x02\x00" * 1600]


async def test_the_last_frame_of_a_recorder_is_waited_for() -> None:
    """Catches a last word lost because the recorder delivers it after `audio_end`."""
    recording = wav(Pcm(seconds(1.0), RATE_HZ))
    async with session(PATIENT) as made:
        made.hearing.put(Hear(recording[:-3200], begins=True))
        made.hearing.put(EndTurn())
        await settled()
        assert made.turns == []
        made.hearing.put(Hear(recording[-3200:], late=True))
        await made.until(lambda: made.turns)
    assert made.turns == [seconds(1.0)]


@pytest.mark.parametrize("sample", [LOUD, bytes(2)])
async def test_a_recorder_that_was_done_is_not_waited_for_in_vain(sample: bytes) -> None:
    """Catches half a second lost after words that have ended, and a turn that never ends."""
    async with session(PATIENT if sample == bytes(2) else SIXTY_SECONDS) as made:
        made.hearing.put(Hear(wav(Pcm(seconds(1.0, sample), RATE_HZ)), begins=True))
        made.hearing.put(EndTurn())
        await made.until(lambda: made.turns)
    assert made.turns == [seconds(1.0, sample)]


async def test_late_frames_of_raw_audio_do_not_hold_up_a_turn() -> None:
    """Catches a wait after raw audio, whose frames come in order."""
    async with session(PATIENT) as made:
        made.hearing.put(Hear(seconds(0.5), begins=True))
        made.hearing.put(EndTurn())
        await made.until(lambda: made.turns)
        made.hearing.put(Hear(seconds(0.1), late=True))
        made.hearing.put(Hear(seconds(0.2), begins=True))
        made.hearing.put(EndTurn())
        await made.until(lambda: len(made.turns) == 2)
    assert made.turns[1] == seconds(0.2)


async def test_what_is_forgotten_is_no_turn() -> None:
    """Catches the end of a turn that was replaced by another."""
    async with session() as made:
        made.hearing.put(Hear(seconds(0.1), begins=True))
        made.hearing.put(EndTurn())
        made.hearing.forget()
        made.hearing.put(EndTurn())
        made.hearing.put(Hear(seconds(0.3), begins=True))
        made.hearing.put(EndTurn())
        await made.until(lambda: made.turns)
    assert made.turns == [seconds(0.3)]


async def test_too_long_a_turn() -> None:
    """Catches memory that grows with a turn that never ends, and a next turn that suffers."""
    async with session(Limits(turn_s=1.0)) as made:
        for at in range(15):
            made.hearing.put(Hear(seconds(0.1), begins=at == 0))
        await made.until(lambda: made.told)
        made.heard.clear()
        made.hearing.put(Hear(seconds(0.5), begins=True))
        made.hearing.put(EndTurn())
        await made.until(lambda: made.turns)
    assert [event.code for event in made.told if isinstance(event, Failed)] == ["audio_too_long"]
    assert made.turns == [seconds(0.5)]


async def test_audio_that_cannot_be_read() -> None:
    """Catches a traceback in place of the documented error."""
    async with session() as made:
        made.hearing.put(Hear(b"RIFF\x00\x00\x00\x00WAVE" + b"nonsense" * 100, begins=True))
        made.hearing.put(EndTurn())
        await made.until(lambda: made.told)
    assert [event.code for event in made.told if isinstance(event, Failed)] == ["invalid_message"]
    assert made.turns == []


async def test_a_flood_of_audio() -> None:
    """Catches memory that grows with a client that sends faster than can be decoded."""
    async with session(replace(SIXTY_SECONDS, waiting_bytes=10_000)) as made:
        for _ in range(12):
            made.hearing.put(Hear(bytes(1000)))
    event = made.told[0]
    assert isinstance(event, Failed)
    assert (event.code, event.fatal) == (ErrorCode.RATE_LIMITED, True)


async def test_a_stream_ahead_of_the_clock() -> None:
    """Catches an endless stream that is sent faster than it can be spoken."""
    async with session(Limits(turn_s=2.0), manual=False) as made:
        for _ in range(5):
            made.hearing.put(Hear(seconds(1.0)))
        await made.until(lambda: made.told)
    event = made.told[0]
    assert isinstance(event, Failed)
    assert (event.code, event.fatal) == (ErrorCode.RATE_LIMITED, True)


async def test_speech_without_end_in_a_stream() -> None:
    """Catches a turn of the server's own finding that is longer than allowed."""
    async with session(Limits(turn_s=0.5), manual=False) as made:
        made.hearing._began_at -= 10.0  # it has been going on for a while
        made.hearing.user_spoke(speaking=True)
        made.hearing.put(Hear(seconds(0.4)))
        made.hearing.put(Hear(seconds(0.2)))
        await made.until(lambda: made.told)
    assert [event.code for event in made.told if isinstance(event, Failed)] == ["audio_too_long"]


async def test_a_microphone_that_goes_off_while_the_user_speaks() -> None:
    """Catches a turn that never ends because nobody sends the silence after it."""
    async with session(replace(SIXTY_SECONDS, silent_after_s=0.05), manual=False) as made:
        made.hearing.put(Hear(seconds(0.1)))
        await made.until(lambda: made.heard)
        made.hearing.user_spoke(speaking=True)
        made.hearing.put(Hear(seconds(0.1)))
        await made.until(lambda: len(made.heard) > len(seconds(0.4)))
        made.hearing.user_spoke(speaking=False)
    assert bytes(made.heard).rstrip(b"\x00") == seconds(0.2)[:-1] + LOUD[1:]

"""espeak-ng behind its server, as livekit-agents uses it."""

import asyncio

import pytest
from livekit.agents import APIConnectionError, APIConnectOptions, APIError
from livekit.agents.types import USERDATA_TIMED_TRANSCRIPT

from agent.settings import AgentSettings
from agent.stages.local.client import SpeechServer
from agent.stages.local.messages import SYNTHESIZER_REPLIES, Audio, Speak, Spoken
from agent.stages.local.synthesizer import LocalTTS
from tests.integration.stages.conftest import Server

ONCE = APIConnectOptions(max_retry=0, timeout=5)


def make(machine: AgentSettings, voice: str = "en-us+f3") -> LocalTTS:
    return LocalTTS(machine.synthesizer_socket, voice=voice, timeout_s=10)


@pytest.mark.usefixtures("synthesizer")
async def test_speaks_english_and_arabic(machine: AgentSettings) -> None:
    """Catches a voice that does not load, and audio at the wrong rate or of silence only."""
    for voice, text in (("en-us+m3", "Good morning."), ("ar+f3", "صباح الخير")):
        frame = await make(machine, voice).synthesize(text).collect()
        assert frame.sample_rate == 22_050
        assert 0.4 < frame.duration < 3
        assert max(frame.data) > 3_000


@pytest.mark.usefixtures("synthesizer")
async def test_english_words_in_arabic_are_pronounced(machine: AgentSettings) -> None:
    """Catches Latin words that are skipped or spelled out within Arabic text."""
    arabic = (await make(machine, "ar").synthesize("افتح").collect()).duration
    mixed = (await make(machine, "ar").synthesize("افتح password").collect()).duration
    assert 0.3 < mixed - arabic < 1.2


@pytest.mark.usefixtures("synthesizer")
async def test_arabic_words_in_english_are_pronounced(machine: AgentSettings) -> None:
    """Catches an English voice that spells Arabic letter by letter: "Arabic meem, Arabic raa"."""
    english = (await make(machine, "en-us").synthesize("Welcome").collect()).duration
    mixed = (await make(machine, "en-us").synthesize("Welcome مرحبا بكم").collect()).duration
    assert 0.4 < mixed - english < 1.8


@pytest.mark.usefixtures("synthesizer")
@pytest.mark.parametrize(
    ("voice", "written", "words"),
    [
        ("en-us", "It costs $45.50 on 3/15/2025.", "forty-five dollars and fifty cents"),
        ("ar", "السعر 45 درهمًا يوم 15/3/2025.", "خمسة وأربعون درهمًا يوم الخامس عشر من مارس"),
    ],
)
async def test_numbers_are_spoken_as_words(
    machine: AgentSettings, voice: str, written: str, words: str
) -> None:
    """Catches digits that reach the engine, which reads a date as a fraction."""
    numbers = (await make(machine, voice).synthesize(written).collect()).duration
    spelled = (await make(machine, voice).synthesize(words).collect()).duration
    assert spelled < numbers < spelled + 4


@pytest.mark.usefixtures("synthesizer")
async def test_the_transcript_stays_as_it_is_written(machine: AgentSettings) -> None:
    """Catches words for digits in what is shown, and kept."""
    written = "It costs $45.50 at 9:30. Yes."
    async with make(machine).stream(conn_options=ONCE) as stream:
        stream.push_text(written)
        stream.end_input()
        timed = [
            str(text)
            async for audio in stream
            for text in audio.frame.userdata.get(USERDATA_TIMED_TRANSCRIPT, [])
        ]
    assert "".join(timed) == written


@pytest.mark.usefixtures("synthesizer")
async def test_streams_the_first_sentence_before_the_text_is_complete(
    machine: AgentSettings,
) -> None:
    """Catches a stream that waits for the end of the answer."""
    async with make(machine).stream(conn_options=ONCE) as stream:
        stream.push_text("The first sentence is here. And the sec")
        first = await asyncio.wait_for(anext(stream), 20)
        assert first.frame.duration > 0
        stream.push_text("ond comes later.")
        stream.end_input()
        rest = [audio async for audio in stream]
    assert sum(audio.frame.duration for audio in rest) > 1
    assert rest[-1].is_final


@pytest.mark.usefixtures("synthesizer")
@pytest.mark.parametrize("text", ["🙂", "***", "…"])
async def test_text_without_sound_is_not_an_error(machine: AgentSettings, text: str) -> None:
    """Catches an answer of an emoji ending the turn with an error."""
    frame = await make(machine).synthesize(text, conn_options=ONCE).collect()
    assert frame.duration > 0


@pytest.mark.usefixtures("synthesizer")
@pytest.mark.parametrize(
    "text",
    [
        "a" * 7_000,
        "[[_^_]] <speak><break time='9999s'/></speak> &amp; \x00\x01\x1b[2J",
        "\u202e\ufeff\ud7ff" * 300,
        "9" * 3_000,
        "([{" * 500,
    ],
)
async def test_hostile_text_is_survived(machine: AgentSettings, text: str) -> None:
    """Catches text that crashes the engine or keeps it busy for ever."""
    async with asyncio.timeout(20):
        frame = await make(machine).synthesize(text, conn_options=ONCE).collect()
    assert frame.duration > 0


async def test_a_closed_connection_stops_the_synthesis(
    machine: AgentSettings, synthesizer: Server
) -> None:
    """Catches children that go on speaking for somebody who interrupted."""
    server = await SpeechServer.connect(
        machine.synthesizer_socket, SYNTHESIZER_REPLIES, timeout_s=5
    )
    await server.send(Speak("This is a rather long sentence. " * 200, "en-us"))
    assert isinstance(await server.receive_within(5), Audio)
    server.close()
    await asyncio.to_thread(synthesizer.wait_for_children, 0)


@pytest.mark.usefixtures("synthesizer")
async def test_an_unknown_voice_is_an_error_and_no_crash(machine: AgentSettings) -> None:
    """Catches a voice name that reaches the engine unchecked."""
    for voice in ("xx", "../../etc/passwd"):
        with pytest.raises(APIError):
            await make(machine, voice).synthesize("Hello", conn_options=ONCE).collect()


@pytest.mark.usefixtures("synthesizer")
async def test_a_connection_speaks_again(machine: AgentSettings) -> None:
    """Catches state of one text that is left for the next."""
    async with await SpeechServer.connect(
        machine.synthesizer_socket, SYNTHESIZER_REPLIES, timeout_s=5
    ) as server:
        lengths = []
        for _ in range(2):
            await server.send(Speak("Twice the same.", "en-us"))
            length = 0
            while isinstance(reply := await server.receive_within(5), Audio):
                length += len(reply.pcm)
            assert reply == Spoken(cancelled=False)
            lengths.append(length)
    assert min(lengths) > 20_000
    assert abs(lengths[0] - lengths[1]) < 2_000


async def test_no_server_is_a_connection_error(machine: AgentSettings) -> None:
    """Catches an error that livekit-agents would not retry."""
    nowhere = LocalTTS(machine.run_dir / "nobody.sock", voice="en-us")
    with pytest.raises(APIConnectionError) as caught:
        await nowhere.synthesize("Hello", conn_options=ONCE).collect()
    assert caught.value.retryable

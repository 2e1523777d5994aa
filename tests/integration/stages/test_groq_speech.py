"""Groq's recogniser and synthesiser, at a stand-in that speaks their wire format."""

import asyncio
import io
import json
import struct
import wave
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from livekit.agents import APIConnectionError, APIConnectOptions, APIStatusError, inference, stt

from agent.settings import AgentSettings
from agent.stages.build import Stages, build_stages
from tests.integration.stages.conftest import Serve, first_of, frames, speech

KEY = "the-key-of-a-test"
SILENCE = bytes(16_000 * 2)
ANSWER = "You have thirty days to return a product."
Event = stt.SpeechEventType


@dataclass
class Refusal:
    """An error as Groq answers it."""

    status: int
    code: str
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        """Its HTTP answer."""
        error = {"message": f"refused: {self.code}", "type": "error", "code": self.code}
        return web.json_response({"error": error}, status=self.status, headers=self.headers)


BAD_KEY = Refusal(401, "invalid_api_key")
TOO_MANY = Refusal(429, "rate_limit_exceeded", {"retry-after": "1"})


def stages_of(
    machine: AgentSettings, address: str, *, retries: int = 0, language: str = "en-US"
) -> Stages:
    """The stages of a deployment that chose Groq's speech by name."""
    settings = AgentSettings.model_validate(
        {
            **machine.model_dump(),
            "stt_provider": "groq",
            "tts_provider": "groq",
            "groq_api_key": KEY,
            "groq_base_url": f"{address}/openai/v1",
            "max_retries": retries,
            "retry_delay_seconds": 0.01,
        }
    )
    return build_stages(settings, language=language, voice=None, collection="default")


@dataclass
class Transcriptions:
    """`POST /audio/transcriptions`: refuses as often as told, then hears `text`."""

    text: str = "Go forward ten meters."
    refusals: list[Refusal] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    audio_s: list[float] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        assert request.method == "POST"
        assert request.content_type == "multipart/form-data"
        fields = {"key": request.headers["Authorization"]}
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                with wave.open(io.BytesIO(value.file.read())) as clip:
                    assert (clip.getnchannels(), clip.getsampwidth()) == (1, 2)
                    self.audio_s.append(clip.getnframes() / clip.getframerate())
                fields[name] = value.content_type
            else:
                fields[name] = str(value)
        self.asked.append(fields)
        if self.refusals:
            return self.refusals.pop(0).response()
        return web.json_response({"text": self.text, "x_groq": {"id": "req_1"}})


async def hear(stages: Stages, pcm: bytes) -> list[stt.SpeechEvent]:
    """What the recogniser tells, under the detector that an `AgentSession` puts before it."""
    assert stages.stt is not None
    recognizer = stt.StreamAdapter(stt=first_of(stages.stt), vad=inference.VAD(model="silero"))
    options = stages.conn_options.stt_conn_options
    async with asyncio.timeout(30), recognizer.stream(conn_options=options) as stream:
        for frame in frames(pcm):
            stream.push_frame(frame)
        stream.end_input()
        return [event async for event in stream]


async def test_groq_hears_an_utterance(machine: AgentSettings, vendor: Serve) -> None:
    """Catches a key in the wrong header, a wrong field, silence that is sent, and lost words."""
    transcriptions = Transcriptions()
    stages = stages_of(
        machine, await vendor("/openai/v1/audio/transcriptions", transcriptions.answer)
    )
    spoken = speech("go-forward")
    events = await hear(stages, SILENCE + spoken + SILENCE * 2)
    assert [event.type for event in events] == [
        Event.START_OF_SPEECH,
        Event.END_OF_SPEECH,
        Event.FINAL_TRANSCRIPT,
    ]
    assert events[-1].alternatives[0].text == "Go forward ten meters."
    assert transcriptions.asked == [
        {
            "key": f"Bearer {KEY}",
            "file": "audio/wav",
            "model": "whisper-large-v3-turbo",
            "language": "en",
            "response_format": "json",
        }
    ]
    (sent_s,) = transcriptions.audio_s
    assert 1.0 < sent_s < len(spoken + SILENCE * 2) / 32_000
    await stages.aclose()


async def test_groq_is_told_the_language(machine: AgentSettings, vendor: Serve) -> None:
    """Catches Arabic that is written down as English words."""
    transcriptions = Transcriptions(text="متى تفتحون؟")
    address = await vendor("/openai/v1/audio/transcriptions", transcriptions.answer)
    stages = stages_of(machine, address, language="ar-EG")
    events = await hear(stages, SILENCE + speech("go-forward") + SILENCE)
    assert events[-1].alternatives[0].text == "متى تفتحون؟"
    assert transcriptions.asked[0]["language"] == "ar"
    await stages.aclose()


async def test_a_recogniser_at_its_limit_is_asked_again(
    machine: AgentSettings, vendor: Serve
) -> None:
    """Catches a turn that is lost because Groq was busy for a moment."""
    transcriptions = Transcriptions(refusals=[TOO_MANY])
    address = await vendor("/openai/v1/audio/transcriptions", transcriptions.answer)
    stages = stages_of(machine, address, retries=1)
    events = await hear(stages, SILENCE + speech("go-forward") + SILENCE)
    assert events[-1].type == Event.FINAL_TRANSCRIPT
    assert len(transcriptions.asked) == 2
    assert transcriptions.audio_s[0] == transcriptions.audio_s[1]
    await stages.aclose()


async def test_a_refused_key_is_no_silence(machine: AgentSettings, vendor: Serve) -> None:
    """Catches a refusal that is asked again for ever, or swallowed as if nothing had been said."""
    transcriptions = Transcriptions(refusals=[BAD_KEY])
    address = await vendor("/openai/v1/audio/transcriptions", transcriptions.answer)
    stages = stages_of(machine, address, retries=1)
    with pytest.raises(APIStatusError) as caught:
        await hear(stages, SILENCE + speech("go-forward") + SILENCE)
    assert (caught.value.status_code, caught.value.retryable) == (401, False)
    assert KEY not in str(caught.value)
    assert len(transcriptions.asked) == 1
    await stages.aclose()


@pytest.mark.parametrize("refusal", [TOO_MANY, Refusal(503, "over_capacity")])
async def test_a_recogniser_that_stays_away_surfaces(
    machine: AgentSettings, vendor: Serve, refusal: Refusal
) -> None:
    """Catches an outage that is waited for without end, or without a word of why."""
    transcriptions = Transcriptions(refusals=[refusal] * 10)
    address = await vendor("/openai/v1/audio/transcriptions", transcriptions.answer)
    stages = stages_of(machine, address, retries=2)
    with pytest.raises(APIConnectionError) as caught:
        await hear(stages, SILENCE + speech("go-forward") + SILENCE)
    assert isinstance(caught.value.__cause__, APIStatusError)
    assert caught.value.__cause__.status_code == refusal.status
    assert len(transcriptions.asked) == 3
    await stages.aclose()


def wav(pcm: bytes, rate_hz: int, *, length_known: bool = True) -> bytes:
    """A WAV file; one that is written as it is made does not know its length."""
    sizes = (36 + len(pcm), len(pcm)) if length_known else (0xFFFFFFFF, 0xFFFFFFFF)
    return (
        struct.pack("<4sI4s4sI", b"RIFF", sizes[0], b"WAVE", b"fmt ", 16)
        + struct.pack("<HHIIHH", 1, 1, rate_hz, rate_hz * 2, 2, 16)
        + struct.pack("<4sI", b"data", sizes[1])
        + pcm
    )


@dataclass
class Speech:
    """`POST /audio/speech`: refuses as often as told, then says half a second of a level tone."""

    rate_hz: int = 48_000
    length_known: bool = True
    refusals: list[Refusal] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        assert request.method == "POST"
        asked = json.loads(await request.read())
        self.asked.append({"key": request.headers["Authorization"], **asked})
        if self.refusals:
            return self.refusals.pop(0).response()
        if len(asked["input"]) > 200:
            return Refusal(400, "input_too_long").response()
        answer = web.StreamResponse(headers={"Content-Type": "audio/wav"})
        await answer.prepare(request)
        tone = struct.pack("<h", 4000) * (self.rate_hz // 2)
        whole = wav(tone, self.rate_hz, length_known=self.length_known)
        for at in range(0, len(whole), 7001):
            await answer.write(whole[at : at + 7001])
        return answer

    @property
    def inputs(self) -> list[str]:
        """The texts that were to be said, in order."""
        return [asked["input"] for asked in self.asked]


async def say(
    stages: Stages, text: str, options: APIConnectOptions | None = None
) -> tuple[bytes, int]:
    """What is said, s16le, and its sample rate."""
    assert stages.tts is not None
    pcm, rate_hz = b"", 0
    options = options or stages.conn_options.tts_conn_options
    voice = first_of(stages.tts)
    async with asyncio.timeout(30), voice.stream(conn_options=options) as stream:
        for word in text.split(" "):
            stream.push_text(f"{word} ")
        stream.end_input()
        async for audio in stream:
            pcm += audio.frame.data.tobytes()
            rate_hz = audio.frame.sample_rate
    return pcm, rate_hz


@pytest.mark.parametrize(
    "speech_",
    [Speech(), Speech(rate_hz=24_000), Speech(length_known=False)],
    ids=["48 kHz", "24 kHz", "of unknown length"],
)
async def test_groq_speaks(machine: AgentSettings, vendor: Serve, speech_: Speech) -> None:
    """Catches a key in the wrong header, a wrong field, and audio that is lost, slow or noise."""
    stages = stages_of(machine, await vendor("/openai/v1/audio/speech", speech_.answer))
    pcm, rate_hz = await say(stages, ANSWER)
    assert speech_.asked == [
        {
            "key": f"Bearer {KEY}",
            "model": "canopylabs/orpheus-v1-english",
            "voice": "troy",
            "input": ANSWER,
            "response_format": "wav",
        }
    ]
    samples = struct.unpack(f"<{len(pcm) // 2}h", pcm)
    assert rate_hz == 48_000
    assert len(samples) / rate_hz == pytest.approx(0.5, abs=0.05)
    middle = samples[len(samples) // 4 : len(samples) * 3 // 4]
    assert 3500 < min(middle) <= max(middle) < 4500
    await stages.aclose()


async def test_groq_speaks_arabic_with_an_arabic_voice(
    machine: AgentSettings, vendor: Serve
) -> None:
    """Catches Arabic read out by an English model."""
    speech_ = Speech()
    address = await vendor("/openai/v1/audio/speech", speech_.answer)
    stages = stages_of(machine, address, language="ar-EG")
    await say(stages, "يمكنك إرجاع المنتجات خلال ثلاثين يومًا.")
    assert speech_.asked[0]["model"] == "canopylabs/orpheus-arabic-saudi"
    assert speech_.asked[0]["voice"] == "fahad"
    await stages.aclose()


async def test_a_long_sentence_is_said_in_pieces(machine: AgentSettings, vendor: Serve) -> None:
    """Catches an answer that is never heard, as Groq takes no more than 200 characters."""
    speech_ = Speech()
    stages = stages_of(machine, await vendor("/openai/v1/audio/speech", speech_.answer))
    text = "We ask the carrier ourselves, and write to you as soon as we know, " * 5 + "always."
    pcm, rate_hz = await say(stages, text)
    assert max(map(len, speech_.inputs)) <= 200
    assert " ".join(speech_.inputs).split() == text.split()
    assert len(pcm) / 2 / rate_hz == pytest.approx(0.5 * len(speech_.inputs), abs=0.2)
    await stages.aclose()


async def test_a_synthesiser_at_its_limit_is_asked_again(
    machine: AgentSettings, vendor: Serve
) -> None:
    """Catches an answer that is not heard because Groq was busy for a moment."""
    speech_ = Speech(refusals=[TOO_MANY])
    stages = stages_of(machine, await vendor("/openai/v1/audio/speech", speech_.answer), retries=1)
    pcm, _ = await say(stages, ANSWER)
    assert pcm
    assert speech_.inputs == [ANSWER, ANSWER]
    await stages.aclose()


@pytest.mark.parametrize(
    ("refusals", "status", "requests"),
    [
        ([BAD_KEY], 401, 1),
        ([Refusal(400, "model_terms_required")], 400, 1),
        ([TOO_MANY, TOO_MANY], 429, 2),
    ],
)
async def test_what_groq_refuses_to_say_surfaces(
    machine: AgentSettings,
    vendor: Serve,
    refusals: Sequence[Refusal],
    status: int,
    requests: int,
) -> None:
    """Catches a refusal that is asked again for ever, not at all, or ends as silence."""
    speech_ = Speech(refusals=list(refusals))
    stages = stages_of(machine, await vendor("/openai/v1/audio/speech", speech_.answer), retries=1)
    told: list[tuple[str, bool]] = []
    assert stages.tts is not None
    first_of(stages.tts).on("error", lambda error: told.append((error.type, error.recoverable)))
    with pytest.raises(APIStatusError) as caught:
        await say(stages, ANSWER)
    assert caught.value.status_code == status
    assert caught.value.retryable is (status == 429)
    assert KEY not in str(caught.value)
    assert len(speech_.asked) == requests
    assert told == [("tts_error", False)]
    await stages.aclose()


async def test_an_answer_that_is_no_audio_surfaces(machine: AgentSettings, vendor: Serve) -> None:
    """Catches a proxy's page that is played as noise, or ends as silence."""

    async def page(_: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>Please log in</html>", content_type="text/html")

    stages = stages_of(machine, await vendor("/openai/v1/audio/speech", page))
    with pytest.raises(APIConnectionError):
        await say(stages, ANSWER)
    await stages.aclose()


async def test_an_answer_that_breaks_off_surfaces(machine: AgentSettings, vendor: Serve) -> None:
    """Catches half a sentence that is taken for the whole."""

    async def broken(request: web.Request) -> web.StreamResponse:
        whole = wav(bytes(48_000), 48_000)
        headers = {"Content-Type": "audio/wav", "Content-Length": str(len(whole))}
        answer = web.StreamResponse(headers=headers)
        await answer.prepare(request)
        await answer.write(whole[:20_000])
        assert request.transport is not None
        request.transport.close()
        return answer

    stages = stages_of(machine, await vendor("/openai/v1/audio/speech", broken))
    with pytest.raises(APIConnectionError):
        await say(stages, ANSWER)
    await stages.aclose()

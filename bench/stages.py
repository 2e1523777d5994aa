"""What the local speech stages cost; prints JSON.

    python -m bench.stages

Times are of this machine as it is loaded; memory is what a connection's process has to itself
(USS) and all that a server's parent, whose memory it shares, has mapped (RSS).
"""

import asyncio
import json
import tempfile
import time
import wave
from pathlib import Path

import psutil

from agent.settings import PROJECT_ROOT, AgentSettings
from agent.stages.local.client import SpeechServer
from agent.stages.local.collection_model import models_dir
from agent.stages.local.language_model import build
from agent.stages.local.messages import (
    RECOGNIZER_RATE_HZ,
    RECOGNIZER_REPLIES,
    SYNTHESIZER_REPLIES,
    Audio,
    EndUtterance,
    Final,
    Open,
    Opened,
    Partial,
    Refused,
    Speak,
    Spoken,
)
from bench.figures import summary_ms
from bench.local_servers import running

TIMES = 30
MIB = 1 << 20
TEXT = "You may send back anything you bought from us within thirty days of receiving it."


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="mj") as folder:
        settings = AgentSettings().model_copy(
            update={"run_dir": Path(folder, "r"), "data_dir": Path(folder, "d")}
        )
        build([TEXT] * 3, models_dir(settings.data_dir) / "default")
        report: dict[str, object] = {}
        with running(settings, "synthesizer_server") as server:
            report["synthesizer"] = asyncio.run(_synthesizer(settings, server.pid))
        with running(settings, "recognizer_server") as server:
            report["recognizer"] = asyncio.run(_recognizer(settings, server.pid))
    print(json.dumps(report, indent=2))


async def _synthesizer(settings: AgentSettings, pid: int) -> dict[str, object]:
    first_audio, whole = [], []
    for _ in range(TIMES):
        began = time.perf_counter()
        async with await SpeechServer.connect(
            settings.synthesizer_socket, SYNTHESIZER_REPLIES, timeout_s=5
        ) as server:
            await server.send(Speak(TEXT, "en-us+f3"))
            assert isinstance(await server.receive_within(5), Audio)
            first_audio.append(time.perf_counter() - began)
            while not isinstance(await server.receive_within(5), Spoken):
                pass
            whole.append(time.perf_counter() - began)
            child_mib = _uss_mib(psutil.Process(pid).children()[-1].pid)
    return {
        "connect_to_first_audio": summary_ms(first_audio),
        "connect_to_last_audio": summary_ms(whole),
        "parent_rss_mib": _rss_mib(pid),
        "connection_uss_mib": child_mib,
    }


async def _recognizer(settings: AgentSettings, pid: int) -> dict[str, object]:
    opened = []
    for _ in range(TIMES):
        began = time.perf_counter()
        async with await _open(settings, "default"):
            opened.append(time.perf_counter() - began)
    return {
        "connect_to_opened": summary_ms(opened),
        "general": await _hear(settings, pid, ""),
        "with_a_collection": await _hear(settings, pid, "default"),
        "parent_rss_mib": _rss_mib(pid),
    }


async def _hear(settings: AgentSettings, pid: int, collection: str) -> dict[str, object]:
    with wave.open(str(PROJECT_ROOT / "tests/audio/austen-0870.wav")) as clip:
        pcm: bytes = clip.readframes(clip.getnframes())
    audio_s = len(pcm) / 2 / RECOGNIZER_RATE_HZ
    async with await _open(settings, collection) as server:
        child = psutil.Process(pid).children()[-1]
        idle_mib = _uss_mib(child.pid)
        for at in range(0, len(pcm), 3_200):
            await server.send(Audio(pcm[at : at + 3_200]))
        while sum(child.cpu_times()[:2]) == 0 or await _busy(child):
            pass
        decoded_s = sum(child.cpu_times()[:2])
        began = time.perf_counter()
        await server.send(EndUtterance())
        while not isinstance(await server.receive_within(30), Final):
            pass
        return {
            "real_time_factor": round(decoded_s / audio_s, 3),
            "end_to_final_ms": round((time.perf_counter() - began) * 1000, 1),
            "idle_uss_mib": idle_mib,
            "used_uss_mib": _uss_mib(child.pid),
        }


async def _busy(process: psutil.Process) -> bool:
    """Whether it used the processor in the last 100 ms."""
    before = sum(process.cpu_times()[:2])
    await asyncio.sleep(0.1)
    return sum(process.cpu_times()[:2]) > before


async def _open(
    settings: AgentSettings, collection: str
) -> SpeechServer[Opened | Partial | Final | Refused]:
    server = await SpeechServer.connect(settings.recognizer_socket, RECOGNIZER_REPLIES, timeout_s=5)
    await server.send(Open(collection))
    await server.receive_within(5)
    return server


def _rss_mib(pid: int) -> float:
    return round(psutil.Process(pid).memory_info().rss / MIB, 1)


def _uss_mib(pid: int) -> float:
    return round(psutil.Process(pid).memory_full_info().uss / MIB, 1)


if __name__ == "__main__":
    main()

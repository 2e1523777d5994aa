"""Speech made by espeak-ng, in a process of its own: `python -m tests.clients.speech VOICE FOLDER`.

Reads texts from standard input, one a line, and writes `0.wav`, `1.wav`, … at 16 kHz mono.
"""

import subprocess
import sys
import wave
from pathlib import Path

from livekit import rtc

from agent.stages.local.espeak import Espeak
from tests.clients.stack import PROJECT_ROOT

RATE_HZ = 16_000
NORMAL_RATE_WPM = 160
NORMAL_PITCH = 50


def speak(texts: list[str], voice: str, folder: Path) -> list[Path]:
    """Have each text spoken; the files, in order."""
    subprocess.run(
        [sys.executable, "-m", "tests.clients.speech", voice, str(folder)],
        input="\n".join(texts),
        text=True,
        cwd=PROJECT_ROOT,
        check=True,
        timeout=60,
    )
    return [folder / f"{number}.wav" for number in range(len(texts))]


def main() -> None:
    """Speak what comes in."""
    voice, folder = sys.argv[1:]
    engine = Espeak()
    engine.set_voice(voice, rate_wpm=NORMAL_RATE_WPM, pitch=NORMAL_PITCH)
    for number, text in enumerate(sys.stdin.read().splitlines()):
        spoken = bytearray()

        def keep(chunk: bytes, into: bytearray = spoken) -> bool:
            into += chunk
            return True

        engine.speak(text, keep)
        resampler = rtc.AudioResampler(engine.rate_hz, RATE_HZ)
        frames = resampler.push(rtc.AudioFrame(bytes(spoken), engine.rate_hz, 1, len(spoken) // 2))
        with wave.open(str(Path(folder) / f"{number}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            for frame in [*frames, *resampler.flush()]:
                file.writeframes(bytes(frame.data))


if __name__ == "__main__":
    main()

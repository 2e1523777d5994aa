"""The work that every server under measurement does, so that what differs is the server.

The user's turn ends in a mark; a recogniser that takes no time knows the words when it is handed
the mark, an answerer that takes no time has two sentences, and a synthesiser that takes no time
has a tone for each. Standard library only: every server's interpreter imports it.
"""

import array
import math
import os
import wave
from pathlib import Path

RATE_HZ = 16_000
SAMPLE_BYTES = 2
TRANSCRIPT = "go forward ten meters"
SENTENCES = ("The robot will now go forward ten meters. ", "Please say stop at any time you like.")
MARK = array.array("h", [12345, -12345, 23456, -23456]).tobytes()

ANSWER_S = float(os.environ.get("BENCH_ANSWER_S", "1.8"))
"""Length of the whole answer; each sentence has its half."""

SPEECH = Path(__file__).resolve().parents[2] / "tests" / "audio" / "go-forward.wav"


def turn_ended(samples: bytes) -> bool:
    """Whether the last of the user's turn is among these samples."""
    return MARK in samples


def tone() -> bytes:
    """One sentence's audio, mono s16le at `RATE_HZ`; not silent from its first sample on."""
    count = int(RATE_HZ * ANSWER_S / len(SENTENCES))
    wave_form = (int(8000 * math.cos(2 * math.pi * 440 * i / RATE_HZ)) or 1 for i in range(count))
    return array.array("h", wave_form).tobytes()


def utterance(length_s: float) -> bytes:
    """So much of a human voice, with the mark at its end."""
    with wave.open(str(SPEECH)) as file:
        samples: bytes = file.readframes(file.getnframes())
    wanted = int(length_s * RATE_HZ) * SAMPLE_BYTES
    return samples[-wanted : -len(MARK)] + MARK


def words() -> list[str]:
    """The answer, as an answerer streams it."""
    return [word + " " for sentence in SENTENCES for word in sentence.split()]

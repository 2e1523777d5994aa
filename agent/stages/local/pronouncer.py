"""`python -m agent.stages.local.pronouncer`: ARPABET phones of English words, by espeak-ng.

Words on stdin, one a line; `<word> <phones>` on stdout for those it can pronounce. A program of
its own, so that espeak-ng's code (GPL-3) stays out of the others'.
"""

import re
import subprocess
import sys
from collections.abc import Iterable

_TIMEOUT_S = 60.0
_WORD = re.compile(r"^[a-z]+(?:'[a-z]+)*$")

# espeak-ng's IPA for en-us, longest first where one begins another.
_ARPABET = {
    "aɪɚ": "AY ER", "aɪə": "AY AH", "oːɹ": "AO R", "ɔːɹ": "AO R", "ɑːɹ": "AA R", "ʊɹ": "UH R",
    "ɛɹ": "EH R", "ɪɹ": "IH R", "ɪə": "IY AH", "əl": "AH L", "tʃ": "CH", "dʒ": "JH", "aɪ": "AY",
    "aʊ": "AW", "eɪ": "EY", "oʊ": "OW", "ɔɪ": "OY", "iː": "IY", "uː": "UW", "ɑː": "AA",
    "ɔː": "AO", "ɜː": "ER", "ɚ": "ER", "ɝ": "ER", "æ": "AE", "ʌ": "AH", "ə": "AH", "ɐ": "AH",
    "ɛ": "EH", "e": "EH", "ɪ": "IH", "ᵻ": "IH", "i": "IY", "ʊ": "UH", "u": "UW", "ɔ": "AO",
    "o": "OW", "ɑ": "AA", "a": "AA", "b": "B", "d": "D", "ð": "DH", "f": "F", "ɡ": "G",
    "g": "G", "h": "HH", "j": "Y", "k": "K", "l": "L", "m": "M", "n": "N", "ŋ": "NG", "p": "P",
    "ɹ": "R", "r": "R", "s": "S", "ʃ": "SH", "t": "T", "ɾ": "T", "θ": "TH", "v": "V", "w": "W",
    "z": "Z", "ʒ": "ZH", "x": "K", "ʔ": "T", "ɬ": "L", "n̩": "AH N", "l̩": "AH L",
}  # fmt: skip
_LONGEST = max(map(len, _ARPABET))
_MARKS = re.compile(r"[ˈˌːˑ̩\u200d;ʲ_ -]")
"""Stress, length and syllables, which the acoustic model does not tell apart."""


def pronounce(words: Iterable[str]) -> dict[str, str]:
    """The phones of each word, for those that espeak-ng can pronounce, in another process.

    Empty when espeak-ng is not there or fails.
    """
    asked = sorted({word for word in words if _WORD.match(word)})
    if not asked:
        return {}
    try:
        answer = subprocess.run(
            [sys.executable, "-m", "agent.stages.local.pronouncer"],
            input="\n".join(asked),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    pairs = (line.partition(" ") for line in answer.stdout.splitlines())
    return {word: phones for word, _, phones in pairs if word in asked}


def to_arpabet(phonemes: Iterable[str]) -> str | None:
    """IPA as ARPABET phones with spaces between; None when there is a sound that it lacks."""
    phones = []
    rest = "".join(phonemes).replace("ˈ", "").replace("ˌ", "")
    while rest:
        for length in range(min(_LONGEST, len(rest)), 0, -1):
            if (found := _ARPABET.get(rest[:length])) is not None:
                phones.append(found)
                rest = rest[length:]
                break
        else:
            if not _MARKS.match(rest):
                return None
            rest = rest[1:]
    return " ".join(phones) or None


def _main() -> None:
    from agent.stages.local.espeak import Espeak

    espeak = Espeak()
    espeak.set_voice("en-us", rate_wpm=165, pitch=50)
    for line in sys.stdin:
        word = line.strip()
        if _WORD.match(word) and (phones := to_arpabet(espeak.phonemes(word))):
            sys.stdout.write(f"{word} {phones}\n")


if __name__ == "__main__":
    _main()

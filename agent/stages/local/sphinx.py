"""PocketSphinx: English speech to words, with what a document collection adds.

An utterance is decoded with the general language model of the wheel, and at the same time with the
small one of the collection (`language_model`): once as it is, and once as if the caller's vocal
tract were shorter than that of the people who the acoustic model was trained on. The general
decoding is believed unless those of the collection score better, so general speech is recognised
as if there were no collection. Of two that do, the one is believed on which the documents have
more to say (see ADR 4, with the figures).
"""

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import pocketsphinx

from agent.stages.local.collection_model import read_words
from agent.stages.local.utterances import RecognitionError

COLLECTION_HANDICAP = 450.0
"""By how much (in PocketSphinx's units of 1e-4 nats) the collection's score must be better.

The test recordings of general speech reach 41 at most. Spoken questions lose words to the general
model from about 700 on.
"""

_SHORTER_VOCAL_TRACT = {"warp_type": "inverse_linear", "warp_params": "1.3"}
"""Options for voices whose formants are high. PocketSphinx keeps them in a place of the process's
and takes equal ones for known: a second `Recognizer` in a process would decode without them."""
_LOG_BASE = math.log(1.0001)
_USUAL_CEPSTRUM = "45.9,-0.1,-3.8,13.5,-8.7,4.0,-4.6,-4.2,0.3,-2.3,-0.6,-2.3,2.8"
"""Mean cepstrum of people who read into a microphone: where each connection begins. The decoders
follow the voice, but only from about the fourth second on, and a first question is over by then."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What one decoder makes of an utterance."""

    text: str
    confidence: float
    """Posterior probability, 0..1; 0 before the end of the utterance."""
    score: float
    """Of the best path, as a logarithm; compares decodings of the same audio."""


NOTHING = Heard("", 0.0, -math.inf)

Telling = Callable[[str], float]
"""How much of a text the documents have something to say on: of two texts, the more the better."""


def _nothing_told(_text: str) -> float:
    return 0.0


class Recognizer:
    """All decoders, loaded once a process; raises `RecognitionError`."""

    def __init__(self) -> None:
        # A second pass over the large model would cost 200 ms after a long utterance and gains
        # nothing; over a small one it costs little and gains much.
        self._general = _decoder(fwdflat=False)
        # Whatever is in the dictionary, PocketSphinx prepares with each model: 4 s for all of it.
        self._expecting = tuple(
            _decoder(lm=None, dict=os.devnull, fwdflat=True, topn=8, **warp)
            for warp in ({}, _SHORTER_VOCAL_TRACT)
        )
        self._words: set[str] = set()
        self._used: tuple[pocketsphinx.Decoder, ...] = ()
        self.use("")

    def add_collection(self, name: str, model: Path, pronunciations: Mapping[str, str]) -> None:
        """Learn, or learn anew, what `use(name)` is to expect besides general speech.

        `model` is an ARPA file; `pronunciations` has the ARPABET phones of words that the
        general dictionary lacks.
        """
        new = read_words(model) - self._words
        try:
            for decoder in self._expecting:
                for word, phones in _pronounced(new, pronunciations):
                    decoder.add_word(word, phones, update=False)
                decoder.add_lm_file(_search(name), str(model))
        except RuntimeError as error:
            raise RecognitionError("a collection's language model cannot be read") from error
        self._words |= new

    def use(self, name: str, telling: Telling = _nothing_told) -> None:
        """Hear with a collection added before, or general speech only (empty name).

        `telling` judges between decodings that score alike.
        """
        self._used = (self._general,)
        self._telling = telling
        if name:
            try:
                for decoder in self._expecting:
                    decoder.activate_search(_search(name))
            except KeyError as error:
                raise RecognitionError("no such collection") from error
            self._used = (self._general, *self._expecting)
        for decoder in self._used:
            decoder.set_cmn(_USUAL_CEPSTRUM)

    def start(self) -> None:
        """Begin an utterance."""
        try:
            for decoder in self._used:
                decoder.start_utt()
        except RuntimeError as error:
            raise RecognitionError("PocketSphinx did not start an utterance") from error

    def feed(self, pcm: bytes) -> None:
        """Hear mono s16le at 16 kHz, of any length."""
        if len(pcm) < 2:
            return  # PocketSphinx takes no samples for an error.
        try:
            for decoder in self._used:
                decoder.process_raw(pcm)
        except RuntimeError as error:
            raise RecognitionError("PocketSphinx did not take the audio") from error

    def partial(self) -> Heard:
        """What has been heard of the utterance so far."""
        general, *expected = map(_heard, self._used)
        return believed(general, expected[:1])

    def finish(self) -> Heard:
        """End the utterance."""
        try:
            for decoder in self._used:
                decoder.end_utt()
        except RuntimeError as error:
            raise RecognitionError("PocketSphinx did not end the utterance") from error
        general, *expected = map(_heard, self._used)
        return believed(general, expected, self._telling)


def believed(general: Heard, expected: Sequence[Heard], telling: Telling = _nothing_told) -> Heard:
    """Which decoding of the same audio to believe: the general one, or one of a collection."""
    better = [
        heard
        for heard in expected
        if heard.text and heard.score - COLLECTION_HANDICAP > general.score
    ]
    if len({heard.text for heard in better}) > 1:
        return max(better, key=lambda heard: (telling(heard.text), heard.score))
    return better[0] if better else general


def dictionary_words() -> frozenset[str]:
    """Every word that the general dictionary can pronounce."""
    return frozenset(word for word, _ in _dictionary())


def _dictionary() -> Iterator[tuple[str, str]]:
    """The general dictionary: words, some of them as `word(2)` once more, and their phones."""
    with Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict")).open() as file:
        for line in file:
            word, _, phones = line.rstrip().partition(" ")
            yield word, phones


def _pronounced(words: Set[str], others: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The words with their phones, all that the general dictionary has of each."""
    yield from ((word, others[word]) for word in words & others.keys())
    yield from (
        (word, phones)
        for word, phones in _dictionary()
        if word.partition("(")[0] in words and word not in others
    )


def _decoder(**options: object) -> pocketsphinx.Decoder:
    try:
        return pocketsphinx.Decoder(loglevel="FATAL", **options)
    except RuntimeError as error:
        raise RecognitionError("PocketSphinx could not be started") from error


def _heard(decoder: pocketsphinx.Decoder) -> Heard:
    found = decoder.hyp()
    if found is None or found.score <= 0:
        return NOTHING
    return Heard(
        text=found.hypstr,
        confidence=min(1.0, found.prob),
        score=math.log(found.score) / _LOG_BASE,
    )


def _search(name: str) -> str:
    return f"collection:{name}"

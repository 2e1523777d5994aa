"""PocketSphinx by its C API, as exported by the extension module of the pinned wheel.

The module's own Python API cannot interpolate language models; the C API behind it can
(`pocketsphinx/model.h`), and calls by ctypes release the GIL besides. See ADR 4.
"""

import ctypes
import importlib.util
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_P = ctypes.c_void_p
_C = ctypes.c_char_p
_I = ctypes.c_int

_NGRAM_AUTO = 0
_GENERAL = b"_default"
_LANGUAGE_WEIGHT = 6.5
"""The decoder's exponent on language model probabilities; scales the weights of a mixture."""
_SPEECH_CMN = b"41.00,-5.29,-0.12,5.09,2.48,-4.07,-1.37,-1.78,-5.08,-2.05,-6.45,-1.42,1.17"
"""Mean cepstrum of speech through a microphone, from the recipes of the acoustic model: where
each connection begins, before it has heard anybody."""

_PROTOTYPES: dict[str, tuple[type, list[type]]] = {
    "ps_config_init": (_P, [_P]),
    "ps_config_set_str": (_P, [_P, _C, _C]),
    "ps_config_set_bool": (_P, [_P, _C, _I]),
    "ps_init": (_P, [_P]),
    "ps_get_lm": (_P, [_P, _C]),
    "ps_add_lm": (_I, [_P, _C, _P]),
    "ps_activate_search": (_I, [_P, _C]),
    "ps_add_word": (_I, [_P, _C, _C, _I]),
    "ps_get_logmath": (_P, [_P]),
    "ps_set_cmn": (_I, [_P, _C]),
    "ps_start_utt": (_I, [_P]),
    "ps_process_raw": (_I, [_P, _C, ctypes.c_size_t, _I, _I]),
    "ps_end_utt": (_I, [_P]),
    "ps_get_hyp": (_C, [_P, _P]),
    "ps_get_prob": (ctypes.c_int32, [_P]),
    "logmath_exp": (ctypes.c_double, [_P, _I]),
    "ngram_model_read": (_P, [_P, _C, _I, _P]),
    "ngram_model_free": (_I, [_P]),
    "ngram_model_set_init": (_P, [_P, _P, _P, _P, ctypes.c_int32]),
}


class RecognitionError(Exception):
    """PocketSphinx could not be started, or failed; the connection is of no further use."""

    code = "recognition_failed"


@dataclass(frozen=True, slots=True)
class Heard:
    """The outcome of one utterance."""

    text: str
    confidence: float
    """Posterior probability, 0..1."""


class Decoder:
    """Speech in English to words; raises `RecognitionError`."""

    def __init__(self) -> None:
        package = _package()
        self._c = _library(package)
        model = package / "model" / "en-us"
        self._config = _P(self._c.ps_config_init(None))
        for name, value in (
            ("hmm", model / "en-us"),
            ("lm", model / "en-us.lm.bin"),
            ("dict", model / "cmudict-en-us.dict"),
            ("loglevel", "FATAL"),
        ):
            self._c.ps_config_set_str(self._config, name.encode(), str(value).encode())
        # A second pass would cost 200 ms after the end of a long utterance, and gains nothing.
        self._c.ps_config_set_bool(self._config, b"fwdflat", 0)
        self._decoder = _P(self._c.ps_init(self._config))
        if not self._decoder:
            raise RecognitionError("PocketSphinx could not be started")
        self._added_words: set[str] = set()
        self._logmath = _P(self._c.ps_get_logmath(self._decoder))
        self._general = _P(self._c.ps_get_lm(self._decoder, _GENERAL))

    def add_collection(
        self, name: str, model: Path, pronunciations: Mapping[str, str], *, share: float
    ) -> None:
        """Make `use(name)` expect what the n-gram model of a collection expects too.

        `model` is an ARPA file, `pronunciations` the ARPABET phones of words that the general
        dictionary lacks, `share` (0..1) what the collection has in the mixture. Raises
        `RecognitionError` for a model that cannot be read.
        """
        for word, phones in pronunciations.items():
            if word not in self._added_words:
                self._c.ps_add_word(self._decoder, word.encode(), phones.encode(), 0)
                self._added_words.add(word)
        own = self._c.ngram_model_read(
            self._config, str(model).encode(), _NGRAM_AUTO, self._logmath
        )
        if not own:
            raise RecognitionError(f"{model.name} is not a language model")
        mixture = self._mix(_P(own), share)
        if self._c.ps_add_lm(self._decoder, _search(name), mixture) < 0:
            raise RecognitionError("PocketSphinx did not take the mixture")
        self._c.ngram_model_free(mixture)

    def use(self, name: str) -> None:
        """Decode with a collection added before, or with general speech only (empty name)."""
        search = _search(name) if name else _GENERAL
        if self._c.ps_activate_search(self._decoder, search) < 0:
            raise RecognitionError("no such collection")
        self._c.ps_set_cmn(self._decoder, _SPEECH_CMN)

    def start(self) -> None:
        """Begin an utterance."""
        if self._c.ps_start_utt(self._decoder) < 0:
            raise RecognitionError("PocketSphinx did not start an utterance")

    def feed(self, pcm: bytes) -> None:
        """Hear mono s16le at 16 kHz, of any length."""
        samples = len(pcm) // 2
        # PocketSphinx takes no samples for an error.
        if samples and self._c.ps_process_raw(self._decoder, pcm, samples, 0, 0) < 0:
            raise RecognitionError("PocketSphinx did not take the audio")

    def partial(self) -> str:
        """What has been heard of the utterance so far."""
        return self._hypothesis()

    def finish(self) -> Heard:
        """End the utterance."""
        if self._c.ps_end_utt(self._decoder) < 0:
            raise RecognitionError("PocketSphinx did not end the utterance")
        text = self._hypothesis()
        posterior = self._c.logmath_exp(self._logmath, self._c.ps_get_prob(self._decoder))
        return Heard(text, min(1.0, posterior) if text and math.isfinite(posterior) else 0.0)

    def _hypothesis(self) -> str:
        found: bytes | None = self._c.ps_get_hyp(self._decoder, None)
        return (found or b"").decode()

    def _mix(self, own: ctypes.c_void_p, share: float) -> ctypes.c_void_p:
        # PocketSphinx raises each model's probability to the language weight before it adds
        # them, so the weights of the mixture are raised too.
        models = (_P * 2)(self._general, own)
        names = (_C * 2)(b"general", b"collection")
        weights = (ctypes.c_float * 2)((1 - share) ** _LANGUAGE_WEIGHT, share**_LANGUAGE_WEIGHT)
        mixture = _P(self._c.ngram_model_set_init(self._config, models, names, weights, 2))
        self._c.ngram_model_free(own)  # the mixture holds it now
        return mixture


def _search(name: str) -> bytes:
    return f"collection:{name}".encode()


def _package() -> Path:
    spec = importlib.util.find_spec("pocketsphinx")
    if spec is None or not spec.submodule_search_locations:
        raise RecognitionError("PocketSphinx is not installed")
    return Path(spec.submodule_search_locations[0])


def _library(package: Path) -> ctypes.CDLL:
    found = sorted(package.glob("_pocketsphinx*.so"))
    if not found:
        raise RecognitionError("PocketSphinx has no library")
    library = ctypes.CDLL(str(found[0]))
    for name, (result, arguments) in _PROTOTYPES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library

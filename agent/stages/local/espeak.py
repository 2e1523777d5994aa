"""espeak-ng by ctypes. GPL-3: only the synthesiser's process and the pronouncer load it.

The library keeps its state in globals, so a process speaks one text at a time, in one thread.
Constants and structures are those of `espeak-ng/speak_lib.h` 1.52.
"""

import ctypes
from collections.abc import Callable

import espeakng_loader

CHUNK_MS = 60

_OUTPUT_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_RATE = 1
_PITCH = 3
_POSITION_CHARACTER = 1
_PHONEMES_IPA = 0x02
_PHONEME_SEPARATOR = ord("_") << 8


class SynthesisError(Exception):
    """espeak-ng could not be started, or does not know the voice."""

    code = "synthesis_failed"


class _Event(ctypes.Structure):
    """`espeak_EVENT`; its tail is not read."""


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Espeak:
    """The engine; raises `SynthesisError` when it cannot be started."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._declare()
        self.rate_hz: int = self._library.espeak_Initialize(
            _OUTPUT_SYNCHRONOUS, CHUNK_MS, espeakng_loader.get_data_path().encode(), _DONT_EXIT
        )
        if self.rate_hz <= 0:
            raise SynthesisError("espeak-ng could not be started")
        self._sink: Callable[[bytes], bool] | None = None
        self._failure: BaseException | None = None
        self._callback = _Callback(self._on_audio)
        self._library.espeak_SetSynthCallback(self._callback)

    def set_voice(self, name: str, *, rate_wpm: int, pitch: int) -> None:
        """Speak like `en-us+f3` from now on; raises `SynthesisError` for an unknown voice."""
        if self._library.espeak_SetVoiceByName(name.encode()) != 0:
            raise SynthesisError("espeak-ng has no such voice")
        self._library.espeak_SetParameter(_RATE, rate_wpm, 0)
        self._library.espeak_SetParameter(_PITCH, pitch, 0)

    def speak(self, text: str, sink: Callable[[bytes], bool]) -> None:
        """Synthesise, handing chunks of mono s16le at `rate_hz` to `sink`.

        It goes on while `sink` returns True, and stops within a chunk otherwise. What `sink`
        raises is raised here.
        """
        self._sink, self._failure = sink, None
        data = text.encode()
        self._library.espeak_Synth(
            data, len(data) + 1, 0, _POSITION_CHARACTER, 0, _CHARS_UTF8, None, None
        )
        self._sink = None
        if self._failure is not None:
            raise self._failure

    def phonemes(self, text: str) -> list[str]:
        """The phonemes of a word in the voice at hand, in IPA, stress marks included."""
        pointer = ctypes.c_char_p(text.encode())
        spoken = self._library.espeak_TextToPhonemes(
            ctypes.byref(pointer), _CHARS_UTF8, _PHONEMES_IPA | _PHONEME_SEPARATOR
        )
        return [part for part in (spoken or b"").decode().replace(" ", "_").split("_") if part]

    def _on_audio(self, samples: "ctypes._Pointer[ctypes.c_short]", count: int, _: object) -> int:
        if self._sink is None:
            return 1
        if count <= 0 or not samples:
            return 0
        try:
            return 0 if self._sink(ctypes.string_at(samples, count * 2)) else 1
        except BaseException as failure:  # noqa: BLE001 - must not cross into C; raised in speak()
            self._failure = failure
            return 1

    def _declare(self) -> None:
        library = self._library
        library.espeak_Synth.argtypes = [
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint,
            ctypes.POINTER(ctypes.c_uint),
            ctypes.c_void_p,
        ]
        library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        library.espeak_TextToPhonemes.argtypes = [
            ctypes.POINTER(ctypes.c_char_p),
            ctypes.c_int,
            ctypes.c_int,
        ]

"""Models that a user has downloaded, as far as their files tell what they are. Loads none."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from agent.stages.local.errors import CannotStart

_MULTILINGUAL_WORDS = 51_865
"""So many tokens has a Whisper model of many languages at least; one of English only has fewer."""
WHISPER_LANGUAGES = frozenset({
    "af", "am", "ar", "as", "az", "ba", "be", "bg", "bn", "bo", "br", "bs", "ca", "cs", "cy",
    "da", "de", "el", "en", "es", "et", "eu", "fa", "fi", "fo", "fr", "gl", "gu", "ha", "haw",
    "he", "hi", "hr", "ht", "hu", "hy", "id", "is", "it", "ja", "jw", "ka", "kk", "km", "kn",
    "ko", "la", "lb", "ln", "lo", "lt", "lv", "mg", "mi", "mk", "ml", "mn", "mr", "ms", "mt",
    "my", "ne", "nl", "nn", "no", "oc", "pa", "pl", "ps", "pt", "ro", "ru", "sa", "sd", "si",
    "sk", "sl", "sn", "so", "sq", "sr", "su", "sv", "sw", "ta", "te", "tg", "th", "tk", "tl",
    "tr", "tt", "uk", "ur", "uz", "vi", "yi", "yo", "zh", "yue",
})  # fmt: skip
_MOONSHINE_NAME = re.compile(
    r"^(?P<architecture>(?:tiny|base|small|medium)(?:-streaming)?)-(?P<language>[a-z]{2,3})$"
)
_DEEPEST = 6
"""Folders below the one that is set."""
_MAX_JSON_BYTES = 8 << 20


_T = TypeVar("_T")


class _Espeak(BaseModel):
    voice: Annotated[str, Field(pattern=r"^[a-zA-Z]{2,3}([-_].*)?$")]


class _Audio(BaseModel):
    sample_rate: Annotated[int, Field(ge=8_000, le=48_000)]


class _PiperConfig(BaseModel):
    espeak: _Espeak
    audio: _Audio


_PIPER_CONFIG = TypeAdapter(_PiperConfig)
_VOCABULARY: TypeAdapter[list[str]] = TypeAdapter(list[str])


class ModelMissing(CannotStart):
    """A model is not where a setting says, or is not one; the message names the setting."""

    code = "model_missing"


@dataclass(frozen=True, slots=True)
class MoonshineModel:
    """A folder named for what it is, such as `base-ar`."""

    path: Path
    architecture: str
    """`tiny`, `base`, `small-streaming`, …"""
    language: str
    """Primary subtag."""


@dataclass(frozen=True, slots=True)
class PiperVoiceFile:
    """A model and the `.onnx.json` beside it."""

    path: Path
    language: str
    """Primary subtag."""
    rate_hz: int

    @property
    def config(self) -> Path:
        """Its configuration."""
        return self.path.with_name(f"{self.path.name}.json")

    @property
    def name(self) -> str:
        """`en_US-lessac-medium`."""
        return self.path.name.removesuffix(".onnx")


class ModelBroken(CannotStart):
    """A model that its engine does not take."""

    code = "model_broken"


def model_path(path: Path | None, setting: str) -> Path:
    """Where the model is. Raises `ModelMissing`."""
    if path is None:
        raise ModelMissing(f"{setting} is not set")
    if not path.exists():
        raise ModelMissing(f"{setting}: there is no {path}")
    return path


def whisper_languages(path: Path) -> frozenset[str]:
    """The primary subtags that a CTranslate2 Whisper model knows. Raises `ModelMissing`."""
    if not (path / "model.bin").is_file():
        raise ModelMissing(f"WHISPER_MODEL_PATH: no model.bin in {path}")
    words, lines = path / "vocabulary.json", path / "vocabulary.txt"
    if words.is_file():
        count = len(_read(_VOCABULARY, words, "WHISPER_MODEL_PATH"))
    elif lines.is_file():
        with lines.open("rb") as file:
            count = sum(1 for _ in file)
    else:
        raise ModelMissing(f"WHISPER_MODEL_PATH: no vocabulary in {path}")
    return WHISPER_LANGUAGES if count >= _MULTILINGUAL_WORDS else frozenset({"en"})


def moonshine_models(path: Path) -> dict[str, MoonshineModel]:
    """The models in a folder or below it, by language; of two the larger. Raises `ModelMissing`."""
    found: dict[str, MoonshineModel] = {}
    for tokenizer in sorted(_files(path, "tokenizer.bin")):
        folder = tokenizer.parent
        named = _MOONSHINE_NAME.match(folder.name)
        if named is None or not any(folder.glob("*.ort")):
            continue
        model = MoonshineModel(folder, named["architecture"], named["language"])
        other = found.get(model.language)
        if other is None or _size(model.path) > _size(other.path):
            found[model.language] = model
    if not found:
        raise ModelMissing(
            f"MOONSHINE_MODEL_PATH: no folder named for a model (tiny-en, base-ar) in {path}"
        )
    return found


def piper_voices(path: Path) -> dict[str, PiperVoiceFile]:
    """The voices in a file or folder, by language, the first by name. Raises `ModelMissing`."""
    files = [path] if path.suffix == ".onnx" else sorted(_files(path, "*.onnx"))
    found: dict[str, PiperVoiceFile] = {}
    for file in files:
        config = file.with_name(f"{file.name}.json")
        if not file.is_file() or not config.is_file():
            continue
        voice = _piper_voice(file, config)
        found.setdefault(voice.language, voice)
    if not found:
        raise ModelMissing(f"PIPER_VOICE_PATH: no voice (.onnx and .onnx.json) in {path}")
    return found


def _piper_voice(file: Path, config: Path) -> PiperVoiceFile:
    said = _read(_PIPER_CONFIG, config, "PIPER_VOICE_PATH")
    language = re.split(r"[-_]", said.espeak.voice.lower())[0]
    return PiperVoiceFile(file, language, said.audio.sample_rate)


def _read(shape: TypeAdapter[_T], path: Path, setting: str) -> _T:
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise ModelMissing(f"{setting}: {path} is too large")
        return shape.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ModelMissing(f"{setting}: {path} cannot be read") from error


def _files(path: Path, pattern: str) -> list[Path]:
    """Those of that name in a folder, at most so deep; links to folders are not followed."""
    if not path.is_dir():
        return []
    depth = len(path.parts)
    return [file for file in path.rglob(pattern) if len(file.parts) - depth <= _DEEPEST]


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())

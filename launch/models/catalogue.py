"""Models that can be fetched. Any other of the same kind works from its path as well."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HubFiles:
    """Files of a repository of the Hugging Face Hub, whose checksums the Hub tells."""

    repository: str
    files: tuple[str, ...]
    """Patterns, as `fnmatch` has them, of paths below `folder`; each must be there."""
    folder: str = ""
    revision: str = "main"

    @property
    def page(self) -> str:
        """Where people can read about it."""
        return f"https://huggingface.co/{self.repository}"


@dataclass(frozen=True, slots=True)
class Link:
    """A file at an address."""

    name: str
    size: int
    crc32c: str
    """In base 64, as its publisher's own program has it."""


@dataclass(frozen=True, slots=True)
class Links:
    """Files below one address."""

    base: str
    page: str
    files: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """One that can be fetched."""

    name: str
    gives: str
    megabytes: int
    licence: str
    extra: str
    """Of our package, that runs it."""
    setting: str
    """Which names its path; `value` is where, within the folder of all models."""
    value: str
    folder: str
    """Where its files go, within the folder of all models."""
    source: HubFiles | Links
    settings: Mapping[str, str] = field(default_factory=dict)
    """Further ones that go with it."""
    options: Mapping[str, str] = field(default_factory=dict)
    """What `majlis.json` beside it is to say."""


_MOONSHINE = "https://download.moonshine.ai/model"
_MOONSHINE_PAGE = "https://github.com/moonshine-ai/moonshine"
_PIPER = "rhasspy/piper-voices"
_WHISPER_FILES = ("config.json", "model.bin", "tokenizer.json", "vocabulary.*")
_MOONSHINE_TOKENIZER = Link("tokenizer.bin", 249_974, "B7s10Q==")


def _whisper(size: str, megabytes: int) -> Model:
    return Model(
        name=f"whisper-{size}",
        gives="hears a hundred languages, English and Arabic among them; when the turn is over",
        megabytes=megabytes,
        licence="MIT",
        extra="whisper",
        setting="WHISPER_MODEL_PATH",
        value=f"whisper/{size}",
        folder=f"whisper/{size}",
        source=HubFiles(f"Systran/faster-whisper-{size}", _WHISPER_FILES),
    )


def _moonshine(name: str, gives: str, licence: str, files: tuple[Link, ...]) -> Model:
    return Model(
        name=f"moonshine-{name.rpartition('-')[2]}",
        gives=gives,
        megabytes=round(sum(file.size for file in files) / 1e6),
        licence=licence,
        extra="moonshine",
        setting="MOONSHINE_MODEL_PATH",
        value="moonshine",
        folder=f"moonshine/{name}",
        source=Links(f"{_MOONSHINE}/{name}/quantized/{name}", _MOONSHINE_PAGE, files),
    )


def _piper(voice: str, gives: str) -> Model:
    code, name, quality = voice.split("-")
    folder = f"{code.partition('_')[0]}/{code}/{name}/{quality}"
    return Model(
        name=f"piper-{code.partition('_')[0]}",
        gives=gives,
        megabytes=63,
        licence="that of its recordings: see MODEL_CARD, which comes with it",
        extra="piper",
        setting="PIPER_VOICE_PATH",
        value="piper",
        folder=f"piper/{voice}",
        source=HubFiles(
            _PIPER, (f"{voice}.onnx", f"{voice}.onnx.json", "MODEL_CARD"), folder, "v1.0.0"
        ),
    )


CATALOGUE: tuple[Model, ...] = (
    _moonshine(
        "base-en",
        "hears English, while it is spoken",
        "MIT",
        (
            Link("encoder_model.ort", 31_326_816, "+MATVw=="),
            Link("decoder_model_merged.ort", 109_424_400, "71VpRQ=="),
            _MOONSHINE_TOKENIZER,
        ),
    ),
    _moonshine(
        "base-ar",
        "hears Arabic, while it is spoken",
        "Moonshine Community License: not for commercial use",
        (
            Link("encoder_model.ort", 31_326_824, "QgxL3Q=="),
            Link("decoder_model_merged.ort", 109_424_552, "u17PkA=="),
            _MOONSHINE_TOKENIZER,
        ),
    ),
    _whisper("base", 148),
    _whisper("small", 486),
    _piper("en_US-lessac-medium", "speaks English with a natural voice"),
    _piper("ar_JO-kareem-medium", "speaks Arabic with a natural voice, short vowels added"),
    Model(
        name="embedding",
        gives="finds passages by their meaning, across English and Arabic",
        megabytes=490,
        licence="MIT",
        extra="embedding",
        setting="EMBEDDING_MODEL_PATH",
        value="embedding/multilingual-e5-small",
        folder="embedding/multilingual-e5-small",
        source=HubFiles("intfloat/multilingual-e5-small", ("onnx/model.onnx", "tokenizer.json")),
        # its authors say that its cosines are from 0.7 to 1.0
        settings={"EMBEDDING_SIMILARITY": "0.85"},
        options={"query_prefix": "query: ", "passage_prefix": "passage: "},
    ),
)

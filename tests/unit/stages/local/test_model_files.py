"""What downloaded models tell about themselves, and who hears and speaks with them."""

import json
from pathlib import Path

import pytest

from agent.settings import AgentSettings
from agent.stages.choice import StageChoice, choose
from agent.stages.errors import StageUnavailable
from agent.stages.local.model_files import (
    ModelMissing,
    moonshine_models,
    piper_voices,
    whisper_languages,
)


def chosen(**given: object) -> StageChoice:
    settings = AgentSettings.model_construct(**given)  # type: ignore[arg-type]  # as the tests say
    return choose(settings, installed=lambda _: True)


def whisper(folder: Path, tokens: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.bin").write_bytes(b"")
    (folder / "vocabulary.json").write_text(json.dumps(["w"] * tokens), encoding="utf-8")
    return folder


def moonshine(folder: Path, size: int = 1) -> None:
    folder.mkdir(parents=True)
    (folder / "tokenizer.bin").write_bytes(b"\x01a")
    (folder / "encoder_model.ort").write_bytes(bytes(size))


def piper(folder: Path, name: str, language: str, rate_hz: int = 22_050) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.onnx").write_bytes(b"")
    config = {"audio": {"sample_rate": rate_hz}, "espeak": {"voice": language}}
    (folder / f"{name}.onnx.json").write_text(json.dumps(config), encoding="utf-8")


def test_whisper_tells_how_many_languages_it_knows(tmp_path: Path) -> None:
    """Catches Arabic promised by a model of English only."""
    assert "ar" in whisper_languages(whisper(tmp_path, 51_865))
    assert whisper_languages(whisper(tmp_path, 51_864)) == {"en"}
    (tmp_path / "vocabulary.json").unlink()
    (tmp_path / "vocabulary.txt").write_text("w\n" * 51_866, encoding="utf-8")
    assert "ar" in whisper_languages(tmp_path)


def test_moonshine_models_are_found_by_the_names_of_their_folders(tmp_path: Path) -> None:
    """Catches a model taken for another language's, and the smaller of two."""
    moonshine(tmp_path / "model" / "tiny-en" / "quantized" / "tiny-en")
    moonshine(tmp_path / "model" / "base-ar", 10)
    moonshine(tmp_path / "model" / "tiny-ar", 5)
    moonshine(tmp_path / "model" / "something-else")
    found = moonshine_models(tmp_path)
    assert {language: model.architecture for language, model in found.items()} == {
        "en": "tiny",
        "ar": "base",
    }
    assert moonshine_models(tmp_path / "model" / "base-ar").keys() == {"ar"}


def test_piper_voices_are_found_by_language(tmp_path: Path) -> None:
    """Catches a voice that speaks for a language that is not its own, or at another rate."""
    piper(tmp_path, "en_US-one-low", "en-us", 16_000)
    piper(tmp_path / "more", "ar_JO-two-medium", "ar")
    found = piper_voices(tmp_path)
    assert {language: (v.name, v.rate_hz) for language, v in found.items()} == {
        "en": ("en_US-one-low", 16_000),
        "ar": ("ar_JO-two-medium", 22_050),
    }
    assert piper_voices(tmp_path / "en_US-one-low.onnx").keys() == {"en"}


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b"[" * 100_000])
def test_files_that_are_none(tmp_path: Path, content: bytes) -> None:
    """Catches a start that ends in a traceback of a JSON parser."""
    for name in ("vocabulary.json", "a.onnx.json"):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "a.onnx").write_bytes(b"")
    for look in (whisper_languages, moonshine_models, piper_voices):
        with pytest.raises(ModelMissing):
            look(tmp_path)


def test_a_downloaded_model_hears_what_it_knows(tmp_path: Path) -> None:
    """Catches `hears` that says no of Arabic which is heard, or yes of what nobody hears."""
    moonshine(tmp_path / "moonshine" / "tiny-ar")
    path = whisper(tmp_path / "whisper", 51_865)
    alone = chosen()
    assert (alone.hears("en-US"), alone.hears("ar-EG")) == (True, False)
    choice = chosen(moonshine_model_path=tmp_path / "moonshine")
    assert choice.recognition.provider == "moonshine"
    assert choice.recognition.uses("local")
    assert (choice.hears("en-US"), choice.hears("ar-EG")) == (True, True)
    only = chosen(moonshine_model_path=tmp_path / "moonshine", stt_provider="moonshine")
    assert (only.hears("en-US"), only.hears("ar-EG")) == (False, True)
    choice = chosen(whisper_model_path=path, stt_provider="whisper")
    assert all(choice.hears(language) for language in ("en-US", "ar-EG", "fr-FR"))
    assert not choice.hears("tlh")
    english = whisper(tmp_path / "whisper.en", 51_864)
    assert not chosen(whisper_model_path=english, stt_provider="whisper").hears("ar-EG")


def test_a_voice_that_was_downloaded_speaks_before_espeak(tmp_path: Path) -> None:
    """Catches a voice that is set and not used."""
    piper(tmp_path, "ar_JO-two-medium", "ar")
    choice = chosen(piper_voice_path=tmp_path)
    assert [member.provider for member in choice.speech.chain] == ["piper", "local"]


def test_what_is_missing_is_said_with_the_remedy(tmp_path: Path) -> None:
    """Catches a path that is wrong, or a package that is not there, and nobody says so."""
    choice = chosen(whisper_model_path=tmp_path)
    assert choice.recognition.provider == "local"
    assert "make models" in choice.recognition.told
    with pytest.raises(StageUnavailable, match="make models"):
        chosen(whisper_model_path=tmp_path, stt_provider="whisper")
    with pytest.raises(StageUnavailable, match="PIPER_VOICE_PATH is not set"):
        chosen(tts_provider="piper")
    given = AgentSettings.model_construct(whisper_model_path=whisper(tmp_path, 51_865))
    told = choose(given, installed=lambda module: module != "faster_whisper").recognition.told
    assert "'.[whisper]'" in told

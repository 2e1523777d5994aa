"""Which programs run for which settings, and the file that supervisord is given."""

import configparser
import shlex
from pathlib import Path

import pytest
from pydantic import SecretStr

from agent.stages.choice import choose
from launch.plan import Embedded, Plan, make_plan
from launch.settings import LaunchSettings
from launch.supervisord import render

SECRET = "do-not-tell"
EVERYTHING = Embedded(Path("/usr/bin/redis-server"), Path("/run/redis.conf"), 41_000)
NOTHING = Embedded(None, None, None)


def settings(**values: object) -> LaunchSettings:
    """Settings with these values, whatever the environment of the test holds."""
    return LaunchSettings.model_validate(values)


def plan(given: LaunchSettings, embedded: Embedded = EVERYTHING) -> Plan:
    return make_plan(given, embedded, choose(given, installed=lambda _: True))


def names(made: Plan) -> list[str]:
    return [program.name for program in made.programs]


def test_with_nothing_configured_every_part_is_ours() -> None:
    """Catches an embedded part that is not started."""
    assert names(plan(settings())) == [
        "redis",
        "devroom",
        "recognizer",
        "synthesizer",
        "api",
        "worker",
        "beat",
        "indexer",
        "agent-host",
    ]


def test_a_configured_part_is_not_embedded() -> None:
    """Catches a Redis, room server or speech engine that runs beside the one configured."""
    given = settings(
        livekit_url="wss://rooms.example",
        livekit_api_key="key",
        livekit_api_secret=SecretStr(SECRET),
        redis_url=SecretStr("redis://redis.example:6379/0"),
        assembly_api_key=SecretStr(SECRET),
        inworld_api_key=SecretStr(SECRET),
        stt_provider="assemblyai",
        tts_provider="inworld",
    )
    made = plan(given, NOTHING)
    assert names(made) == ["api", "worker", "beat", "indexer", "agent-host"]
    assert dict(made.taken)["rooms"] == "wss://rooms.example (LIVEKIT_URL)"
    assert not any(SECRET in taken for _, taken in made.taken)


def test_what_is_fallen_back_on_runs_too() -> None:
    """Catches a fallback on a speech engine that nobody started."""
    given = settings(assembly_api_key=SecretStr(SECRET), inworld_api_key=SecretStr(SECRET))
    assert {"recognizer", "synthesizer"} <= set(names(plan(given)))


def test_each_downloaded_model_has_a_server_of_its_own(tmp_path: Path) -> None:
    """Catches a model that is set and that nobody loads, or one loaded that nobody uses."""
    (tmp_path / "a.onnx").write_bytes(b"")
    config = '{"audio": {"sample_rate": 22050}, "espeak": {"voice": "ar"}}'
    (tmp_path / "a.onnx.json").write_text(config, encoding="utf-8")
    for folder in ("tiny-ar", "whisper"):
        (tmp_path / folder).mkdir()
    (tmp_path / "tiny-ar" / "tokenizer.bin").write_bytes(b"")
    (tmp_path / "tiny-ar" / "encoder_model.ort").write_bytes(b"")
    (tmp_path / "whisper" / "model.bin").write_bytes(b"")
    (tmp_path / "whisper" / "vocabulary.json").write_text("[]", encoding="utf-8")
    given = {
        "moonshine_model_path": tmp_path,
        "whisper_model_path": tmp_path / "whisper",
        "piper_voice_path": tmp_path,
        "embedding_model_path": tmp_path,
    }
    servers = {"moonshine", "whisper", "piper", "embedder"}
    assert servers <= set(names(plan(settings(**given))))
    assert servers.isdisjoint(names(plan(settings())))
    some = names(plan(settings(**given, stt_provider="whisper", tts_provider="none")))
    assert servers & set(some) == {"whisper", "embedder"}


def test_what_has_no_wheel_here_is_told_and_not_run() -> None:
    """Catches a program that can only fail, or a start that stops where the rest would run."""
    given = settings()
    made = make_plan(given, EVERYTHING, choose(given, installed=lambda _: False))
    assert {"recognizer", "synthesizer"}.isdisjoint(names(made))
    assert {"api", "worker", "agent-host"} <= set(names(made))
    assert not any("agent.stages.local.language_model" in step for step in made.preparations)
    taken = dict(made.taken)
    assert "pocketsphinx" in taken["recognition"]
    assert "ASSEMBLY_API_KEY" in taken["recognition"]
    assert "espeakng_loader" in taken["speech"]
    assert "INWORLD_API_KEY" in taken["speech"]


def test_documents_are_made_ready_first() -> None:
    """Catches a collection that is not indexed, or whose words the recogniser does not expect."""
    modules = [step[2] for step in plan(settings()).preparations]
    assert modules == ["agent.knowledge", "agent.stages.local.language_model"]


def test_the_agents_stop_first_and_have_the_time_to_drain() -> None:
    """Catches a stop order in which Redis or the rooms go while calls still run, or a kill before
    the drain is over."""
    made = plan(settings(drain_timeout_seconds=100))
    host = made.programs[-1]
    assert host.name == "agent-host"
    assert host.priority == max(program.priority for program in made.programs)
    assert host.stop_wait_s > 100
    assert min(made.programs, key=lambda program: program.priority).name in {"redis", "devroom"}


@pytest.mark.parametrize("folder", ["/run/majlis", "/run/100% mine", '/run/with "quotes" and \\'])
def test_the_file_says_what_the_plan_says(folder: str) -> None:
    """Catches a path or argument that supervisord would read otherwise than it was meant."""
    made = plan(settings(run_dir=folder), Embedded(Path(f"{folder}/redis"), Path(folder), 1))
    text = render(made, run_dir=Path(folder), log_dir=Path("/log"), directory=Path("/app"))
    file = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"), strict=True)
    file.read_string(text)
    for program in made.programs:
        section = file[f"program:{program.name}"]
        command = shlex.split(section["command"].replace("%%", "%"))
        assert tuple(command) == program.command
        assert section["stopwaitsecs"] == str(program.stop_wait_s)


def test_no_secret_is_written_down() -> None:
    """Catches a key that ends up in a file or in an argument, where `ps` shows it."""
    given = settings(
        livekit_api_secret=SecretStr(SECRET),
        groq_api_key=SecretStr(SECRET),
        redis_url=SecretStr(f"redis://:{SECRET}@127.0.0.1/0"),
    )
    text = render(plan(given), run_dir=Path("/run"), log_dir=Path("/log"), directory=Path("/"))
    assert SECRET not in text

"""A real supervisord with a small generated configuration: what is told of its programs."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from agent.stages.choice import choose
from launch import embedded
from launch.output import relayed
from launch.plan import Embedded, Plan, Program, make_plan
from launch.settings import LaunchSettings
from launch.supervisord import render
from orchestrator.monitoring.supervisord import Supervisord
from tests.clients.stack import PROJECT_ROOT, Stack, eventually, free_port

PROGRAMS = {
    "redis",
    "devroom",
    "recognizer",
    "synthesizer",
    "api",
    "worker",
    "beat",
    "indexer",
    "agent-host",
}
TALKER = "import time; print('{}', flush=True); time.sleep(60)"


@contextmanager
def supervised(plan: Plan, settings: LaunchSettings) -> Iterator[Supervisord]:
    """These programs, running; all gone afterwards."""
    config = settings.run_dir / "supervisord.conf"
    settings.log_folder.mkdir(parents=True, exist_ok=True)
    text = render(
        plan,
        run_dir=settings.run_dir,
        log_dir=settings.log_folder,
        directory=PROJECT_ROOT,
        rotated=not settings.logs_to_stdout,
    )
    embedded.write_private(config, text)
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("LIVEKIT_", "REDIS_"))},
        "PORT": str(settings.port),
        "RUN_DIR": str(settings.run_dir),
        "DATA_DIR": str(settings.data_dir),
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(config)],
        cwd=PROJECT_ROOT,
        env=environment,
    )
    try:
        yield Supervisord(settings.run_dir)
    finally:
        process.terminate()
        process.wait(30)


def settings_in(folder: Path, **more: object) -> LaunchSettings:
    made = LaunchSettings.model_validate(
        {"run_dir": folder / "run", "data_dir": folder, "port": free_port(), **more}
    )
    embedded.make_run_dir(made.run_dir)
    return made


def talkers(*names: str) -> Plan:
    """Programs that say their name and go on."""
    return Plan(
        tuple(Program(n, (sys.executable, "-c", TALKER.format(f"I am {n}")), 1) for n in names), ()
    )


def test_a_program_that_keeps_failing_is_reported(tmp_path: Path) -> None:
    """Catches a beat that has been dead for hours while everything looks well."""
    settings = settings_in(tmp_path)
    made = make_plan(settings, Embedded(None, None, None), choose(settings))
    api, beat = (next(p for p in made.programs if p.name == name) for name in ("api", "beat"))
    broken = replace(beat, command=tuple(f"{word}" for word in (sys.executable, "-m", "no_beat")))
    url = f"http://127.0.0.1:{settings.port}/health"

    def failing() -> list[str]:
        try:
            return list(httpx.get(url, timeout=2).json()["failing_programs"])
        except httpx.TransportError:
            return []

    with supervised(Plan((api, broken), ()), settings):
        assert eventually(failing, within_s=120, what="failing programs") == ["beat"]
    assert "no_beat" in (settings.log_folder / "beat.log").read_text()


async def test_what_programs_say_becomes_one_stream(tmp_path: Path) -> None:
    """Catches a container whose `docker logs` is silent, or does not say who speaks."""
    settings = settings_in(tmp_path, log_dir="-")
    told: list[str] = []
    wanted = {"one         | I am one", "another     | I am another"}
    with (
        relayed(settings.log_folder, ["one", "another", "supervisord"], told.append),
        supervised(talkers("one", "another"), settings),
    ):
        for _ in range(1000):
            if wanted <= set(told):
                break
            await asyncio.sleep(0.05)
    assert wanted <= set(told)
    assert any(line.startswith("supervisord | ") for line in told)


async def test_the_end_of_a_stream_is_told(tmp_path: Path) -> None:
    """Catches the last words of a program that are lost: its traceback, most of the time."""
    told: list[str] = []
    with relayed(tmp_path, ["a"], told.append), (tmp_path / "a.log").open("wb", 0) as pipe:
        pipe.write("first\nlast: ÿ\r\nbegun".encode())
    assert told == ["a | first", "a | last: ÿ", "a | begun"]


async def test_a_line_without_an_end_is_told_in_parts(tmp_path: Path) -> None:
    """Catches a program that fills our memory with one line."""
    told: list[str] = []
    with relayed(tmp_path, ["a"], told.append):
        writer = asyncio.to_thread((tmp_path / "a.log").write_bytes, b"x" * 200_000)
        await asyncio.wait_for(writer, 10)
    assert [len(line) for line in told] == [65_540, 65_540, 65_540, 3_396]


@pytest.mark.parametrize("folder", ["-", "logs of mine"])
def test_every_programs_log_can_be_read(tmp_path: Path, folder: str) -> None:
    """Catches a program that runs without a word, or whose words go nowhere."""
    log_dir = folder if folder == "-" else str(tmp_path / folder)
    stack = Stack(tmp_path, environment={"LOG_DIR": log_dir})
    stack.start()
    try:
        programs = Supervisord(stack.run_dir).programs()
        assert {p.name for p in programs if p.state == "RUNNING"} == PROGRAMS
        assert stack.http.get("/health").status_code == 200
    finally:
        began = time.monotonic()
        stack.stop()
        took = time.monotonic() - began
    assert took < 30
    assert stack.processes() == []
    if folder == "-":
        words = stack.log.read_text()
        for name in PROGRAMS | {"supervisord"}:
            assert f"\n{name:<11} | " in words, name
    else:
        for name in PROGRAMS | {"supervisord"}:
            assert (tmp_path / folder / f"{name}.log").stat().st_size > 0, name

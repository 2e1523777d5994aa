"""Which programs run, and what each part of the product is taken from. Pure: decides, does nothing.

A part that a setting names (`REDIS_URL`, `LIVEKIT_URL`, a provider's key) is used from there; a
part that none names is embedded and becomes a program of its own.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent.stages.choice import StageChoice
from launch.settings import LaunchSettings

API_STOP_WAIT_S = 5
DRAIN_MARGIN_S = 15
"""How much longer than the agents' drain supervisord waits before it kills the host."""


@dataclass(frozen=True, slots=True)
class Program:
    """One program under supervisord."""

    name: str
    command: tuple[str, ...]
    priority: int
    """Smaller starts earlier and stops later; stopping waits for each, starting does not."""
    stop_wait_s: int = 5
    environment: Mapping[str, str] = field(default_factory=dict)
    """Besides what is inherited. Never a secret: it is written to a file."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """The parts of this machine's own that are to be used, as found or made by `embedded`."""

    redis_server: Path | None
    """The program; None where `REDIS_URL` is set."""
    redis_config: Path | None
    devroom_port: int | None
    """None where `LIVEKIT_URL` is set."""
    devroom_tls_port: int | None = None
    """None where there is no certificate."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that supervisord runs, in order of priority, and what to tell about it."""

    programs: tuple[Program, ...]
    taken: tuple[tuple[str, str], ...]
    """(part, what it is taken from) for each part."""
    preparations: tuple[tuple[str, ...], ...] = ()
    """Commands that are run one after the other before the programs are."""


def make_plan(settings: LaunchSettings, embedded: Embedded, stages: StageChoice) -> Plan:
    """Decide what runs for these settings."""
    programs: list[Program] = []
    if embedded.redis_server is not None:
        command = (str(embedded.redis_server), str(embedded.redis_config))
        programs.append(Program("redis", command, priority=10))
    if embedded.devroom_port is not None:
        programs.append(_devroom(settings, embedded.devroom_port, embedded.devroom_tls_port))
    if stages.recognition.local:
        programs.append(_python("recognizer", "agent.stages.local.recognizer_server", priority=20))
    if stages.speech.local:
        programs.append(
            _python("synthesizer", "agent.stages.local.synthesizer_server", priority=20)
        )
    programs += _models(settings, stages)
    programs += [
        _python("api", "orchestrator", priority=30, stop_wait_s=API_STOP_WAIT_S),
        _celery("worker", "worker", "--concurrency", "2", "--without-mingle", "--without-gossip"),
        _celery("beat", "beat", "-s", str(settings.run_dir / "beat-schedule")),
        _indexer(),
        _python(
            "agent-host",
            "agent.host",
            priority=50,
            stop_wait_s=int(settings.drain_timeout_seconds) + DRAIN_MARGIN_S,
        ),
    ]
    return Plan(tuple(programs), _taken(settings, embedded, stages), _preparations(stages))


def _models(settings: LaunchSettings, stages: StageChoice) -> list[Program]:
    """A server for each model that the user has downloaded and that is in use."""
    used = [name for name in ("moonshine", "whisper") if stages.recognition.uses(name)]
    used += ["piper"] if stages.speech.uses("piper") else []
    programs = [_python(name, f"agent.stages.local.{name}_server", priority=20) for name in used]
    if settings.embedding_model_path is not None:
        programs.append(_python("embedder", "agent.stages.local.embedding_server", priority=20))
    return programs


def _preparations(stages: StageChoice) -> tuple[tuple[str, ...], ...]:
    index = (sys.executable, "-m", "agent.knowledge", "index")
    language_model = (sys.executable, "-m", "agent.stages.local.language_model")
    return (index, language_model) if stages.recognition.local else (index,)


def _python(name: str, module: str, *, priority: int, stop_wait_s: int = 5) -> Program:
    return Program(name, (sys.executable, "-m", module), priority, stop_wait_s)


def _celery(name: str, *arguments: str) -> Program:
    command = (sys.executable, "-m", "celery", "-A", "orchestrator.tasks", *arguments)
    return Program(name, command, priority=40, stop_wait_s=10)


def _indexer() -> Program:
    # one thread is enough: it parses nothing itself
    command = (sys.executable, "-m", "celery", "-A", "orchestrator.indexer", "worker")
    options = ("-n", "indexer@localhost", "--pool", "solo", "--without-mingle", "--without-gossip")
    return Program("indexer", command + options, priority=40, stop_wait_s=3)


def _devroom(settings: LaunchSettings, port: int, tls_port: int | None) -> Program:
    command = [sys.executable, "-m", "devroom", "--port", str(port)]
    command += ["--host", settings.devroom_host, "--udp-port", str(settings.devroom_udp_port)]
    if settings.devroom_tcp_port is not None:
        command += ["--tcp-port", str(settings.devroom_tcp_port)]
    if settings.devroom_advertise:
        command += ["--advertise", settings.devroom_advertise]
    command += ["--webhook-url", f"{settings.url}/api/livekit/webhook"]
    if tls_port is not None:
        # agents come in plain, from this machine; browsers that have an https page need wss
        certificate, key = _absolute(settings.tls_cert_file), _absolute(settings.tls_key_file)
        command += ["--tls-port", str(tls_port), "--tls-cert", certificate, "--tls-key", key]
        command += ["--webhook-cert", certificate]
    return Program("devroom", tuple(command), priority=10)


def _absolute(file: Path | None) -> str:
    return str(file and file.absolute())


def _taken(
    settings: LaunchSettings, embedded: Embedded, stages: StageChoice
) -> tuple[tuple[str, str], ...]:
    rooms = (
        f"devroom, embedded, on port {embedded.devroom_port}"
        if embedded.devroom_port is not None
        else f"{settings.livekit_url} (LIVEKIT_URL)"
    )
    redis = (
        f"embedded ({embedded.redis_server})"
        if embedded.redis_server is not None
        else "as REDIS_URL says"
    )
    return (
        ("rooms", rooms),
        ("redis", redis),
        *((str(chosen.stage), chosen.told) for chosen in stages.stages),
    )

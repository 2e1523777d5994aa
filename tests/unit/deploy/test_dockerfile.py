"""The Dockerfile: what Docker would refuse, what would be missing, and who it runs as."""

import os
import re
import subprocess
import tomllib
from pathlib import PurePosixPath

import pytest

from agent.settings import PROJECT_ROOT
from deploy.dockerfile import DockerfileError, Ignored, Instruction, Stage, parse_dockerfile
from launch.settings import LaunchSettings

STAGES = parse_dockerfile((PROJECT_ROOT / "Dockerfile.orchestrator-python").read_text())
IGNORED = Ignored((PROJECT_ROOT / ".dockerignore").read_text().splitlines())
LAST = STAGES[-1]


def copies(stage: Stage) -> list[Instruction]:
    return [instruction for instruction in stage.instructions if instruction.name == "COPY"]


def from_here() -> list[str]:
    """What is copied from the checkout."""
    return [
        source
        for stage in STAGES
        for copy in copies(stage)
        if "from" not in copy.flags
        for source in copy.words[:-1]
    ]


def test_stages_are_built_in_order_from_pinned_images() -> None:
    """Catches a stage that is used before it is built, and an image that changes by itself."""
    assert [stage.name for stage in STAGES] == ["page", "frontend", "packages", "orchestrator"]
    for number, stage in enumerate(STAGES):
        earlier = {before.name for before in STAGES[:number]}
        assert {c.flags["from"] for c in copies(stage) if "from" in c.flags} <= earlier
        _, _, tag = stage.base.partition(":")
        assert tag[:1].isdigit(), stage.base


@pytest.mark.parametrize("source", from_here())
def test_what_is_copied_is_there(source: str) -> None:
    """Catches a build that ends at a COPY: a file that is gone, or that .dockerignore keeps out."""
    found = PROJECT_ROOT / source
    assert found.exists()
    assert PurePosixPath(source) not in IGNORED


def test_all_that_runs_is_copied() -> None:
    """Catches a package that is imported in the container and is not in it."""
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())
    packages = {
        name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]
    }
    here = {source for c in copies(LAST) if "from" not in c.flags for source in c.words[:-1]}
    assert packages | {"run.py", "documents", "assistants", "LICENSE", "NOTICE"} <= here


@pytest.mark.parametrize(
    "path",
    [".env", "agent/.env", ".git/config", ".venv/bin/python", "data/devroom-key.json",
     "frontend/node_modules/vite/package.json", "agent/__pycache__/job.cpython-311.pyc", "bench/x",
     "tests/audio/austen-0870.wav"],
)  # fmt: skip
def test_secrets_and_state_stay_out(path: str) -> None:
    """Catches a key, or a gigabyte, in the build's context."""
    assert PurePosixPath(path) in IGNORED


def test_it_runs_as_nobody_special() -> None:
    """Catches a container that runs as root, or as a user that nobody made."""
    names = [instruction.name for instruction in LAST.instructions]
    user = LAST.last("USER").words[0]
    assert user not in {"root", "0"}
    steps = (PROJECT_ROOT / "deploy/install-system.sh").read_text()
    assert re.search(rf"useradd --uid [1-9]\d+ .* {user}$", steps, re.MULTILINE)
    assert "RUN" not in names[names.index("USER") :]


def test_signals_reach_it() -> None:
    """Catches a shell between Docker and the program: it would keep SIGTERM, and calls be cut."""
    for name in ("ENTRYPOINT", "CMD", "HEALTHCHECK"):
        assert not LAST.last(name).is_shell, name
    assert LAST.last("STOPSIGNAL").words == ("SIGTERM",)


def test_its_health_is_whether_the_api_lives() -> None:
    """Catches a health check that asks for more than /livez, or by a script that is not there."""
    interpreter, script = LAST.last("HEALTHCHECK").words
    assert (interpreter, script) == ("python", "deploy/livez.py")
    assert script in {source for copy in copies(LAST) for source in copy.words[:-1]}


def test_its_environment_is_settings() -> None:
    """Catches a misspelt setting, state outside the volume, and a port that is not told of."""
    environment = LAST.environment({"PATH": "/usr/bin"})
    assert environment.pop("PATH") == "/opt/venv/bin:/usr/bin"
    given = {k.lower(): v for k, v in environment.items() if not k.startswith("PYTHON")}
    assert given.keys() <= LaunchSettings.model_fields.keys()
    settings = LaunchSettings.model_validate(given)
    assert settings.logs_to_stdout
    assert [str(settings.data_dir)] == list(LAST.last("VOLUME").words)
    ports = {settings.port, *settings.alias_ports}
    assert ports == {int(port) for port in LAST.last("EXPOSE").words}


@pytest.mark.parametrize("script", sorted(PROJECT_ROOT.glob("deploy/*.sh")), ids=lambda s: s.name)
def test_each_step_is_a_script_that_stops_at_its_first_error(script: os.PathLike[str]) -> None:
    """Catches a script that cannot start, or that goes on after a failure."""
    path = PROJECT_ROOT / script
    assert os.access(path, os.X_OK)
    assert "\nset -eu\n" in path.read_text()
    subprocess.run(["sh", "-n", path], check=True)
    run = {i.words[0].split()[0] for s in STAGES for i in s.instructions if i.name == "RUN"}
    assert str(path.relative_to(PROJECT_ROOT)) in run


def test_reading_a_dockerfile() -> None:
    """Catches a line that is read as something else than Docker reads it."""
    text = """\
# a comment
FROM debian:12 AS base
ENV A=1 \\
    # within
    B="two words" C=$A
ENV D=$A-$B
FROM base AS last
COPY --from=base --chmod=755 /a /b ./
run a && b
HEALTHCHECK --interval=1s CMD ["c", "d e"]
"""
    base, last = parse_dockerfile(text)
    assert (base.name, base.base, last.base) == ("base", "debian:12", "base")
    assert base.environment({"A": "0"}) == {
        "A": "1",
        "B": "two words",
        "C": "0",
        "D": "1-two words",
    }
    assert last.instructions == (
        Instruction("COPY", {"from": "base", "chmod": "755"}, ("/a", "/b", "./")),
        Instruction("RUN", {}, ("a && b",), is_shell=True),
        Instruction("HEALTHCHECK", {"interval": "1s"}, ("c", "d e")),
    )


@pytest.mark.parametrize(
    "text",
    ["RUN a", "FROM debian:12", "FROM debian:12 AS a\nRUM a", "FROM debian:12 AS a\nCMD ['a']",
     "FROM debian:12 AS a\nHEALTHCHECK NONE"],
)  # fmt: skip
def test_what_is_not_understood_is_refused(text: str) -> None:
    """Catches an instruction that is passed over in silence."""
    with pytest.raises(DockerfileError):
        parse_dockerfile(text)


@pytest.mark.parametrize(
    ("path", "ignored"),
    [("a", True), ("kept", False), ("kept/deep/file", False), ("kept/out/file", True),
     ("kept/deep/.env", True), ("kept/x.pyc", True), ("kept/xpyc", False)],
)  # fmt: skip
def test_reading_what_is_ignored(path: str, *, ignored: bool) -> None:
    """Catches patterns that are taken for others."""
    rules = Ignored(["*", "# a comment", "!kept", "kept/out", "**/.env", "**/*.pyc"])
    assert (PurePosixPath(path) in rules) is ignored

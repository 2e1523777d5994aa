"""What `python -m devroom` is told."""

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from devroom.__main__ import read_settings, spare_what_is_loaded
from devroom.errors import StartError

CAP_SYS_NICE = 23
ENVIRONMENT = {"LIVEKIT_API_KEY": "APIkey", "LIVEKIT_API_SECRET": "do-not-tell"}


@pytest.mark.parametrize("missing", ENVIRONMENT)
def test_credentials_are_wanted_by_name(missing: str) -> None:
    """Catches a server that anyone may enter, or a start that fails without saying why."""
    given = {**ENVIRONMENT, missing: ""}
    with pytest.raises(StartError, match=missing):
        read_settings([], given)


def test_the_secret_is_not_shown() -> None:
    """Catches a secret in a log that shows the settings."""
    settings = read_settings([], ENVIRONMENT)
    assert settings.api_secret.get_secret_value() == "do-not-tell"
    assert "do-not-tell" not in repr(settings)


@pytest.mark.parametrize(
    "arguments",
    [["--no-udp", "--no-tcp"], ["--tls-cert", "a.pem"], ["--tls-key", "a.key"]],
)
def test_what_does_not_go_together_is_refused(arguments: list[str]) -> None:
    """Catches a server without media, or one that quietly speaks without TLS."""
    with pytest.raises(StartError, match=arguments[0]):
        read_settings(arguments, ENVIRONMENT)


@pytest.mark.parametrize("port", ["-1", "65536", "many"])
def test_a_port_that_is_none_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a port that fails much later."""
    with pytest.raises(SystemExit):
        read_settings(["--port", port], ENVIRONMENT)
    assert "--port" in capsys.readouterr().err


def test_arguments_become_settings() -> None:
    """Catches an argument that is taken for another."""
    settings = read_settings(
        [
            *("--host", "192.0.2.9", "--port", "1", "--udp-port", "2", "--no-tcp"),
            *("--advertise", "192.0.2.1", "--advertise", "192.0.2.2"),
            *("--webhook-url", "http://a", "--tls-port", "3"),
            *("--tls-cert", "a.pem", "--tls-key", "a.key"),
        ],
        ENVIRONMENT,
    )
    assert (settings.host, settings.port, settings.udp_port, settings.tcp_port) == (
        "192.0.2.9",
        1,
        2,
        None,
    )
    assert settings.advertised == ("192.0.2.1", "192.0.2.2")
    assert settings.webhook_urls == ("http://a",)
    assert settings.tls is not None
    assert (settings.tls.port, settings.tls.cert_file.name, settings.tls.key_file.name) == (
        3,
        "a.pem",
        "a.key",
    )


def _comes_first(*, privileged: bool) -> int:
    """By how much a process of its own changes its nice value."""
    lines = [
        "import os",
        "from devroom.__main__ import come_first",
        "" if privileged else "os.geteuid() or os.seteuid(65534)",
        "before = os.nice(0)",
        "come_first()",
        "print(os.nice(0) - before)",
    ]
    ran = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, check=True, timeout=60
    )
    return int(ran.stdout)


def _may_come_first() -> bool:
    """Whether this process has the capability; the kernel writes them in hexadecimal."""
    lines = Path("/proc/self/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines)
    return bool(int(status["CapEff"], 16) >> CAP_SYS_NICE & 1)


def test_it_comes_before_those_who_only_compute() -> None:
    """Catches a room server that waits for the processor behind agents that start."""
    assert (_comes_first(privileged=True) < 0) == _may_come_first()


def test_it_runs_where_it_may_not_come_first() -> None:
    """Catches a room server that does not start without privileges."""
    assert _comes_first(privileged=False) == 0


def test_what_is_loaded_is_not_looked_through_again() -> None:
    """Catches audio that waits while the collector looks through every module."""
    before = len(gc.get_objects())
    try:
        spare_what_is_loaded()
        assert len(gc.get_objects()) < before / 10
    finally:
        gc.unfreeze()

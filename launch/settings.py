"""Settings of the parts that are embedded when nobody configured others."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from agent.settings import PROJECT_ROOT
from orchestrator.settings import Settings

FreePort = Annotated[int, Field(ge=0, le=65_535)]
"""A port; 0 takes a free one."""


def reachable(host: str) -> str:
    """An address at which this machine reaches what listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104


class LaunchSettings(Settings):
    """What `run.py` reads: all settings, and those of the embedded parts."""

    redis_port: FreePort = 0
    devroom_host: str = "127.0.0.1"
    devroom_port: FreePort = 0
    devroom_tls_port: FreePort = 0
    devroom_udp_port: FreePort = 0
    devroom_tcp_port: FreePort | None = None
    devroom_advertise: str = ""
    log_dir: Path | None = None
    """None: `logs` in the data folder. `-`: our own standard output."""
    start_timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 60.0

    @property
    def redis_is_embedded(self) -> bool:
        """Nobody set `REDIS_URL`."""
        return "redis_url" not in self.model_fields_set

    @property
    def rooms_are_embedded(self) -> bool:
        """Nobody set `LIVEKIT_URL`."""
        return not self.livekit_url

    @property
    def logs_to_stdout(self) -> bool:
        """The programs' output is to be one stream."""
        return self.log_dir == Path("-")

    @property
    def log_folder(self) -> Path:
        """Where supervisord writes each program's output: to files, or to pipes of ours."""
        if self.logs_to_stdout:
            return self.run_dir / "log"
        return PROJECT_ROOT / (self.log_dir or self.data_dir / "logs")

    @property
    def where_logs_are(self) -> str:
        """For messages: what the programs said is …"""
        return "above" if self.logs_to_stdout else f"in {self.log_folder}"

    @property
    def url(self) -> str:
        """Where the API and the page are, for this machine."""
        return f"{self.scheme}://{reachable(self.host)}:{self.port}"

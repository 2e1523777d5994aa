"""Settings of the parts that are embedded when nobody configured others."""

from typing import Annotated

from pydantic import Field

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
    devroom_udp_port: FreePort = 0
    devroom_tcp_port: FreePort | None = None
    devroom_advertise: str = ""
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
    def url(self) -> str:
        """Where the API and the page are, for this machine."""
        return f"{self.scheme}://{reachable(self.host)}:{self.port}"

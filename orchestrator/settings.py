"""What the control plane needs to know, beside what an agent does, from the environment and `.env`.

SettingsError
"""

import difflib
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, cast, overload

from dotenv import dotenv_values
from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic import model_validator as pydantic_model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode
from pydantic_settings import SettingsError as SourceError

from agent.settings import AgentSettings, Seconds
from agent.stages.providers import VARIABLES

CLOSE_MATCH = 0.84
"""How alike an unknown variable and a known one are before we take it for a misspelling."""


WITHOUT_EFFECT = (
    "audio_format",
    "audio_chunk_size",
    "silence_detection_threshold",
    "enable_audio_preprocessing",
)
"""Accepted because existing deployments set them; `.env.example` says why nothing comes of them."""

OTHERS_SETTINGS = frozenset({"SSL_CERT_FILE"})
"""Variables that look like ours and are not: OpenSSL's."""


class SettingsError(Exception):
    """A setting is wrong; the message is one line that names the variable, never its value."""


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _unless_none(value: object) -> object:
    """An empty variable is one that is not set, so none of them must be said."""
    return () if isinstance(value, str) and value.strip().lower() == "none" else _split(value)


Port = Annotated[int, Field(ge=1, le=65_535)]
CommaSeparated = (NoDecode, BeforeValidator(_split))
CommaSeparatedOrNone = (NoDecode, BeforeValidator(_unless_none))


class Settings(AgentSettings):
    """Settings of the control plane. Frozen; read them with `load_settings`."""

    # the server
    host: str = "127.0.0.1"
    port: Port = 8000
    alias_ports: Annotated[tuple[Port, ...], *CommaSeparatedOrNone] = (8004, 5204, 8765)
    api_workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes that serve the API and the WebSocket doors, on the same ports."""
    tls_cert_file: Path | None = None
    """With its key: HTTPS. Browsers give the microphone to no other page, but for localhost."""
    tls_key_file: Path | None = None
    debug: bool = False
    reload: bool = False
    cors_origins: Annotated[tuple[str, ...], *CommaSeparated] = ("*",)
    cors_allow_credentials: bool = False
    api_keys: Annotated[tuple[SecretStr, ...], *CommaSeparated] = ()
    """Empty: anybody who reaches the port may use the API."""
    operator_keys: Annotated[tuple[SecretStr, ...], *CommaSeparated] = ()
    """Empty: nobody may do what operators do."""
    session_starts_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 600
    """For one client address."""
    document_uploads_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 120
    """And removals; for one client address."""

    # sessions
    livekit_public_url: str = ""
    """What a browser can reach; empty: `livekit_url`."""
    session_storage_type: Literal["memory", "redis"] = "redis"
    max_concurrent_sessions: Annotated[int, Field(ge=0, le=100_000)] = 100
    token_ttl_seconds: Seconds = 600.0
    spawn_timeout_seconds: Seconds = 30.0
    end_timeout_seconds: Seconds = 5.0
    agent_max_restarts: Annotated[int, Field(ge=0, le=100)] = 3
    keep_transcripts: bool = True
    record_ttl_seconds: Annotated[int, Field(ge=1, le=366 * 86_400)] = 7 * 86_400

    # the WebSocket doors
    enable_websocket_doors: bool = True
    websocket_resume_seconds: Seconds = 300.0
    websocket_messages_per_second: Annotated[float, Field(gt=0, le=1e6)] = 500.0
    websocket_max_message_bytes: Annotated[int, Field(ge=1024, le=16 << 20)] = 1 << 20
    audio_sample_rate: Annotated[int, Field(ge=8_000, le=48_000)] = 16_000
    audio_channels: Annotated[int, Field(ge=1, le=2)] = 1
    audio_format: str = "LINEAR16"
    audio_chunk_size: Annotated[int, Field(ge=64, le=1 << 20)] = 1024
    websocket_timeout_seconds: Seconds = 300.0
    silence_detection_threshold: Annotated[float, Field(ge=0, le=1)] = 0.1
    max_audio_duration_seconds: Seconds = 60.0
    enable_audio_preprocessing: bool = True
    enable_sentence_streaming: bool = True

    @field_validator("livekit_url", "livekit_public_url")
    @classmethod
    def _is_room_server(cls, value: str) -> str:
        if value and not value.startswith(("ws://", "wss://", "http://", "https://")):
            raise PydanticCustomError("url", "must begin with ws://, wss://, http:// or https://")
        return value.rstrip("/")

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise PydanticCustomError("url", "must begin with redis://, rediss:// or unix://")
        return value

    @pydantic_model_validator(mode="after")
    def _room_server_has_its_key(self) -> Self:
        if self.livekit_url and not self.livekit_api_key:
            raise PydanticCustomError("LIVEKIT_API_KEY", "must be set, as LIVEKIT_URL is")
        if self.livekit_url and not self.livekit_api_secret.get_secret_value():
            raise PydanticCustomError("LIVEKIT_API_SECRET", "must be set, as LIVEKIT_URL is")
        return self

    @property
    def log_threshold(self) -> str:
        """Name of the least level that is logged: `DEBUG` wins over `LOG_LEVEL`."""
        return "DEBUG" if self.debug else self.log_level

    @pydantic_model_validator(mode="after")
    def _certificate_has_its_key(self) -> Self:
        for name, value, other in (
            ("TLS_CERT_FILE", self.tls_cert_file, self.tls_key_file),
            ("TLS_KEY_FILE", self.tls_key_file, self.tls_cert_file),
        ):
            if other is not None and value is None:
                raise PydanticCustomError(name, "must be set, as the other of the pair is")
            if value is not None and not value.is_file():
                raise PydanticCustomError(name, "is not a file that can be read")
        return self

    @property
    def scheme(self) -> str:
        """How this server is reached: `https` with a certificate, else `http`."""
        return "http" if self.tls_cert_file is None else "https"

    @property
    def livekit_is_configured(self) -> bool:
        """There is a room server to use."""
        return bool(self.livekit_url)

    @property
    def livekit_client_url(self) -> str:
        """Where clients find the room server."""
        return self.livekit_public_url or self.livekit_url


S = TypeVar("S", bound=BaseSettings)


@overload
def load_settings() -> Settings: ...
@overload
def load_settings(kind: type[S]) -> S: ...
def load_settings(kind: type[BaseSettings] = Settings) -> BaseSettings:
    """Read the environment and `.env`. Raises `SettingsError`."""
    try:
        return kind()
    except ValidationError as error:
        raise SettingsError("; ".join(_line(dict(e)) for e in error.errors())) from None
    except SourceError as error:
        raise SettingsError(str(error).splitlines()[0]) from None


def _line(error: Mapping[str, Any]) -> str:
    location = error["loc"]
    # A check of several settings together has no location; its type names the variable.
    name = str(location[0]).upper() if location else str(error["type"])
    return f"{name}: {error['msg']}"


def host_name(settings: AgentSettings) -> str:
    """Name of this machine among the agent hosts of the deployment."""
    return settings.agent_host_name or socket.gethostname()


def warn_without_effect(settings: Settings, tell: Callable[[str], None]) -> None:
    """Tell of each setting that was set, and that nothing comes of."""
    for name in WITHOUT_EFFECT:
        if name in settings.model_fields_set:
            tell(f"{name.upper()} is accepted and has no effect; see .env.example")


def warn_misspellings(
    environ: Mapping[str, str], kind: type[BaseSettings], tell: Callable[[str], None]
) -> None:
    """Tell of each variable, here or in `.env`, that nobody reads but that looks like one we do."""
    known = sorted({*(name.upper() for name in kind.model_fields), *VARIABLES})
    env_file = kind.model_config.get("env_file")
    in_file = dotenv_values(cast("str | None", env_file)) if env_file else {}
    for name in sorted({key.upper() for key in (*environ, *in_file)} - {*known, *OTHERS_SETTINGS}):
        close = difflib.get_close_matches(name, known, n=1, cutoff=CLOSE_MATCH)
        if close:
            tell(f"{name} is not a setting; did you mean {close[0]}?")

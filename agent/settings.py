"""What a conversation and its process need to know, read once from the environment and `.env`.

`orchestrator.settings.Settings` adds what the control plane needs, so that one object serves a
process. Every setting's meaning stands in `.env.example`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

PROJECT_ROOT = Path(__file__).resolve().parent.parent

Seconds = Annotated[float, Field(gt=0, le=86_400)]
BCP47 = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


class _OtherVariables(PydanticBaseSettingsSource):
    """Collects the variables that no setting is named for."""

    def __init__(
        self, kind: type[BaseSettings], sources: tuple[PydanticBaseSettingsSource, ...]
    ) -> None:
        super().__init__(kind)
        self._sources = sources

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Not used: one field takes all there is."""
        del field
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """The field's value."""
        others: dict[str, str] = {}
        for source in self._sources:
            if isinstance(source, EnvSettingsSource):
                others |= {name.upper(): value for name, value in source.env_vars.items() if value}
        known = {name.upper() for name in self.settings_cls.model_fields}
        return {"provider_variables": {n: v for n, v in others.items() if n not in known}}


class AgentSettings(BaseSettings):
    """Settings of an agent process. Frozen; a wrong value raises `pydantic.ValidationError`."""

    model_config = SettingsConfigDict(
        env_file=PROJECT_ROOT / ".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"

    livekit_url: str = ""
    livekit_api_key: str = ""
    livekit_api_secret: SecretStr = SecretStr("")
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")

    data_dir: Path = PROJECT_ROOT / "data"
    """State of this machine: indexes, language models, the embedded Redis, logs."""
    run_dir: Path = PROJECT_ROOT / "data" / "run"
    """Unix sockets and process records; a short path, for a socket's may have 107 bytes."""

    # the conversation
    default_language_code: BCP47 = "en-US"
    tts_language_code: BCP47 | None = None
    tts_voice_gender: Literal["male", "female"] = "male"
    default_voice: str | None = None
    """None: the language's default, of `tts_voice_gender`."""
    opening_line: str | None = None
    """None: a greeting in the session's language."""
    max_session_history: Annotated[int, Field(ge=0, le=1000)] = 10
    """Exchanges: what the user said and what was answered."""
    enable_conversation_history: bool = True
    session_timeout_seconds: Seconds = 300.0
    user_join_timeout_seconds: Seconds = 60.0
    user_rejoin_timeout_seconds: Seconds = 30.0
    silence_duration_seconds: Seconds | None = None
    turn_detection: Literal["model", "vad"] = "model"

    # who the assistant is
    assistants_dir: Path = PROJECT_ROOT / "assistants"
    """A YAML file for each assistant that a session can choose (`agent.assistants`)."""
    default_assistant: str | None = None
    """Name of the one for sessions that choose none; None: what the settings here say."""

    # what the assistant knows
    knowledge_dir: Path = PROJECT_ROOT / "documents"
    """Each folder in it is a collection of that name; files beside them are in `default`."""
    knowledge_base: str = "default"
    embedding_base_url: str | None = None
    """Of a service with OpenAI's `POST /embeddings`; with this or a key, vectors are used."""
    embedding_api_key: SecretStr | None = None
    embedding_model: str = "text-embedding-3-small"
    embedding_dimensions: Annotated[int, Field(ge=8, le=8192)] | None = None
    embedding_model_path: Path | None = None
    """Folder of an ONNX model that runs on this machine, in place of a service."""
    embedding_similarity: Annotated[float, Field(gt=0, lt=1)] = 0.45

    # stages: a provider's name, or several in the order of fallback, separated by commas; `auto`
    # takes all whose keys are set, and then the local one
    stt_provider: str = "auto"
    llm_provider: str = "auto"
    tts_provider: str = "auto"
    assembly_api_key: SecretStr | None = None
    groq_api_key: SecretStr | None = None
    groq_model: str = "llama-3.3-70b-versatile"
    inworld_api_key: SecretStr | None = None
    assembly_base_url: str | None = None
    groq_base_url: str | None = None
    inworld_base_url: str | None = None
    asr_service_url: str = ""
    """Of each service (docs/services.md); empty: there is none."""
    rag_service_url: str = ""
    tts_service_url: str = ""
    services_token: SecretStr | None = None
    """What the services want to be shown; None: nothing."""
    asr_service_languages: Annotated[tuple[BCP47, ...], NoDecode, BeforeValidator(_split)] = ()
    """Those that the service recognises; empty: whichever it is asked for."""
    whisper_model_path: Path | None = None
    """Folder of a CTranslate2 Whisper model."""
    whisper_compute_type: str = "int8"
    """As CTranslate2 names it; what a machine cannot do is done in the next best way."""
    moonshine_model_path: Path | None = None
    """Folder of Moonshine models, each in a folder named for it (`base-ar`)."""
    piper_voice_path: Path | None = None
    """A Piper voice, or a folder of voices."""
    provider_variables: Mapping[str, SecretStr] = Field(default_factory=dict, repr=False)
    """What providers call their keys and options: the variables that no setting is named for."""
    asr_timeout_seconds: Seconds = 30.0
    rag_timeout_seconds: Seconds = 60.0
    tts_timeout_seconds: Seconds = 30.0
    max_retries: Annotated[int, Field(ge=0, le=20)] = 3
    retry_delay_seconds: Seconds = 1.0
    exponential_backoff: bool = True
    """Whether each retry waits twice as long as the one before it."""

    # when a provider fails (docs/failures.md)
    asr_stall_seconds: Seconds = 1.5
    """After what was said: a recogniser that has no word of it by then has failed."""
    rag_first_token_seconds: Seconds = 4.0
    """For the beginning of an answer, where another provider can take over."""
    rag_stall_seconds: Seconds = 1.5
    """Between two pieces of an answer."""
    tts_stall_seconds: Seconds = 1.2
    """For a sentence's first audio, where another voice can take over; then between its pieces."""
    filler_seconds: Seconds = 1.0
    """After a turn: an answer that has not begun by then is announced."""
    breaker_seconds: Seconds = 10.0
    """For which a provider that fails is not asked; twice as long each time it fails again."""

    # the agent host
    agent_host_name: str = ""
    """Empty: the machine's host name."""
    agent_pool_size: Annotated[int, Field(ge=0, le=100)] = 2
    agent_pool_max: Annotated[int, Field(ge=0, le=100)] = 8
    """Up to which number of idle agents recent demand may raise the pool."""
    max_agents_per_host: Annotated[int, Field(ge=1, le=10_000)] = 100
    agent_lease_seconds: Seconds = 15.0
    drain_timeout_seconds: Seconds = 600.0

    @field_validator(
        "whisper_model_path", "moonshine_model_path", "piper_voice_path", "embedding_model_path"
    )
    @classmethod
    def _model_from_project_root(cls, value: Path | None) -> Path | None:
        return None if value is None else PROJECT_ROOT / value.expanduser()

    @field_validator("data_dir", "run_dir", "knowledge_dir", "assistants_dir")
    @classmethod
    def _from_project_root(cls, value: Path) -> Path:
        return value if value.is_absolute() else PROJECT_ROOT / value

    @field_validator("asr_service_url", "rag_service_url", "tts_service_url")
    @classmethod
    def _is_service(cls, value: str) -> str:
        if value and not value.startswith(("ws://", "wss://", "http://", "https://")):
            raise PydanticCustomError("url", "must begin with ws://, wss://, http:// or https://")
        return value.rstrip("/")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over `.env`."""
        others = _OtherVariables(settings_cls, (dotenv_settings, env_settings))
        return init_settings, others, env_settings, dotenv_settings, file_secret_settings

    def variable(self, name: str) -> str:
        """The value of an environment variable, a setting's or a provider's; empty: not set."""
        field = name.lower()
        known = field in type(self).model_fields
        value = getattr(self, field) if known else self.provider_variables.get(name)
        if isinstance(value, SecretStr):
            return value.get_secret_value()
        return "" if value is None else str(value)

    @property
    def history_turns(self) -> int:
        """How many turns of a conversation are remembered; a turn is one side's."""
        return 2 * self.max_session_history if self.enable_conversation_history else 0

    @property
    def agent_host_socket(self) -> Path:
        """Where the machine's agent host listens."""
        return self.run_dir / "agent-host.sock"

    @property
    def out_of_service_marker(self) -> Path:
        """Is there while this machine is out of service."""
        return self.run_dir / "out-of-service"

    @property
    def recognizer_socket(self) -> Path:
        """Where the machine's local recogniser listens."""
        return self.run_dir / "recognizer.sock"

    @property
    def synthesizer_socket(self) -> Path:
        """Where the machine's local synthesiser listens."""
        return self.run_dir / "synthesizer.sock"

    @property
    def whisper_socket(self) -> Path:
        """Where the machine's faster-whisper listens."""
        return self.run_dir / "whisper.sock"

    @property
    def moonshine_socket(self) -> Path:
        """Where the machine's Moonshine listens."""
        return self.run_dir / "moonshine.sock"

    @property
    def piper_socket(self) -> Path:
        """Where the machine's Piper listens."""
        return self.run_dir / "piper.sock"

    @property
    def embedder_socket(self) -> Path:
        """Where the machine's embedding model listens."""
        return self.run_dir / "embedder.sock"

    @property
    def models_dir(self) -> Path:
        """Where `make models` puts what it fetches."""
        return self.data_dir / "models"

    @property
    def knowledge_index_dir(self) -> Path:
        """Where the indexes of the collections are, `<collection>.sqlite`."""
        return self.data_dir / "knowledge"

    @property
    def uploads_dir(self) -> Path:
        """Where documents are that came over the API: a folder a collection."""
        return self.data_dir / "documents"

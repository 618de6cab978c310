"""All settings in one typed class: environment variables over a TOML file over defaults.

`QINGTING_ENGINE=embedded` sets `engine`; nested fields join with a double underscore:
`QINGTING_AUDIO__MAX_SECONDS=7200`. The file is `qingting.toml` in the working folder, or the
one that `QINGTING_CONFIG` names.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from qingting.errors import SettingsError


def default_cache_folder() -> Path:
    """Folder for files that can be made again (joined weights): $XDG_CACHE_HOME/qingting or ~/.cache/qingting."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "qingting"


def default_model_folder() -> Path:
    """Folder for models adapted here: $XDG_DATA_HOME/qingting/models or ~/.local/share/qingting/models."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "qingting" / "models"


class AudioSettings(BaseModel):
    """Bounds and choices for recordings."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    max_bytes: Annotated[int, Field(gt=0)] = 2 * 1024**3
    """Largest file accepted."""
    max_seconds: Annotated[float, Field(gt=0)] = 4 * 3600.0
    """Longest recording accepted."""
    max_channels: Annotated[int, Field(ge=1, le=64)] = 8
    """Most channels accepted; more than two are mixed to one."""
    decode_timeout_seconds: Annotated[float, Field(gt=0)] = 600.0
    """A preparation process that needs longer is ended."""
    noise_reduction: Annotated[str, Field(pattern="^(off|light)$")] = "off"
    """`off` or `light`."""
    separate_speakers: bool = True
    """Tell the two parties of a mixed recording apart."""


class MeaningSettings(BaseModel):
    """Sentence vectors for rules that compare by meaning (`similar`); opened only when a rule asks."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    mode: Annotated[str, Field(pattern="^(off|auto|embedded|server)$")] = "auto"
    """`auto` takes the embedded vectors when they are installed; `off`, `embedded`, `server`."""
    url: str = ""
    """Base address of an OpenAI-compatible embeddings server, ending in /v1."""
    model: str = ""
    """Model the server shall use."""
    timeout_seconds: Annotated[float, Field(gt=0)] = 5.0
    """Longest wait for one answer of the server."""

    @model_validator(mode="after")
    def _server_is_named(self) -> MeaningSettings:
        if self.mode == "server" and not (self.url and self.model):
            raise ValueError("the mode `server` needs `url` and `model`")
        return self


def _addresses(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


class Qwen3ServerSection(BaseModel):
    """Servers that run Qwen3-ASR (docs/how-to/qwen3-server.md)."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    urls: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses, separated by commas or as a list; without any, the engine is not used."""
    model: Annotated[str, Field(min_length=1)] = "Qwen/Qwen3-ASR-0.6B"
    """Name the servers serve the model by."""
    revision: str = ""
    """Commit of the weights, for the evidence chain."""
    api_key: SecretStr = SecretStr("")
    """Key the servers were started with."""
    max_in_flight: Annotated[int, Field(ge=1, le=1024)] = 32
    """Requests one server gets at once."""
    connect_timeout_seconds: Annotated[float, Field(gt=0)] = 5.0
    """For a connection."""
    request_timeout_seconds: Annotated[float, Field(gt=0)] = 60.0
    """For one request; a late one is asked again, elsewhere if possible."""
    total_timeout_seconds: Annotated[float, Field(gt=0)] = 180.0
    """For one utterance, repetitions and the wait for a server that starts again included."""
    attempts: Annotated[int, Field(ge=1, le=20)] = 4
    """Requests per utterance that may reach a server and fail."""
    verify_tls: bool = True
    """Check the servers' certificates."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""

    @field_validator("urls", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Environment variables hold one text."""
        return _addresses(value)


class Qwen3LocalSection(BaseModel):
    """Qwen3-ASR in process."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    model: str = "Qwen/Qwen3-ASR-0.6B"
    """Folder with weights, or a name that ModelScope and Hugging Face know."""
    source: Annotated[str, Field(pattern="^(auto|modelscope|huggingface)$")] = "auto"
    """`auto` uses what was downloaded before; `modelscope` and `huggingface` download what is missing."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1` …"""
    dtype: Annotated[str, Field(pattern="^(auto|float32|float16|bfloat16)$")] = "auto"
    """`auto`: bfloat16 on graphics cards that have it, float16 on others, float32 on the processor."""
    batch: Annotated[int, Field(ge=1, le=512)] = 16
    """Utterances decoded together."""
    threads: Annotated[int, Field(ge=0, le=256)] = 0
    """Processor threads; 0 leaves torch's own choice."""


class AlignerSection(BaseModel):
    """Word times for engines that give none (Qwen3-ASR)."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    use: Annotated[str, Field(pattern="^(auto|on|off)$")] = "auto"
    """`auto`: where it is needed and `urls` or its weights are there; `on`: it is an error when they are missing."""
    urls: Annotated[tuple[str, ...], NoDecode] = ()
    """Servers that run it, separated by commas or as a list; without any it runs in process."""
    model: Annotated[str, Field(min_length=1)] = "Qwen/Qwen3-ForcedAligner-0.6B"
    """Folder with weights, or a name that ModelScope and Hugging Face know; with `urls` the name it is served by."""
    source: Annotated[str, Field(pattern="^(auto|modelscope|huggingface)$")] = "auto"
    """As for `qwen3_local`."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1` …"""
    dtype: Annotated[str, Field(pattern="^(auto|float32|float16|bfloat16)$")] = "auto"
    """As for `qwen3_local`."""
    revision: str = ""
    """With `urls`: commit of the weights, for the evidence chain."""
    api_key: SecretStr = SecretStr("")
    """Key the servers were started with."""
    max_in_flight: Annotated[int, Field(ge=1, le=1024)] = 16
    """Requests one server gets at once."""
    connect_timeout_seconds: Annotated[float, Field(gt=0)] = 5.0
    """For a connection."""
    request_timeout_seconds: Annotated[float, Field(gt=0)] = 20.0
    """For one request; a late one is asked again, elsewhere if possible."""
    total_timeout_seconds: Annotated[float, Field(gt=0)] = 30.0
    """For one utterance in all; its times are estimated then."""
    attempts: Annotated[int, Field(ge=1, le=20)] = 3
    """Requests per utterance that may reach a server and fail."""
    verify_tls: bool = True
    """Check the servers' certificates."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""

    @field_validator("urls", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Environment variables hold one text."""
        return _addresses(value)


class Settings(BaseSettings):
    """Configuration of one installation."""

    model_config = SettingsConfigDict(
        env_prefix="QINGTING_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    engine: str = "auto"
    """Speech engine; `auto` picks the best that is ready (`qingting engines` lists them)."""
    workers: Annotated[int, Field(ge=1, le=256)] = os.cpu_count() or 1
    """Recordings handled at once."""
    cache_folder: Path = Field(default_factory=default_cache_folder)
    """Files that can be made again."""
    model_folder: Path = Field(default_factory=default_model_folder)
    """Models adapted here (`qingting finetune register`)."""
    pack_folder: Path | None = None
    """Folder with own packs; one of the same id replaces the built-in pack."""
    card_folder: Path | None = None
    """Folder with own scorecards; one of the same id replaces the built-in card."""
    history_folder: Path | None = None
    """Folder with the JSON reports of earlier calls: repeat contacts of the same customer are looked up in it."""
    case_library: Path | None = None
    """File of reviewed findings (JSON lines): reports show the nearest ones beside serious findings."""
    hot_word_folder: Path | None = None
    """Folder with own hot-word lists, named by packs; one of the same name replaces the built-in list."""
    hot_words_per_call: Annotated[int, Field(ge=0, le=200)] = 16
    """Hot words an engine gets per call; 0 gives it none."""
    correct_terms: bool = True
    """Put misheard words of the line of business right after recognition; a pack may turn it off for itself."""
    role_threshold: Annotated[float, Field(ge=0.5, le=1.0)] = 0.75
    """Below this confidence a role decision counts as unsure."""
    audio: AudioSettings = AudioSettings()
    """Bounds and choices for recordings."""
    meaning: MeaningSettings = MeaningSettings()
    """Sentence vectors for rules that compare by meaning."""
    qwen3_server: Qwen3ServerSection = Qwen3ServerSection()
    """Servers that run Qwen3-ASR."""
    qwen3_local: Qwen3LocalSection = Qwen3LocalSection()
    """Qwen3-ASR in process."""
    aligner: AlignerSection = AlignerSection()
    """Word times for engines that give none."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, which wins over the file."""
        path = Path(os.environ.get("QINGTING_CONFIG", "qingting.toml"))
        if "QINGTING_CONFIG" in os.environ and not path.is_file():
            raise SettingsError("QINGTING_CONFIG names a file that does not exist", remedy="Correct or unset it.")
        return init_settings, _KnownEnvironment(env_settings), TomlConfigSettingsSource(settings_cls, toml_file=path)


class _KnownEnvironment(PydanticBaseSettingsSource):
    """The environment, refusing QINGTING_ names that no setting has: a typo must not be ignored."""

    OTHERS = frozenset({"QINGTING_CONFIG", "QINGTING_VENV"})

    def __init__(self, source: PydanticBaseSettingsSource) -> None:
        super().__init__(source.settings_cls)
        self._source = source

    def get_field_value(self, field: object, field_name: str) -> tuple[object, str, bool]:
        raise NotImplementedError  # __call__ answers for all fields at once

    def __call__(self) -> dict[str, object]:
        known = {f"QINGTING_{name.upper()}" for name in self.settings_cls.model_fields}
        for name in os.environ:
            if not name.upper().startswith("QINGTING_") or name.upper() in self.OTHERS:
                continue
            if name.upper() not in known and not any(name.upper().startswith(f"{k}__") for k in known):
                raise SettingsError(
                    f"the environment variable {name} is no setting of Qingting",
                    remedy=f"Correct or unset it; settings are: {', '.join(sorted(known))}.",
                )
        return dict(self._source())


def load_settings(**overrides: object) -> Settings:
    """Read the settings; overrides win over environment and file.

    Raises SettingsError naming the field and what it should be.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        places = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        raise SettingsError(f"wrong setting: {places}", remedy="Correct the environment or qingting.toml.") from None
    except ValueError as error:  # the TOML reader's own
        raise SettingsError(f"qingting.toml cannot be read: {error}", remedy="Correct the file's syntax.") from None

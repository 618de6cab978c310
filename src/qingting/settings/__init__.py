"""All settings in one typed class: environment variables over a TOML file over defaults.

`QINGTING_ENGINE=embedded` sets `engine`; nested fields join with a double underscore:
`QINGTING_AUDIO__MAX_SECONDS=7200`. The file is `qingting.toml` in the working folder, or the
one that `QINGTING_CONFIG` names.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from qingting.errors import SettingsError
from qingting.settings.inspection import (
    AlignerSection,
    AudioSettings,
    MeaningSettings,
    Qwen3LocalSection,
    Qwen3ServerSection,
)
from qingting.settings.service import (
    AlertSection,
    ApiSection,
    JobSection,
    LiveSection,
    OidcSection,
    PrivacySection,
    RetentionSection,
    StorageSection,
    TelemetrySection,
    WatchSection,
)


def default_cache_folder() -> Path:
    """Folder for files that can be made again (joined weights): $XDG_CACHE_HOME/qingting or ~/.cache/qingting."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "qingting"


def default_model_folder() -> Path:
    """Folder for models adapted here: $XDG_DATA_HOME/qingting/models or ~/.local/share/qingting/models."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "qingting" / "models"


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
    time_zone: str = "Asia/Shanghai"
    """Where days and hours of figures, shifts and quiet hours begin."""
    storage: StorageSection = StorageSection()
    """Where calls, recordings and reports are kept."""
    jobs: JobSection = JobSection()
    """How the service works through recordings."""
    api: ApiSection = ApiSection()
    """The HTTP entrance."""
    oidc: OidcSection = OidcSection()
    """Signing in through the organisation's own identity provider."""
    privacy: PrivacySection = PrivacySection()
    """What is masked."""
    retention: RetentionSection = RetentionSection()
    """How long what is kept."""
    alerts: AlertSection = AlertSection()
    """Telling people at once."""
    watch: WatchSection = WatchSection()
    """A folder from which recordings are taken as they appear."""
    live: LiveSection = LiveSection()
    """Calls that are inspected while people speak."""
    telemetry: TelemetrySection = TelemetrySection()
    """Logs and traces."""

    @field_validator("time_zone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ValueError, ZoneInfoNotFoundError, OSError):
            raise ValueError("no time zone of that name is known") from None
        return value

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

"""Sections of the settings that concern audio and recognition."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode


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

"""Qwen3-ASR and its aligner on Transformers' own classes, one step lower than an engine. Imported late."""

from __future__ import annotations

import gc
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from transformers import (
    LogitsProcessor,
    Qwen2Tokenizer,
    Qwen3ASRConfig,
    Qwen3ASRFeatureExtractor,
    Qwen3ASRForConditionalGeneration,
    Qwen3ASRForTokenClassification,
    Qwen3ASRProcessor,
)

from qingting.errors import EngineAnswerError, EngineUnavailableError, SettingsError
from qingting.speech.engine import SAMPLE_RATE_HERTZ
from qingting.speech.qwen3_weights import Checkpoint, Kind
from qingting.speech.unit_confidence import Token

AUDIO = "<|audio_start|><|audio_pad|><|audio_end|>"
END = "<|im_end|>"
TIME_SLOT = "<timestamp>"
_FIRST_BFLOAT16_GENERATION = 8
"""Compute capability from which on a GPU has bfloat16 (Ampere); older ones take float16."""
_AUDIO_TOKENS = {
    "audio_bos_token": "<|audio_start|>",
    "audio_eos_token": "<|audio_end|>",
    "audio_token": "<|audio_pad|>",
}
_ORIGINAL_NAMES = {
    r"^thinker\.audio_tower\.proj1\.": "model.multi_modal_projector.linear_1.",
    r"^thinker\.audio_tower\.proj2\.": "model.multi_modal_projector.linear_2.",
    r"^thinker\.audio_tower\.(?!proj)": "model.audio_tower.",
    r"^thinker\.model\.": "model.language_model.",
}
"""Weights of the first release under the names that Transformers' own classes use."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where and how a model runs."""

    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1`, `mps` …"""
    dtype: str = "auto"
    """`auto`, `float32`, `float16` or `bfloat16`."""
    threads: int = 0
    """Processor threads of torch, for the whole process; 0 leaves them as they are."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """What the model wrote for one clip."""

    raw: str
    """With its label, without the end mark."""
    tokens: tuple[Token, ...]
    """Tokens of `raw` with their probabilities."""
    truncated: bool
    """The token limit came before the end mark."""


class DeviceFullError(Exception):
    """A batch does not fit into the device's memory; a smaller one may."""


class _Loaded:
    """A model on its device; one caller at a time, since a model's memory is for one batch."""

    kind: ClassVar[Kind]

    def __init__(self, checkpoint: Checkpoint, placement: Placement) -> None:
        """Load; raises EngineUnavailableError when that fails, SettingsError for a device that is not there."""
        self._device, self._dtype = resolve(placement)
        transformers.utils.logging.disable_progress_bar()
        try:
            self._processor: Any = load_processor(checkpoint)
            self._model: Any = load_model(checkpoint, self._processor, self._dtype).to(self._device).eval()
        except Exception as error:
            raise EngineUnavailableError(
                f"The Qwen3 {checkpoint.kind} could not be loaded ({type(error).__name__})."
            ) from error
        self._lock = threading.Lock()

    def close(self) -> None:
        """Free the weights and the device's memory."""
        with self._lock:
            self._model = self._processor = None
            gc.collect()
            if self._device.type == "cuda":
                torch.cuda.empty_cache()

    def _check_open(self) -> None:
        if self._model is None:
            message = "The model was closed."
            raise EngineAnswerError(message)

    def _inputs(self, texts: Sequence[str], clips: Sequence[NDArray[np.float32]]) -> dict[str, Any]:
        inputs = self._processor(text=list(texts), audio=list(clips), sampling_rate=SAMPLE_RATE_HERTZ)
        return {
            name: value.to(self._device, self._dtype if value.is_floating_point() else None)
            for name, value in inputs.items()
            if isinstance(value, torch.Tensor)
        }


class Qwen3Recogniser(_Loaded):
    """Writes what it hears; safe from several threads, which wait for each other."""

    kind = Kind.RECOGNISER

    def write(
        self,
        clips: Sequence[NDArray[np.float32]],
        *,
        context: str,
        prefix: str,
        limit_tokens: int,
        repetition_penalty: float = 1.0,
    ) -> list[Written]:
        """Answers for 16 kHz clips of equal length, at temperature 0.

        `context` is the text of the system turn, `prefix` what every answer is made to begin
        with. Equal lengths matter: with padding rows of a batch disturb each other in low
        precision. Raises EngineAnswerError for unequal lengths and for results that are no numbers,
        DeviceFullError when the device's memory is too small for the batch.
        """
        if len({len(clip) for clip in clips}) > 1:
            message = "Clips of unequal length came in one batch."
            raise EngineAnswerError(message)
        prompt = f"<|im_start|>system\n{context}{END}\n<|im_start|>user\n{AUDIO}{END}\n<|im_start|>assistant\n{prefix}"
        with self._lock, torch.inference_mode():
            self._check_open()
            inputs = self._inputs([prompt] * len(clips), clips)
            sure = _Sureness()
            try:
                output = self._model.generate(
                    **inputs, max_new_tokens=limit_tokens, do_sample=False, num_beams=1, logits_processor=[sure],
                    repetition_penalty=repetition_penalty,
                )  # fmt: skip
            except torch.OutOfMemoryError as error:
                raise DeviceFullError from error
            tokens = output[:, inputs["input_ids"].shape[1] :].cpu().tolist()
            return [self._written(row, sure.of(index)) for index, row in enumerate(tokens)]

    def _written(self, row: Sequence[int], sureness: Sequence[float]) -> Written:
        ends = self._ends()
        length = next((index for index, token in enumerate(row) if token in ends), len(row))
        if any(math.isnan(value) for value in sureness[:length]):
            message = "The model's results are no numbers: its precision does not suit this device."
            raise EngineAnswerError(message, remedy="Set dtype to float32 or bfloat16.")
        tokenizer = self._processor.tokenizer
        return Written(
            raw=str(tokenizer.decode(row[:length], skip_special_tokens=True)),
            tokens=tuple(
                Token(content=_content(tokenizer, token), log_probability=value)
                for token, value in zip(row[:length], sureness, strict=False)
            ),
            truncated=length == len(row),
        )

    def _ends(self) -> frozenset[int]:
        configured = self._model.generation_config.eos_token_id
        return frozenset(configured if isinstance(configured, list) else [configured])


class Qwen3Aligner(_Loaded):
    """Finds the times of words in a clip."""

    kind = Kind.ALIGNER

    @property
    def slot_ms(self) -> float:
        """Length of a time slot in milliseconds."""
        return float(self._processor.timestamp_segment_time)

    def slots(self, clip: NDArray[np.float32], words: Sequence[str]) -> tuple[tuple[int, float], ...]:
        """Most likely slot of every word's start and end, with its probability: two pairs per word, in order."""
        text = AUDIO + "".join(f"{word}{TIME_SLOT}{TIME_SLOT}" for word in words)
        with self._lock, torch.inference_mode():
            self._check_open()
            inputs = self._inputs([text], [clip])
            logits = self._model(**inputs).logits[0].float()
            marked = inputs["input_ids"][0] == self._processor.tokenizer.convert_tokens_to_ids(TIME_SLOT)
            best = torch.softmax(logits[marked], dim=-1).max(dim=-1)
            probabilities, classes = best.values.cpu().tolist(), best.indices.cpu().tolist()
        if len(classes) != 2 * len(words) or any(math.isnan(value) for value in probabilities):
            message = "The aligner's answer does not fit the words."
            raise EngineAnswerError(message)
        return tuple(zip(classes, probabilities, strict=True))


class _Sureness(LogitsProcessor):  # type: ignore[misc]
    """Keeps the best token's log probability of every step: the scores themselves would fill the memory."""

    def __init__(self) -> None:
        self._steps: list[Any] = []

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Look, change nothing."""
        wide = scores.float()
        self._steps.append(wide.max(dim=-1).values - torch.logsumexp(wide, dim=-1))
        return scores

    def of(self, row: int) -> list[float]:
        """Log probabilities of one row's tokens."""
        return [float(value) for value in torch.stack(self._steps, dim=1)[row].cpu()] if self._steps else []


def resolve(placement: Placement) -> tuple[Any, Any]:
    """Device and precision: bfloat16 on GPUs that have it, else float16; float32 on the processor."""
    if placement.threads:
        torch.set_num_threads(placement.threads)
    name = placement.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and not (torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()):
        message = "The settings name a GPU that this machine or this build of torch does not have."
        raise SettingsError(message, remedy="Set device to auto or cpu, or install torch for your GPU.")
    if placement.dtype != "auto":
        return device, getattr(torch, placement.dtype)
    if device.type == "cpu":
        return device, torch.float32
    modern = device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= _FIRST_BFLOAT16_GENERATION
    return device, torch.bfloat16 if modern else torch.float16


def load_processor(checkpoint: Checkpoint) -> Any:
    """Tokenizer and features; prompts are written here, not by the checkpoint's template, which differs by release."""
    tokenizer = Qwen2Tokenizer.from_pretrained(checkpoint.folder, extra_special_tokens=_AUDIO_TOKENS)
    step_ms = checkpoint.config.get("timestamp_segment_time", 80)
    return Qwen3ASRProcessor(
        feature_extractor=Qwen3ASRFeatureExtractor(), tokenizer=tokenizer, timestamp_segment_time=step_ms
    )


def load_model(checkpoint: Checkpoint, processor: Any, dtype: Any) -> Any:
    """Load weights of either layout; raises EngineUnavailableError when one is missing."""
    aligner = checkpoint.kind is Kind.ALIGNER
    kind = Qwen3ASRForTokenClassification if aligner else Qwen3ASRForConditionalGeneration
    extra: dict[str, Any] = {}
    if checkpoint.original:
        head = "score." if aligner else "lm_head."
        names = _ORIGINAL_NAMES | {r"^thinker\.lm_head\.": head}
        extra = {"config": _native_config(checkpoint, processor), "key_mapping": names}
    model, report = kind.from_pretrained(
        checkpoint.folder, dtype=dtype, output_loading_info=True, local_files_only=True, **extra
    )
    if report["missing_keys"] or report["mismatched_keys"]:
        message = "The weights of the speech model do not fit its configuration."
        raise EngineUnavailableError(message, remedy="Download the model again.")
    if not aligner:
        ends = processor.tokenizer.convert_tokens_to_ids(["<|endoftext|>", END])
        model.generation_config.update(eos_token_id=ends, pad_token_id=ends[-1])
    return model


def _native_config(checkpoint: Checkpoint, processor: Any) -> Any:
    """The first release's configuration in Transformers' own terms.

    Its three-part rotary positions are those of text when all parts count alike, as with sound and text they do.
    """
    thinker = checkpoint.config["thinker_config"]
    audio = {name: value for name, value in thinker["audio_config"].items() if name != "model_type"}
    text = {
        name: value
        for name, value in thinker["text_config"].items()
        if name not in {"model_type", "rope_scaling", "rope_theta"}
    }
    text["rope_parameters"] = {"rope_type": "default", "rope_theta": thinker["text_config"]["rope_theta"]}
    ids = processor.tokenizer.convert_tokens_to_ids
    classes = thinker.get("classify_num")
    return Qwen3ASRConfig(
        audio_config=audio,
        text_config=text,
        audio_token_id=thinker["audio_token_id"],
        timestamp_token_id=ids(TIME_SLOT),
        eos_token_id=[ids("<|endoftext|>"), ids(END)],
        pad_token_id=ids(END),
        tie_word_embeddings=bool(text.get("tie_word_embeddings", True)),
        **({"num_labels": classes} if classes else {}),
    )


def _content(tokenizer: Any, token: int) -> bytes:
    """A token's bytes: byte-level tokenizers spell every byte as one printable character."""
    piece = str(tokenizer.convert_ids_to_tokens(token))
    if token in tokenizer.added_tokens_decoder:
        return piece.encode()
    return bytes(_BYTES[character] for character in piece)


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's spelling: printable Latin-1 characters stand for themselves, other bytes for code points from 256."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + index): byte for index, byte in enumerate(others)}


_BYTES = _byte_alphabet()

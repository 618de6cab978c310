"""Tokenizer, configuration and template files of the tiny Qwen3-ASR, in the released layouts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|audio_start|>",
    "<|audio_end|>",
    "<|audio_pad|>",
    "<asr_text>",
    "<timestamp>",
)
_SHOWN = ("<asr_text>", "<timestamp>")
"""Not special: they must survive `skip_special_tokens`, as with the released tokenizer."""
_VOCABULARY = 320
_QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_AUDIO = "<|audio_start|><|audio_pad|><|audio_end|>"
_COLLECT = (
    "{%- set seen = namespace(system='', audio='', words=[]) -%}"
    "{%- for message in messages -%}"
    "{%- set parts = [{'type': 'text', 'text': message.content}] if message.content is string else message.content -%}"
    "{%- for part in parts -%}"
    "{%- if part.type == 'audio' or 'audio' in part or 'audio_url' in part -%}"
    "{%- set seen.audio = seen.audio + '" + _AUDIO + "' -%}"
    "{%- elif part.type == 'text' and message.role == 'system' -%}"
    "{%- set seen.system = seen.system + part.text -%}"
    "{%- elif part.type == 'text' -%}"
    "{%- set seen.words = seen.words + [part.text] -%}"
    "{%- endif -%}{%- endfor -%}{%- endfor -%}"
)  # fmt: skip
_HEAD = (
    "{{- '<|im_start|>system\\n' + seen.system + '<|im_end|>\\n' -}}"
    "{{- '<|im_start|>user\\n' + seen.audio + '<|im_end|>\\n' -}}"
)
_ANSWERS = (
    "{%- for message in messages if message.role == 'assistant' -%}"
    "{{- '<|im_start|>assistant\\n' -}}"
    "{%- if message.content is string -%}{{- message.content -}}"
    "{%- else -%}{%- for part in message.content -%}{{- part.text -}}{%- endfor -%}{%- endif -%}"
    "{{- '<|im_end|>\\n' -}}{%- endfor -%}"
)
_ASK = "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
ORIGINAL_TEMPLATE = _COLLECT + _HEAD + _ASK
"""The first release drops assistant turns."""
NATIVE_TEMPLATE = _COLLECT + _HEAD + _ANSWERS + _ASK
ALIGNER_TEMPLATE = (
    _COLLECT + "{{- seen.audio + seen.words | join('<timestamp><timestamp>') + '<timestamp><timestamp>' -}}"
)


@dataclass(frozen=True, kw_only=True)
class TinyTokenizer:
    """A byte-level tokenizer with Qwen's splitting and special tokens."""

    tokenizer: Any
    """`tokenizers.Tokenizer`."""
    ids: dict[str, int]
    """Of the special tokens."""
    size: int
    """Tokens in all."""


def make_tokenizer(texts: Iterable[str]) -> TinyTokenizer:
    """Train a tokenizer on the texts; any other text is spelt in bytes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_QWEN_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=_VOCABULARY, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([*texts, "system\nuser\nassistant\nlanguage "], trainer)
    tokenizer.add_tokens([_added(token) for token in SPECIAL_TOKENS])
    ids = {token: int(tokenizer.token_to_id(token) or 0) for token in SPECIAL_TOKENS}
    return TinyTokenizer(tokenizer=tokenizer, ids=ids, size=tokenizer.get_vocab_size())


def write_tokenizer(made: TinyTokenizer, folder: Path, template: str, *, native: bool) -> None:
    """Write tokenizer, template and feature settings as a released checkpoint has them."""
    folder.mkdir(parents=True, exist_ok=True)
    model = json.loads(made.tokenizer.to_str())["model"]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    _write(folder / "vocab.json", model["vocab"])
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    _write(folder / "tokenizer_config.json", _tokenizer_config(made))
    features: dict[str, Any] = {
        "feature_size": 128, "sampling_rate": 16000, "hop_length": 160, "chunk_length": 30, "n_fft": 400,
        "padding_value": 0.0, "dither": 0.0, "return_attention_mask": True, "padding_side": "right",
    }  # fmt: skip
    if native:
        made.tokenizer.save(str(folder / "tokenizer.json"))
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
        features |= {"feature_extractor_type": "Qwen3ASRFeatureExtractor", "n_window": 50, "min_length": 8000}
        processor = {"processor_class": "Qwen3ASRProcessor", "timestamp_segment_time": 80}
        _write(folder / "processor_config.json", processor | {"feature_extractor": features})
    else:
        _write(folder / "chat_template.json", {"chat_template": template})
        features |= {"feature_extractor_type": "WhisperFeatureExtractor", "n_samples": 480000, "nb_max_frames": 3000}
        _write(folder / "preprocessor_config.json", features)


def original_config(native: dict[str, Any], made: TinyTokenizer, *, classes: int | None = None) -> dict[str, Any]:
    """The native configuration as the first release writes it; `classes` makes it an aligner's."""
    audio, text = native["audio_config"], native["text_config"]
    half = text["head_dim"] // 2
    side = half * 20 // 64  # the released model splits its 64 into 24, 20 and 20
    rope = {"rope_type": "default", "type": "default", "mrope_interleaved": True, "interleaved": True}
    rope["mrope_section"] = [half - 2 * side, side, side]
    text_keys = (
        "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
        "num_key_value_heads", "head_dim", "max_position_embeddings", "rms_norm_eps", "hidden_act",
    )  # fmt: skip
    audio_keys = (
        "num_mel_bins", "encoder_layers", "encoder_attention_heads", "encoder_ffn_dim", "d_model", "n_window",
        "n_window_infer", "output_dim", "downsample_hidden_size", "activation_function", "scale_embedding",
    )  # fmt: skip
    thinker = {
        "model_type": "qwen3_forced_aligner" if classes else "qwen3_asr_thinker",
        "audio_config": {key: audio[key] for key in audio_keys}
        | {"model_type": "qwen3_asr_audio_encoder", "max_source_positions": 1500, "conv_chunksize": 500},
        "text_config": {key: text[key] for key in text_keys}
        | {"model_type": "qwen3", "rope_theta": 1000000.0, "attention_bias": False, "rope_scaling": rope}
        # With tied embeddings the first release's own loader would tie the aligner's classes to them.
        | {"tie_word_embeddings": not classes},
        "audio_token_id": made.ids["<|audio_pad|>"],
        "audio_start_token_id": made.ids["<|audio_start|>"],
        "audio_end_token_id": made.ids["<|audio_end|>"],
        "dtype": "bfloat16",
        "initializer_range": 0.02,
        "user_token_id": 872,
    }
    top: dict[str, Any] = {
        "architectures": ["Qwen3ASRForConditionalGeneration"],
        "model_type": "qwen3_asr",
        "thinker_config": thinker,
        "dtype": "bfloat16",
        "support_languages": ["Chinese", "English", "Cantonese"],
    }
    if classes:
        thinker["classify_num"] = classes
        top |= {"timestamp_token_id": made.ids["<timestamp>"], "timestamp_segment_time": 80}
    return top


def _added(token: str) -> Any:
    return AddedToken(token, special=token not in _SHOWN, normalized=False)


def _tokenizer_config(made: TinyTokenizer) -> dict[str, Any]:
    audio = {
        "audio_bos_token": "<|audio_start|>",
        "audio_eos_token": "<|audio_end|>",
        "audio_token": "<|audio_pad|>",
    }
    decoder = {
        str(number): {
            "content": token, "special": token not in _SHOWN,
            "lstrip": False, "rstrip": False, "normalized": False, "single_word": False,
        }
        for token, number in made.ids.items()
    }  # fmt: skip
    return {
        "tokenizer_class": "Qwen2Tokenizer",
        "processor_class": "Qwen3ASRProcessor",
        "add_prefix_space": False,
        "bos_token": None,
        "unk_token": None,
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "errors": "replace",
        "model_max_length": 131072,
        "clean_up_tokenization_spaces": False,
        "split_special_tokens": False,
        "extra_special_tokens": audio,
        "added_tokens_decoder": decoder,
    } | audio


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")

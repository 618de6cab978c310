"""Adapting Qwen3-ASR to a centre: data set, LoRA training, merging, registry."""

"""Extract the weights of both Silero VAD networks into the arrays the voice activity kernels read.

Usage: python tools/extract_silero_weights.py silero_vad-6.2.3-py3-none-any.whl

Reads `silero_vad/data/silero_vad.onnx` from the wheel of the silero-vad project (version 6.2.3, MIT
licence) and writes

- src/qingting/audio/data/silero_8000.npz and silero_16000.npz: the weights;
- tests/unit/audio/data/silero_reference.npz: a signal at both rates and the speech probabilities
  which ONNX Runtime computes for it with the original network.

The safetensors file in the same wheel holds the weights of another network and is not read.
Needs the packages onnx and onnxruntime, which the product itself does not.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
MEMBER = "silero_vad/data/silero_vad.onnx"
BRANCH = {16000: "then_branch", 8000: "else_branch"}


def branch_weights(graph: Any, rate_hertz: int) -> dict[str, NDArray[np.float32]]:
    """Weights of the network for one rate, by the names the original gives them."""
    outer = next(node for node in graph.node if node.op_type == "If")
    branch = next(a.g for a in outer.attribute if a.name == BRANCH[rate_hertz])
    weights = {}
    for node in branch.node:
        if node.op_type == "Constant":
            name = node.output[0].rsplit("__", 1)[-1]
            value = onnx.numpy_helper.to_array(node.attribute[0].t)
            if value.dtype == np.float32 and value.ndim > 0:
                weights[name] = value
    return weights


def check_basis(basis: NDArray[np.float32]) -> None:
    """Stop unless the network's first convolution is a Fourier transform under a Hann window."""
    size = basis.shape[2]
    time = np.arange(size)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * time / size)
    angle = 2 * np.pi * np.outer(np.arange(size // 2 + 1), time) / size
    expected = np.concatenate([np.cos(angle) * window, -np.sin(angle) * window])
    if np.abs(expected - basis[:, 0]).max() > 1e-6:
        raise SystemExit("The network's first layer is no windowed Fourier transform; the kernels do not fit it.")


def kernel_arrays(weights: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """Weights in the order the kernels walk them: [tap * inputs, outputs], taps that only meet padding left out.

    Four spectra shrink to two columns, then one; so of three taps the third layer only ever
    sees the last two, and the fourth layer only the middle one.
    """
    check_basis(weights["stft.forward_basis_buffer"])

    def layer(number: int, taps: slice) -> NDArray[np.float32]:
        weight = weights[f"encoder.{number}.reparam_conv.weight"][:, :, taps]
        return weight.transpose(2, 1, 0).reshape(-1, weight.shape[0])

    arrays = {
        "spectrum_weight": layer(0, slice(0, 3)),
        "half_weight": layer(1, slice(0, 3)),
        "quarter_weight": layer(2, slice(1, 3)),
        "feature_weight": layer(3, slice(1, 2)),
        "spectrum_bias": weights["encoder.0.reparam_conv.bias"],
        "half_bias": weights["encoder.1.reparam_conv.bias"],
        "quarter_bias": weights["encoder.2.reparam_conv.bias"],
        "feature_bias": weights["encoder.3.reparam_conv.bias"],
        "input_weight": weights["decoder.rnn.weight_ih"].T,
        "state_weight": weights["decoder.rnn.weight_hh"].T,
        "gate_bias": weights["decoder.rnn.bias_ih"] + weights["decoder.rnn.bias_hh"],
        "answer_weight": weights["decoder.decoder.2.weight"].reshape(-1),
        "answer_bias": weights["decoder.decoder.2.bias"],
    }
    return {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in arrays.items()}


def reference_signal(rate_hertz: int) -> NDArray[np.int16]:
    """Six seconds of speech-like sound: syllables of a gliding voice with formants, noise, silence, a tone."""
    rng = np.random.default_rng(7)
    time = np.arange(6 * rate_hertz) / rate_hertz
    pitch = 140 + 40 * np.sin(2 * np.pi * 0.7 * time) + 15 * np.sin(2 * np.pi * 2.1 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / rate_hertz
    sound = np.zeros_like(time)
    formants = np.array([600 + 250 * np.sin(2 * np.pi * 1.3 * time), 1500 + 500 * np.sin(2 * np.pi * 0.9 * time)])
    for harmonic in range(1, 26):
        frequency = harmonic * pitch
        gain = sum(1 / (1 + ((frequency - formant) / 120) ** 2) for formant in formants) + 0.02
        sound += np.where(frequency < 0.45 * rate_hertz, gain / harmonic**0.5, 0) * np.sin(harmonic * phase)
    syllable = np.clip(np.sin(2 * np.pi * 3.7 * time) * 2 + 0.8, 0, 1)
    sound = 0.12 * sound * syllable * ((time > 0.8) & (time < 3.2))
    sound += 0.05 * np.sin(2 * np.pi * 450 * time) * ((time > 3.6) & (time < 4.4))
    sound += 0.03 * rng.standard_normal(time.size) * (time > 4.8) + 0.002 * rng.standard_normal(time.size)
    return np.round(np.clip(sound, -1, 1) * 32767).astype(np.int16)


def reference_probabilities(model: bytes, rate_hertz: int, signal: NDArray[np.int16]) -> NDArray[np.float32]:
    """What ONNX Runtime answers, frame by frame, with the original network."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    frame, context = (512, 64) if rate_hertz == 16000 else (256, 32)
    samples = np.concatenate([np.zeros(context, np.float32), signal.astype(np.float32) / 32768])
    state = np.zeros((2, 1, 128), np.float32)
    answers = []
    for start in range(0, signal.size - frame + 1, frame):
        piece = samples[None, start : start + context + frame]
        answer, state = session.run(None, {"input": piece, "state": state, "sr": np.array(rate_hertz)})
        answers.append(answer[0, 0])
    return np.array(answers, np.float32)


def main() -> None:
    """Write the weights and the reference answers."""
    model = zipfile.ZipFile(sys.argv[1]).read(MEMBER)
    graph = onnx.load_model_from_string(model).graph
    reference: dict[str, NDArray[Any]] = {}
    for rate_hertz in (8000, 16000):
        target = ROOT / f"src/qingting/audio/data/silero_{rate_hertz}.npz"
        target.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(target, **kernel_arrays(branch_weights(graph, rate_hertz)))
        print(target.relative_to(ROOT), target.stat().st_size, "bytes")
        signal = reference_signal(rate_hertz)
        reference[f"signal_{rate_hertz}"] = signal
        reference[f"probabilities_{rate_hertz}"] = reference_probabilities(model, rate_hertz, signal)
        print("speech frames in the reference:", int((reference[f"probabilities_{rate_hertz}"] > 0.5).sum()))
    target = ROOT / "tests/unit/audio/data/silero_reference.npz"
    target.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(target, **reference)
    print(target.relative_to(ROOT), target.stat().st_size, "bytes")


if __name__ == "__main__":
    main()

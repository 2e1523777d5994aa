"""Models that have learnt nothing, in the very formats of those that have: small enough to make.

What they say is known beforehand, so that a test can tell that it was really they who said it.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

WHISPER_LANGUAGE_TOKENS = 99
_WIDTH = 32
Constants = dict[str, NDArray[Any]]
Shape = list[str | int | None]
_WHISPER_FRAMES = 1500
_PIPER_SAMPLES_PER_PHONEME = 1000


def make_whisper(folder: Path, *, multilingual: bool = True) -> Path:
    """A Whisper model of one layer with weights of chance, as CTranslate2's converter saves it."""
    folder.mkdir(parents=True)
    words = _whisper_words(multilingual=multilingual)
    spec = ctranslate2.specs.whisper_spec.WhisperSpec(1, 2, 1, 2)
    rng = np.random.default_rng(3)

    def chance(*shape: int) -> NDArray[np.float32]:
        return rng.normal(0, 0.5, shape).astype(np.float32)

    def norm(layer: Any) -> None:
        layer.gamma, layer.beta = np.ones(_WIDTH, np.float32), np.zeros(_WIDTH, np.float32)

    def linear(layer: Any, outputs: int, inputs: int = _WIDTH) -> None:
        layer.weight, layer.bias = chance(outputs, inputs), np.zeros(outputs, np.float32)

    def attention(layer: Any, *, own: bool) -> None:
        norm(layer.layer_norm)
        linear(layer.linear[0], _WIDTH * (3 if own else 1))
        if not own:
            linear(layer.linear[1], 2 * _WIDTH)
        linear(layer.linear[-1], _WIDTH)

    def feed_forward(layer: Any) -> None:
        norm(layer.layer_norm)
        linear(layer.linear_0, 4 * _WIDTH)
        linear(layer.linear_1, _WIDTH, 4 * _WIDTH)

    encoder, decoder = spec.encoder, spec.decoder
    for conv, inputs in ((encoder.conv1, 80), (encoder.conv2, _WIDTH)):
        conv.weight, conv.bias = chance(_WIDTH, inputs, 3), np.zeros(_WIDTH, np.float32)
    encoder.position_encodings.encodings = chance(_WHISPER_FRAMES, _WIDTH)
    norm(encoder.layer_norm)
    attention(encoder.layer[0].self_attention, own=True)
    feed_forward(encoder.layer[0].ffn)
    decoder.embeddings.weight = chance(len(words), _WIDTH)
    decoder.position_encodings.encodings = chance(448, _WIDTH)
    norm(decoder.layer_norm)
    decoder.projection.weight = decoder.embeddings.weight
    attention(decoder.layer[0].self_attention, own=True)
    attention(decoder.layer[0].attention, own=False)
    feed_forward(decoder.layer[0].ffn)
    spec.register_vocabulary(words)
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = []
    spec.config.lang_ids = [i for i, word in enumerate(words) if word in ("<|en|>", "<|ar|>")]
    spec.config.alignment_heads = [(0, 0)]
    spec.validate()
    spec.save(str(folder))
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="w0"))
    tokenizer.add_special_tokens([word for word in words if word.startswith("<|")])
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def _whisper_words(*, multilingual: bool) -> list[str]:
    """As many as the real ones have, for their number says whether a model is multilingual."""
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    special = ["<|endoftext|>", "<|startoftranscript|>"]
    special += [f"<|{code}|>" for code in _LANGUAGE_CODES[:WHISPER_LANGUAGE_TOKENS]]
    special += [
        "<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>",
        "<|notimestamps|>", *(f"<|{step * 0.02:.2f}|>" for step in range(1501)),
    ]  # fmt: skip
    total = 51_865 if multilingual else 51_864
    # an empty word, as only the multilingual ones have
    words = [f"w{i}" for i in range(total - len(special) - 1)]
    return [*words, "" if multilingual else "w", *special]


def make_piper(folder: Path, name: str, *, rate_hz: int = 22_050, hz: float = 220.0) -> Path:
    """A Piper voice that hums: a tone of `hz` for as long as there are phonemes."""
    folder.mkdir(parents=True, exist_ok=True)
    per_phoneme = np.array([_PIPER_SAMPLES_PER_PHONEME], np.int64)
    nodes = [
        helper.make_node("Mul", ["input_lengths", "per_phoneme"], ["count"]),
        helper.make_node("Squeeze", ["count", "axis"], ["scalar"]),
        helper.make_node("Cast", ["scalar"], ["samples"], to=TensorProto.FLOAT),
        helper.make_node("Gather", ["scales", "one"], ["pace"]),
        helper.make_node("Mul", ["samples", "pace"], ["paced"]),
        helper.make_node("Range", ["start", "paced", "step"], ["time"]),
        helper.make_node("Mul", ["time", "radians"], ["phase"]),
        helper.make_node("Sin", ["phase"], ["tone"]),
        helper.make_node("Unsqueeze", ["tone", "axes"], ["output"]),
    ]
    constants: Constants = {
        "per_phoneme": per_phoneme,
        "axis": np.array([0], np.int64),
        "one": np.array(1, np.int64),
        "start": np.array(0, np.float32),
        "step": np.array(1, np.float32),
        "radians": np.array(2 * np.pi * hz / rate_hz, np.float32),
        "axes": np.array([0, 1], np.int64),
    }
    inputs = [
        helper.make_tensor_value_info("input", TensorProto.INT64, [1, "phonemes"]),
        helper.make_tensor_value_info("input_lengths", TensorProto.INT64, [1]),
        helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
    ]
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, "samples"])
    path = folder / f"{name}.onnx"
    _save(path, nodes, inputs, [output], constants)
    code = name.partition("-")[0]
    phonemes = {"_": [0], "^": [1], "$": [2], " ": [3]} | {
        chr(letter): [4 + at] for at, letter in enumerate((*range(0x21, 0x400), 0x0329, 0x1D7B))
    }
    config = {
        "audio": {"sample_rate": rate_hz, "quality": "tiny"},
        "espeak": {"voice": code.partition("_")[0] if code.startswith("ar") else "en-us"},
        "language": {"code": code},
        "inference": {"noise_scale": 0.6, "length_scale": 1, "noise_w": 0.8},
        "phoneme_type": "espeak",
        "num_symbols": len(phonemes),
        "num_speakers": 1,
        "phoneme_id_map": phonemes,
    }
    path.with_name(f"{path.name}.json").write_text(json.dumps(config), encoding="utf-8")
    return path


def make_embedding(
    folder: Path, *, width: int = 16, options: dict[str, object] | None = None
) -> Path:
    """An encoder whose words stand for themselves: texts are alike by the words that they share."""
    folder.mkdir(parents=True)
    words = [
        "[UNK]",
        "[PAD]",
        "query:",
        "passage:",
        *("lamp", "return", "refund", "shipping", "price", "battery"),
    ]
    table = np.eye(len(words), width, dtype=np.float32)
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    shape: Shape = ["texts", "tokens", width]
    output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, shape)
    _save(folder / "model.onnx", nodes, inputs, [output], {"table": table})
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    if options is not None:
        (folder / "majlis.json").write_text(json.dumps(options), encoding="utf-8")
    return folder


_MOONSHINE_LAYERS, _MOONSHINE_HEADS, _MOONSHINE_HEAD_WIDTH = 6, 8, 36
"""Of the architecture `tiny`, which the library insists on."""


def make_moonshine(folder: Path, words: Sequence[str]) -> Path:
    """A Moonshine model of the architecture `tiny` that hears the same words in everything."""
    folder.mkdir(parents=True)
    tokens = [b"<unk>", b"<s>", b"</s>", *(f"\u2581{word}".encode() for word in words)]
    next_token = [2, 3, 2, *range(4, 3 + len(words)), 2]
    logits = 10 * np.eye(len(tokens), dtype=np.float32)[next_token]
    hidden = np.zeros((1, 1, 4), np.float32)
    _save_ort(
        folder / "encoder_model.ort",
        [
            helper.make_node("ReduceMean", ["input_values"], ["mean"], keepdims=0),
            helper.make_node("Add", ["hidden", "mean"], ["last_hidden_state"]),
        ],
        [helper.make_tensor_value_info("input_values", TensorProto.FLOAT, [1, "samples"])],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [1, 1, 4])],
        {"hidden": hidden},
    )
    parts = [
        f"{layer}.{side}.{kind}"
        for layer in range(_MOONSHINE_LAYERS)
        for side in ("decoder", "encoder")
        for kind in ("key", "value")
    ]
    cache: Shape = [1, _MOONSHINE_HEADS, "length", _MOONSHINE_HEAD_WIDTH]
    value_info = helper.make_tensor_value_info
    _save_ort(
        folder / "decoder_model_merged.ort",
        [
            helper.make_node("Gather", ["table", "input_ids"], ["looked_up"]),
            # what the library gives must be used, or the graph would lose it
            helper.make_node("ReduceMean", ["encoder_hidden_states"], ["mean"], keepdims=0),
            helper.make_node("Cast", ["use_cache_branch"], ["cached"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["cached", "nothing"], ["unused"]),
            helper.make_node("Mul", ["mean", "nothing"], ["silent"]),
            helper.make_node("Add", ["looked_up", "silent"], ["added"]),
            helper.make_node("Add", ["added", "unused"], ["logits"]),
            *(
                helper.make_node("Identity", [f"past_key_values.{p}"], [f"present.{p}"])
                for p in parts
            ),
        ],
        [
            value_info("input_ids", TensorProto.INT64, [1, "tokens"]),
            value_info("encoder_hidden_states", TensorProto.FLOAT, [1, "frames", 4]),
            *(value_info(f"past_key_values.{part}", TensorProto.FLOAT, cache) for part in parts),
            value_info("use_cache_branch", TensorProto.BOOL, [1]),
        ],
        [
            value_info("logits", TensorProto.FLOAT, [1, "tokens", len(tokens)]),
            *(value_info(f"present.{part}", TensorProto.FLOAT, cache) for part in parts),
        ],
        {"table": logits, "nothing": np.array([0], np.float32)},
    )
    (folder / "tokenizer.bin").write_bytes(b"".join(bytes([len(t)]) + t for t in tokens))
    return folder


def _graph(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    constants: Constants,
) -> onnx.ModelProto:
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def _save(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    constants: Constants,
) -> None:
    path.write_bytes(_graph(nodes, inputs, outputs, constants).SerializeToString())


def _save_ort(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    constants: Constants,
) -> None:
    """In ONNX Runtime's own format."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.save_model_format", "ORT")
    options.optimized_model_filepath = str(path)
    model = _graph(nodes, inputs, outputs, constants).SerializeToString()
    onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

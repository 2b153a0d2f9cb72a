"""How ONNX Runtime optimises a model: its operators after fusion, and each one's share of run time.

    motioncast models operators [--repository FOLDER]

Batch norms are folded into their convolutions at export; ONNX Runtime fuses ReLUs and residual sums
into them on loading. `leftovers` and `unfused` list what was not.
"""

import json
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import onnx
import onnxruntime
from onnx import ModelProto, NodeProto

from motioncast.export.graph import nodes, operators
from motioncast.export.parity import Arrays

FOLDED = frozenset({"BatchNormalization", "Identity", "Dropout", "Constant"})  # at export
ACTIVATIONS = frozenset({"Relu", "Sigmoid"})
CONVOLUTIONS = frozenset({"Conv", "FusedConv"})
RUNS = 12


@dataclass(frozen=True, slots=True)
class OperatorTime:
    """One kind of operator of a loaded model."""

    operator: str
    count: int
    ms: float  # in one run of the model, summed over all of this kind
    share: float  # of that run


def leftovers(model: ModelProto) -> list[str]:
    """Returns descriptions of operators that an exported file should not have; empty if none.

    These are norms and identities, and casts other than from or to bytes and shapes.
    """
    found = [f"{node.op_type} {node.name}" for node in nodes(model.graph) if node.op_type in FOLDED]
    inferred = onnx.shape_inference.infer_shapes(model)
    types = {
        value.name: value.type.tensor_type.elem_type
        for value in (*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output)
    }
    floats = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE}
    found += [
        f"Cast {node.name}"
        for node in nodes(model.graph)
        if node.op_type == "Cast"
        and {types.get(node.input[0]), types.get(node.output[0])} <= floats
    ]
    return found


def unfused(optimised: ModelProto) -> list[str]:
    """Returns the activations of an optimised model that were not fused but could have been."""
    made_by = {output: node for node in optimised.graph.node for output in node.output}
    used = Counter(name for node in optimised.graph.node for name in node.input)
    return [
        f"{node.op_type} {node.name}"
        for node in optimised.graph.node
        if node.op_type in ACTIVATIONS
        and _origin(node, made_by).op_type in CONVOLUTIONS
        and used[node.input[0]] == 1
    ]


def fused(optimised: ModelProto) -> int:
    """Counts the convolutions of an optimised model with a fused activation."""
    return sum(
        node.op_type in CONVOLUTIONS and any(one.name == "activation" for one in node.attribute)
        for node in optimised.graph.node
    )


def optimised(model: ModelProto) -> ModelProto:
    """Returns the graph that ONNX Runtime runs on this machine's CPU."""
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # hides the warning that the file suits only this machine
        options.optimized_model_filepath = str(Path(folder, "optimised.onnx"))
        _open(model, options)
        return onnx.load(options.optimized_model_filepath)


def profile(model: ModelProto, inputs: Arrays, threads: int = 1) -> list[OperatorTime]:
    """Returns how long each kind of operator of a model takes, slowest first.

    Measured by ONNX Runtime's profiler: the median over a dozen runs after the first.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder, "profile"))
        session = _open(model, options)
        for _ in range(1 + RUNS):
            session.run(None, inputs)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    microseconds: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            microseconds[event["name"], event["args"]["op_name"]].append(event["dur"])
    times: defaultdict[str, list[float]] = defaultdict(list)
    for (_, operator), durations in microseconds.items():
        times[operator].append(median(durations[-RUNS:]) / 1000)
    total = sum(map(sum, times.values()))
    return sorted(
        (
            OperatorTime(operator, len(each), sum(each), sum(each) / total)
            for operator, each in times.items()
        ),
        key=lambda one: -one.ms,
    )


def summary(model: ModelProto) -> str:
    """Returns a one-line summary of how a model is fused."""
    loaded = optimised(model)
    left = [*leftovers(model), *(f"unfused {name}" for name in unfused(loaded))]
    convolutions = sum(node.op_type in CONVOLUTIONS for node in nodes(loaded.graph))
    return (
        f"{model.graph.name}: {sum(operators(model).values())} operators in the file,"
        f" {fused(loaded)} of {convolutions} convolutions fused with their activation,"
        f" left over: {', '.join(left) or 'none'}"
    )


def _origin(node: NodeProto, made_by: dict[str, NodeProto]) -> NodeProto:
    """Returns the node that produces a node's input, skipping changes of layout."""
    before = made_by.get(node.input[0])
    while before is not None and before.op_type in {"ReorderOutput", "ReorderInput", "Reshape"}:
        before = made_by.get(before.input[0])
    return before or NodeProto()


def _open(model: ModelProto, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

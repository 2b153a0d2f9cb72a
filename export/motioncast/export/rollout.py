"""Turns one step of the predictor into an ONNX Scan that runs a whole stretch in one call.

    forecast_t, state_t = step(keypoints_t, observed_t, noise_t, state_{t-1})      for each t

A Scan takes any number of frames at run time, and the file holds the step's weights only once.
"""

from collections.abc import MutableSequence
from dataclasses import replace

import onnx
from onnx import GraphProto, ModelProto, ValueInfoProto, helper

from motioncast.export.graph import value_info
from motioncast.export.specification import TIME, ModelSpecification, TensorSpecification

TIME_AXIS = 1


def step_specification(rollout: ModelSpecification) -> ModelSpecification:
    """Returns the interface of one step of a rollout: the same tensors without their time axis."""
    return ModelSpecification(
        name=f"{rollout.name}_step",
        description="",
        inputs=tuple(_without_time(tensor) for tensor in rollout.inputs),
        outputs=tuple(_without_time(tensor) for tensor in rollout.outputs),
        tolerances={},
        max_batch_size=rollout.max_batch_size,
        dynamic_batching=False,
    )


def roll_out(step: ModelProto, rollout: ModelSpecification) -> ModelProto:
    """Wraps the graph of one step, exported with `step_specification`, in a Scan over time.

    Inputs and outputs with a time axis are scanned; the one without it is the state.
    """
    scanned = [tensor for tensor in rollout.inputs if TIME in tensor.axes]
    (state,) = (tensor for tensor in rollout.inputs if TIME not in tensor.axes)
    forecasts = [tensor for tensor in rollout.outputs if TIME in tensor.axes]
    (next_state,) = (tensor for tensor in rollout.outputs if TIME not in tensor.axes)

    body = onnx.GraphProto()
    body.CopyFrom(step.graph)
    body.name = "step"
    _arrange(body.input, [state, *scanned])
    _arrange(body.output, [next_state, *forecasts])
    _rename_values(body)
    scan = helper.make_node(
        "Scan",
        inputs=[state.name, *(tensor.name for tensor in scanned)],
        outputs=[next_state.name, *(tensor.name for tensor in forecasts)],
        name="timeline",
        body=body,
        num_scan_inputs=len(scanned),
        scan_input_axes=[TIME_AXIS] * len(scanned),
        scan_output_axes=[TIME_AXIS] * len(forecasts),
    )
    graph = helper.make_graph(
        [scan],
        rollout.name,
        [value_info(tensor) for tensor in rollout.inputs],
        [value_info(tensor) for tensor in rollout.outputs],
    )
    return helper.make_model(graph, opset_imports=step.opset_import, ir_version=step.ir_version)


def _without_time(tensor: TensorSpecification) -> TensorSpecification:
    return replace(tensor, axes=tuple(axis for axis in tensor.axes if axis != TIME))


def _arrange(values: MutableSequence[ValueInfoProto], tensors: list[TensorSpecification]) -> None:
    """Reorders the inputs or outputs of a graph to match the tensors."""
    by_name = {value.name: value for value in values}
    arranged = [by_name[tensor.name] for tensor in tensors]
    del values[:]
    values.extend(arranged)


def _rename_values(body: GraphProto) -> None:
    """Renames the body's inputs and outputs from x to x_t.

    Names inside a Scan must differ from those of the surrounding graph.
    """
    renamed = {value.name: f"{value.name}_t" for value in (*body.input, *body.output)}
    for value in (*body.input, *body.output):
        value.name = renamed[value.name]
    for node in body.node:
        for names in (node.input, node.output):
            names[:] = [renamed.get(name, name) for name in names]

"""The speed of the models alone: the same calls and shapes, without services or network."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from motioncast.bench.clients import GroupShape
from motioncast.client import Pixels
from motioncast.inference import OnnxRuntimeSettings
from motioncast.inference.onnx_runtime import session_options
from motioncast.inference.repository import find_models


class RawModels:
    """The models of a configuration in ONNX Runtime sessions, configured like the engine's.

    Args:
        repository: Folder of models.
        configuration: For example "face256".
        settings: The engine's settings.
        clip: Frames to run them on, (H, W, 3) each.
    """

    def __init__(
        self,
        repository: Path,
        configuration: str,
        settings: OnnxRuntimeSettings,
        clip: Sequence[Pixels],
    ) -> None:
        files, options = find_models(repository), session_options(settings)

        def opened(part: str) -> onnxruntime.InferenceSession:
            file = files[f"{configuration}_{part}"]
            return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

        self._keypoint, self._predictor = opened("keypoint"), opened("predictor")
        self._synthesis = opened("synthesis")
        registers = f"{configuration}_registration" in files
        self._registration = opened("registration") if registers else None
        self._runs_at_once = settings.max_concurrent_runs
        self._clip = clip
        axes = {value.name: value.shape for value in self._predictor.get_inputs()}
        self._latent, self._state = axes["noise"][2], axes["state"][1]

    def run(self, groups: Sequence[GroupShape], streams: int) -> float:
        """Runs the calls for the groups, with the engine's concurrency.

        Returns:
            Seconds from the first call to the end of the last.
        """
        workers = min(streams, self._runs_at_once)
        sources = [GroupShape(frames=0, observed=1)] * streams  # each stream's source is detected
        prepared = {group: self.calls(group) for group in {*groups, *sources}}
        started = time.perf_counter()
        if workers == 1:
            for group in (*sources, *groups):
                _run(prepared[group])
        else:
            with ThreadPoolExecutor(workers) as threads:
                list(threads.map(_run, (prepared[group] for group in (*sources, *groups))))
        return time.perf_counter() - started

    def calls(self, group: GroupShape) -> list[tuple[Any, dict[str, Any]]]:
        """Returns the calls of a group: sessions and their inputs."""
        calls: list[tuple[Any, dict[str, Any]]] = []
        image = np.stack([self._clip[t % len(self._clip)] for t in range(max(1, group.observed))])
        keypoints = self._keypoint.run(["keypoints"], {"image": image})[0]  # (observed, K, 3)
        if group.observed:
            calls.append((self._keypoint, {"image": image}))
        source = {"source_image": image[:1], "source_keypoints": keypoints[:1]}
        if group.frames and group.observed and self._registration is not None:
            inputs = {**source, "image": image, "keypoints": keypoints}
            calls.append((self._registration, inputs))
        driving = np.resize(keypoints, (1, group.frames, *keypoints.shape[1:]))
        if group.frames > group.observed:
            observed = (np.arange(group.frames) < group.observed).astype(np.float32)
            noise = np.zeros((1, group.frames, self._latent), np.float32)
            state = np.zeros((1, self._state), np.float32)
            inputs = {"keypoints": driving, "observed": observed[np.newaxis]}
            calls.append((self._predictor, {**inputs, "noise": noise, "state": state}))
        if group.frames:
            calls.append((self._synthesis, {**source, "driving_keypoints": driving}))
        return calls


def _run(calls: list[tuple[Any, dict[str, Any]]]) -> None:
    for session, inputs in calls:
        session.run(None, inputs)

"""A model repository "toy" in closed form, so that tests can compute expected values.

    keypoint    keypoint k = centroid of colour channel k (0 red, 1 green), intensity = mean / 255
    predictor   x_t = x_{t-1} + (x_{t-1} - x_{t-2}) + 0.01 noise; 0 at first, then hold
                returned unclamped, even past the border; clamped before the next step
                half_width90_t = |x_{t-1} - x_{t-2}|, at most 1
    synthesis   every pixel = round(255 * ((x+1)/2, (y+1)/2, intensity)) of driving keypoint 0

The interfaces are those of the shipped models with 16 x 16 images, K = 2, Z = 2 and S = 13: the
last frame's keypoints (6), their velocity (6), and whether a frame was seen (1). The functions
after `build_toy_repository` compute the same as its models in numpy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import onnx
import onnx.parser
from numpy.typing import NDArray

CONFIGURATION: Final = "toy"
HEIGHT: Final = 16
WIDTH: Final = 16
KEYPOINTS: Final = 2
LATENT: Final = 2
STATE: Final = 13
NOISE_SCALE: Final = 0.01

_LOWEST: Final = np.array([-1.0, -1.0, 0.0], np.float32)
_HIGHEST: Final = np.array([1.0, 1.0, 1.0], np.float32)


def build_toy_repository(root: Path, configuration: str = CONFIGURATION) -> Path:
    """Writes the three models of a configuration; returns root."""
    write_model(root, f"{configuration}_keypoint", _KEYPOINT)
    write_model(root, f"{configuration}_predictor", _PREDICTOR)
    write_model(root, f"{configuration}_synthesis", _SYNTHESIS)
    return root


def write_model(root: Path, name: str, text: str, version: int = 1) -> None:
    """Writes `root/<name>/<version>/model.onnx` from a graph in ONNX's textual form."""
    model = onnx.parser.parse_model('<ir_version: 9, opset_import: ["" : 17]>\n' + text)
    onnx.checker.check_model(model, full_check=True)
    folder = root / name / str(version)
    folder.mkdir(parents=True)
    onnx.save(model, folder / "model.onnx")


def image_with_points(
    red: tuple[int, int] | None, green: tuple[int, int] | None
) -> NDArray[np.uint8]:
    """Returns a black image with one full red and one full green pixel at (column, row)."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for channel, point in enumerate((red, green)):
        if point is not None:
            column, row = point
            image[row, column, channel] = 255
    return image


def keypoints_of_points(
    red: tuple[int, int] | None, green: tuple[int, int] | None
) -> NDArray[np.float32]:
    """Returns the keypoints (K, 3) of `image_with_points(red, green)`."""
    keypoints = np.zeros((KEYPOINTS, 3), np.float32)
    for k, point in enumerate((red, green)):
        if point is not None:
            column, row = point
            keypoints[k] = 2 * column / (WIDTH - 1) - 1, 2 * row / (HEIGHT - 1) - 1, 1 / 256
    return keypoints


def toy_rollout(keypoints: NDArray[np.float32], observed: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Returns the unclamped mean forecast (T, K, 3) of each step from a timeline's start.

    Args:
        keypoints: (T, K, 3); ignored where not observed.
        observed: (T,); the first is True.
    """
    forecasts = np.zeros_like(keypoints)
    path: list[NDArray[np.float32]] = []
    for t, seen in enumerate(observed):
        if len(path) == 1:
            forecasts[t] = path[-1]
        elif path:
            forecasts[t] = 2 * path[-1] - path[-2]
        path.append(keypoints[t] if seen else np.clip(forecasts[t], _LOWEST, _HIGHEST))
    return forecasts


def toy_path(keypoints: NDArray[np.float32], observed: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Returns the keypoints (T, K, 3) of every frame: observed, or else the clamped forecast.

    Args:
        keypoints: (T, K, 3); ignored where not observed.
        observed: (T,); the first is True.
    """
    forecast = np.clip(toy_rollout(keypoints, observed), _LOWEST, _HIGHEST)
    path: NDArray[np.float32] = np.where(observed[:, None, None], keypoints, forecast)
    return path


def toy_frame(keypoints: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Returns the toy synthesis's image (H, W, 3) for driving keypoints (K, 3)."""
    x, y, intensity = keypoints[0].tolist()
    colour = np.clip(np.round([255 * (x + 1) / 2, 255 * (y + 1) / 2, 255 * intensity]), 0, 255)
    return np.broadcast_to(colour.astype(np.uint8), (HEIGHT, WIDTH, 3)).copy()


_GRID: Final = ", ".join(f"{2 * i / (WIDTH - 1) - 1:.9f}" for i in range(WIDTH))

_KEYPOINT: Final = """
toy_keypoint (uint8[B, 16, 16, 3] image) => (float[B, 2, 3] keypoints)
<
    int64[2] channels = {0, 1}, int64[2] rows_columns = {1, 2}, int64[1] last = {2},
    float[1, 1, 16, 1] columns = {GRID}, float[1, 16, 1, 1] rows = {GRID},
    float tiny = {0.000001}, float largest = {65280}
>
{
    floats = Cast<to = 1>(image)
    weights = Gather<axis = 3>(floats, channels)
    total = ReduceSum<keepdims = 0>(weights, rows_columns)
    divisor = Max(total, tiny)
    weighted_columns = Mul(weights, columns)
    weighted_rows = Mul(weights, rows)
    sum_x = ReduceSum<keepdims = 0>(weighted_columns, rows_columns)
    sum_y = ReduceSum<keepdims = 0>(weighted_rows, rows_columns)
    x = Div(sum_x, divisor)
    y = Div(sum_y, divisor)
    intensity = Div(total, largest)
    x1 = Unsqueeze(x, last)
    y1 = Unsqueeze(y, last)
    intensity1 = Unsqueeze(intensity, last)
    keypoints = Concat<axis = 2>(x1, y1, intensity1)
}
""".replace("GRID", _GRID)

_PREDICTOR: Final = """
toy_predictor (float[B, T, 2, 3] keypoints, float[B, T] observed, float[B, T, 2] noise,
               float[B, 13] state)
    => (float[B, T, 2, 3] forecast, float[B, T, 2, 3] half_width90, float[B, 13] next_state)
<
    int64[3] flat = {0, 0, 6}, int64[4] sets = {0, 0, 2, 3}, int64[1] last = {2},
    int64[3] parts = {6, 6, 1}, float zero = {0}, float one = {1},
    float[2, 6] mixing = {0.01, 0, 0, 0, 0, 0, 0, 0, 0, 0.01, 0, 0},
    float[6] lowest = {-1, -1, 0, -1, -1, 0}, float[6] highest = {1, 1, 1, 1, 1, 1}
>
{
    points = Reshape(keypoints, flat)
    given = Unsqueeze(observed, last)
    next_state, forecasts, half_widths = Scan<
        num_scan_inputs = 3, scan_input_axes = [1, 1, 1], scan_output_axes = [1, 1],
        body = step (float[B, 13] before, float[B, 6] point, float[B, 1] seen, float[B, 2] z)
            => (float[B, 13] after, float[B, 6] forecast_t, float[B, 6] half_width_t)
        {
            previous, velocity, started = Split<axis = 1>(before, parts)
            speed = Abs(velocity)
            half_width_t = Min(speed, one)
            linear = Add(previous, velocity)
            jitter = MatMul(z, mixing)
            forecast_t = Add(linear, jitter)
            raised = Max(forecast_t, lowest)
            within = Min(raised, highest)
            is_seen = Greater(seen, zero)
            current = Where(is_seen, point, within)
            moved = Sub(current, previous)
            next_velocity = Mul(moved, started)
            nothing = Mul(started, zero)
            next_started = Add(nothing, one)
            after = Concat<axis = 1>(current, next_velocity, next_started)
        }
    >(state, points, given, noise)
    forecast = Reshape(forecasts, sets)
    half_width90 = Reshape(half_widths, sets)
}
"""

_SYNTHESIS: Final = """
toy_synthesis (uint8[B, 16, 16, 3] source_image, float[B, 2, 3] source_keypoints,
               float[B, T, 2, 3] driving_keypoints) => (uint8[B, T, 16, 16, 3] image)
<
    int64 first = {0}, int64[2] set_axes = {1, 2}, int64[3] image_axes = {1, 2, 3},
    int64[2] time_colour = {1, 2}, int64[2] rows_columns = {2, 3},
    int64[5] pixels = {1, 1, 16, 16, 1}, float[3] half = {0.5, 0.5, 1},
    float[3] shift = {0.5, 0.5, 0}, float zero = {0}, float scale = {255}
>
{
    keypoint = Gather<axis = 2>(driving_keypoints, first)
    halved = Mul(keypoint, half)
    unit = Add(halved, shift)
    floats = Cast<to = 1>(source_image)
    image_sum = ReduceSum<keepdims = 0>(floats, image_axes)
    keypoint_sum = ReduceSum<keepdims = 0>(source_keypoints, set_axes)
    source = Add(image_sum, keypoint_sum)
    weightless = Mul(source, zero)
    nothing = Unsqueeze(weightless, time_colour)
    colour = Add(unit, nothing)
    scaled = Mul(colour, scale)
    rounded = Round(scaled)
    clamped = Clip(rounded, zero, scale)
    bytes = Cast<to = 2>(clamped)
    pixel = Unsqueeze(bytes, rows_columns)
    image = Expand(pixel, pixels)
}
"""

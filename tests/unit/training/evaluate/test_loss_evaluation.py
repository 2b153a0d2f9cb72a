"""The figures of the evaluations of sending and of losses."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from support.codec_tables import plain_tables

from motioncast.codec.tables_file import write_tables
from motioncast.data.keypoints import Tracks, save_tracks
from motioncast.emulation import Link
from motioncast.evaluate import loss, sending
from motioncast.evaluate.transmission import Scheme, link_of, transmit, transmit_all
from motioncast.sending import Regular
from motioncast.timeline.pattern import Pattern

TABLES = plain_tables(3, step=16)  # an eighth of a pixel
PIXEL = 2 / 255  # of an image of 256, in keypoint units


def moving(frames: int, pixels: float = 1.0) -> np.ndarray:
    """Returns keypoints (T, 3, 3) moving by a constant amount per frame."""
    clip = np.zeros((frames, 3, 3), np.float32)
    clip[:, :, 0] = np.arange(frames)[:, None] * pixels * PIXEL
    return clip


def test_without_loss_the_error_is_the_codecs_and_every_frame_counts_once() -> None:
    found = transmit(TABLES, moving(20), Scheme("chain"), link_of(0.0, None, 5.0))
    assert (len(found.errors), found.packets, found.frames_sent) == (19, 19, 19)
    assert max(found.errors) < 0.13
    assert found.header_bits == found.bits + 32 * 19
    assert found.wire_bits == found.bits + (32 + 224) * 19


def test_a_link_that_loses_all_but_nothing_shows_the_source_for_ever() -> None:
    lost = Link(loss=1 - 1e-9)
    found = transmit(TABLES, moving(6), Scheme("source", "source"), lost)
    assert found.errors == pytest.approx([1, 2, 3, 4, 5], abs=1e-4)


def test_a_frame_of_delay_restores_every_second_frame_of_a_steady_motion() -> None:
    case = sending.Case("1:1", lambda _: Regular(Pattern(1, 1)))
    waiting = sending.Case(case.policy, case.make, delay_frames=1)
    held = sending.measure(TABLES, [moving(21)], case)
    waited = sending.measure(TABLES, [moving(21)], waiting)
    assert held.frames_sent == waited.frames_sent == 0.5
    assert held.error_pixels == pytest.approx(0.5, abs=0.1)  # half of the frames are off by a pixel
    assert waited.error_pixels < 0.13


def test_acknowledged_references_lose_what_is_lost_and_no_more() -> None:
    clip, link = moving(60), link_of(0.2, None, 4.0)
    chain = transmit(TABLES, clip, Scheme("chain"), link, seed=(1,))
    safe = transmit(TABLES, clip, Scheme("acknowledged", "acknowledged"), link, seed=(1,))
    # n consecutive lost frames are held, with errors of 1, 2, ..., n pixels.
    assert np.mean(safe.errors) < 0.13 + 0.2 / 0.8**2
    assert np.mean(safe.errors) < np.mean(chain.errors)
    assert safe.bits > chain.bits


class Continued:
    """Forecasts that the last movement goes on."""

    def begin(self) -> tuple[np.ndarray, ...]:
        return ()

    def forecast(self, state: tuple[np.ndarray, ...]) -> np.ndarray | None:
        return 2 * state[-1] - state[0] if state else None

    def after(
        self, state: tuple[np.ndarray, ...], keypoints: np.ndarray | None
    ) -> tuple[np.ndarray, ...]:
        now = self.forecast(state) if keypoints is None else keypoints
        return () if now is None else (*state[-1:], now)


def test_where_every_frame_is_sent_missing_ones_are_forecast_and_after_a_gate_held() -> None:
    clip, link = moving(60), link_of(0.2, None, 4.0)

    def worst(name: str, forecaster: Continued | None) -> float:
        [scheme] = [one for one in loss.schemes(1.5, (), forecaster) if one.name == name]
        return max(transmit(TABLES, clip, scheme, link, seed=(1,)).errors[3:])

    assert worst("acknowledged", Continued()) < 0.7 < 0.9 < worst("acknowledged", None)
    assert worst("gate", Continued()) == worst("gate", None)


def test_copies_cost_twice_and_the_same_seed_gives_the_same() -> None:
    clip, link = moving(30), link_of(0.3, 3.0, 4.0)
    once = transmit_all(TABLES, [clip], Scheme("source", "source"), link, seed=4)
    again = transmit_all(TABLES, [clip], Scheme("source", "source"), link, seed=4)
    twice = transmit_all(TABLES, [clip], Scheme("source", "source", copies=2), link, seed=4)
    assert once == again
    assert twice[0].bits == 2 * once[0].bits
    assert twice[0].frames_sent == once[0].frames_sent


def test_the_commands_print_tables_and_write_their_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "toy_keypoint"
    folder.mkdir()
    (folder / "codec.json").write_text(write_tables(TABLES))
    tracks = tmp_path / "t.npz"
    save_tracks(Tracks(("a",), (0, 12), torch.from_numpy(moving(12)), (False,)), tracks)
    given = ["--model", "toy", "--models", str(tmp_path), "--tracks", str(tracks)]

    held = [*given, "--no-predictor"]
    loss.main([*held, "--loss", "0.2", "--delay", "1", "--json", str(tmp_path / "l.json")])
    rows = json.loads((tmp_path / "l.json").read_text())["rows"]
    assert len(rows) == 8 * 3  # schemes by links: no loss, random, bursts
    assert {row["times"] for row in rows if row["loss"] == 0} == {1.0}
    assert "| gate, twice |" in capsys.readouterr().out

    sending.main([*given, "--gate", "2", "--no-predictor", "--json", str(tmp_path / "s.json")])
    rows = json.loads((tmp_path / "s.json").read_text())["rows"]
    assert rows[0]["frames_sent"] == 1.0
    assert rows[-1]["policy"] == "gate, 2 px"
    for wrong in (["--scheme", "none"], ["--burst", "0.5"]):
        with pytest.raises(SystemExit) as stopped:
            loss.main([*held, *wrong])
        assert stopped.value.code == 2

"""`motioncast send` and `motioncast receive`: two processes with a relay between them."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

from support.command_line import FRAMES, Run

from motioncast.client.video import read_video

COMMAND = [sys.executable, "-m", "motioncast.cli.main"]


def test_a_video_goes_from_one_process_to_another(
    coded_target: str, coded_repository: Path, clip: Path, tmp_path: Path
) -> None:
    sent, received, out = (tmp_path / name for name in ("sent.json", "got.json", "got.mp4"))
    models = ["--models", str(coded_repository)]
    send = ["send", str(clip), "--target", coded_target, "--predicted", "1", "--json", str(sent)]
    with subprocess.Popen([*COMMAND, *send, *models], stdout=subprocess.PIPE, text=True) as sender:
        assert sender.stdout is not None
        program, *receive = shlex.split(sender.stdout.readline())
        assert program == "motioncast"
        receive[-1] = str(out)
        options = [*models, "--threads", "1", "--json", str(received)]
        done = subprocess.run(
            [*COMMAND, *receive, *options], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert sender.wait() == 0
    assert f"{FRAMES} frames rendered by toy" in done.stdout
    told, got = json.loads(sent.read_text()), json.loads(received.read_text())
    assert got["frames"] == {"observed": 5, "predicted": 5, "concealed": 0}
    assert told["packets"] == got["bytes"]["packets"] == 5
    assert told["traffic"]["payload"] == got["bytes"]["payload"] <= 5 * 20
    assert got["bytes"]["source"] == told["traffic"]["source"]  # each end counts on its own
    if sys.platform == "linux":  # the kernel's count includes protocol overhead
        for wire, way in ((told["wire"], "sent"), (got["wire"], "received")):
            assert got["bytes"]["source"] + got["bytes"]["keypoints"] + 5 * 66 < wire[way] < 40_000
    with read_video(out, None) as video:
        assert sum(1 for _ in video.frames) == FRAMES
        assert video.frame_rate == 25


def test_a_gate_leaves_frames_out_and_a_viewer_by_the_clock_sees_the_whole_time(
    coded_target: str, coded_repository: Path, clip: Path, tmp_path: Path
) -> None:
    sent, received, out = (tmp_path / name for name in ("sent.json", "got.json", "got.mp4"))
    models = ["--models", str(coded_repository)]
    send = ["send", str(clip), "--target", coded_target, "--gate", "256", "--json", str(sent)]
    with subprocess.Popen([*COMMAND, *send, *models], stdout=subprocess.PIPE, text=True) as sender:
        assert sender.stdout is not None
        _, *receive = shlex.split(sender.stdout.readline())
        receive[-1] = str(out)
        options = [*models, "--threads", "1", "--real-time", "--delay", "1"]
        done = subprocess.run(
            [*COMMAND, *receive, *options, "--json", str(received)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert sender.wait() == 0
    told, got = json.loads(sent.read_text()), json.loads(received.read_text())
    assert told["packets"] == 1  # no forecast is 256 pixels off; the heartbeat would come later
    shown = FRAMES - got["first_index"]  # a slow receiver may miss the first frames
    assert got["frames"]["observed"] == (1 if got["first_index"] == 0 else 0)
    assert sum(got["frames"].values()) + got["repeated_frames"] == shown >= 1
    with read_video(out, None) as video:
        assert sum(1 for _ in video.frames) == shown


def test_a_delay_and_a_gate_that_cannot_be_are_sentences(
    run: Run, coded_target: str, coded_repository: Path, clip: Path, tmp_path: Path
) -> None:
    room = ("--target", coded_target, "--room", "r", "--token", "t", "--out", tmp_path / "v.mp4")
    result = run("receive", *room, "--delay", "2")
    assert result.code == 1
    assert "delay: requires --real-time" in result.err
    result = run(
        "send", clip, "--target", coded_target, "--models", coded_repository, "--gate", "0"
    )
    assert result.code == 1
    assert "gate: 0 pixels, expected more than 0" in result.err


def test_a_wrong_token_is_told_in_a_sentence_and_writes_nothing(
    run: Run, coded_target: str, tmp_path: Path
) -> None:
    out = tmp_path / "nothing.mp4"
    result = run(
        "receive", "--target", coded_target, "--room", "none", "--token", "0" * 32, "--out", out
    )
    assert (result.code, result.out) == (1, "")
    assert "join: there is no such room, or the token does not match" in result.err
    assert not out.exists()


def test_what_is_there_is_not_replaced_unless_asked_for(
    run: Run, coded_target: str, tmp_path: Path
) -> None:
    out = tmp_path / "there.mp4"
    out.write_bytes(b"mine")
    result = run("receive", "--target", coded_target, "--room", "r", "--token", "t", "--out", out)
    assert result.code == 1
    assert "--force" in result.err
    assert out.read_bytes() == b"mine"


def test_a_sender_that_is_killed_leaves_no_video(
    coded_target: str, coded_repository: Path, clip: Path, tmp_path: Path
) -> None:
    out = tmp_path / "got.mp4"
    models = ["--models", str(coded_repository)]
    send = ["send", str(clip), "--target", coded_target, "--watchers", "2"]
    with subprocess.Popen([*COMMAND, *send, *models], stdout=subprocess.PIPE, text=True) as sender:
        assert sender.stdout is not None
        _, *receive = shlex.split(sender.stdout.readline())
        receive[-1] = str(out)
        with subprocess.Popen(
            [*COMMAND, *receive, *models], stderr=subprocess.PIPE, text=True
        ) as receiver:
            while receiver.poll() is None and not list(tmp_path.iterdir()):
                time.sleep(0.05)  # until a temporary video file appears
            sender.kill()
            _, err = receiver.communicate()
    assert receiver.returncode == 1
    assert "the sender was lost before the end of the video" in err
    assert list(tmp_path.iterdir()) == []


def test_a_model_without_tables_is_refused(run: Run, coded_target: str, clip: Path) -> None:
    result = run("send", clip, "--target", coded_target)
    assert result.code == 1
    assert "the codec tables of toy cannot be read" in result.err


def test_a_relay_runs_alone(coded_repository: Path, clip: Path, tmp_path: Path) -> None:
    serve = ["serve", "relay", "--port", "0", "--http-port", "0", "--log-level", "INFO"]
    with subprocess.Popen(
        [*COMMAND, *serve], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as relay:
        assert relay.stdout is not None
        relay.stdout.readline()
        _, address, _ = relay.stdout.readline().split()
        send = ["send", str(clip), "--target", address, "--watchers", "0", "--quiet"]
        command = [*COMMAND, *send, "--models", str(coded_repository)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        relay.terminate()
        _, log = relay.communicate()
    assert done.returncode == 0, done.stderr
    words = shlex.split(done.stdout)
    room, token = words[words.index("--room") + 1], words[words.index("--token") + 1]
    assert f"room {room}: opened, toy" in log
    assert token not in log

"""Every command printed in a document parses, and those that only need a video are run.

Long commands run with minimal options, in the order of their page, on pieces of the bundled
interview; commands that are not run have a reason in `LEFT_OUT`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module, resources
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

import PIL.Image
import pytest
import typer.main
from support.documents import PAGES, ROOT, Command, commands

from motioncast.cli.app import app
from motioncast.client.video import read_video, write_video
from motioncast.data.command_line import Program

EVERY: Final = list(chain.from_iterable(map(commands, PAGES)))
RUN: Final = ("README.md", "docs/cli.md", "docs/framing.md", "docs/training.md")

# Commands of the other pages that take seconds; training or exporting takes minutes.
QUICK: Final = {
    "docs/data.md": "train tracks .*videos/train",
    "docs/evaluate.md": "evaluate keypoints|train tracks",
    "docs/export.md": "models operators",
    "docs/model_cards/lite128.md": "stream arm.mp4",
    "docs/security.md": "^motioncast certs",
}

# Commands of the other pages that are only parsed, and why; the first matching pattern applies.
ONLY_READ: Final = {
    r"docs/bench.md: .* bench-": "minutes of measuring: tests/benchmark runs both, short",
    r"docs/(export|bench|model_cards/\w+).md: .* (export|models compare) ": "takes minutes;"
    " integration/export does",
    r"docs/data.md: .*(softmotion|root/)": "a camera's recordings, which are not in the repository",
    r"_sets ": "takes people's videos and photographs, which are not in the repository",
    r"docs/bitstream.md: |docs/(rate|sending).md: ": "needs tracks or videos of people",
    r"docs/datagrams.md: ": "a server and its client: integration/cli/test_stream_coded.py",
    r"docs/evaluate.md: .*(--all|--data (people|FOLDER|softmotion))": "all clips: minutes to hours",
    r"docs/evaluate.md: .*(tracks.npz|PIXELS|SHARE)": "needs tracks and predictors",
    r"docs/model_cards/": "how weights were made and measured: hours, on data of their own",
    r"docs/observe.md: ": "takes a collector: integration/local/test_traces.py has one",
    r"docs/results/": "the experiments, hours of computing",
    r"docs/sessions.md: ": "serves until it is stopped: integration/client/test_surviving.py",
    r"docs/security.md: ": "certificates of a name, or somebody's issuer: cli and serving tests",
    r"docs/tutorial_personal.md: .*(train personal|ada|akiyo|salesman|VIDEO)": "one's own videos:"
    " README's `train personal` runs",
    r"docs/two_ends.md: ": "two that wait for one another: integration/cli",
}

# Commands of the pages in RUN that no test runs, and why.
LEFT_OUT: Final = {
    r"serve .*(triton|gpu)": "needs the real Triton, or a machine with a GPU",
    r"serve models$": "serves until it is stopped: integration/cli/test_model_server.py",
    r"serve (--pipeline|orchestrator|keypoint)": "integration/cli/test_commands.py",
    r"serve .*--ssl": "needs certificates; integration/local/test_doors.py serves by them",
    r"serve --models": "serves until it is stopped: as `motioncast serve` does, which runs",
    r"paper m1 ": "takes videos of 64 frames and five trained predictors: the paper's",
    r"--also photographs|lite128_adversarial": "needs photographs and other videos than the clip",
    r"train predictor .*--seeds": "five trainings of what one of the same page is",
    r"face_tracks|train.consensus|config face256 ": "needs sets of faces, which are not here",
    r"paper64|UvA": "needs UvA-NEMO, which is not in the repository",
    r"^torchrun": "needs several processors",
}
SHORTEST: Final = {
    "stream": ["--limit", "4", "--quiet"],
    "bench": ["--streams", "1", "--frames", "20", "--rounds", "1", "--quiet"],
    "train synthesis": ["--steps", "1", "--batch-size", "2"],
    "train predictor": ["--steps", "1", "--batch-size", "2"],
    "train personal": ["--steps", "1", "--config", "lite128"],
    "evaluate synthesis": ["--clips", "1"],
}


class Understood(Exception):  # noqa: N818  # not an error
    """The options were parsed without an error."""


@pytest.fixture
def reading_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes programs stop once they have parsed their options."""

    def call(self: Program[Any], arguments: Sequence[str]) -> None:
        self.command().make_context(self.name, list(arguments))
        raise Understood

    monkeypatch.setattr(Program, "__call__", call)


def test_there_are_commands() -> None:
    assert len(EVERY) > 80
    assert {command.page for command in EVERY} >= {*RUN, "docs/export.md", "docs/triton.md"}


@pytest.mark.parametrize("command", EVERY, ids=str)
def test_a_command_is_understood(command: Command, reading_only: None) -> None:
    words = command.words
    if words[0] == "motioncast":
        _understand(words[1:])
        return
    module = words[words.index("-m") + 1]  # python -m, and torchrun ... -m
    with pytest.raises(Understood):
        import_module(module).main(words[words.index(module) + 1 :])


def _understand(words: Sequence[str]) -> None:
    """Parses a command's options, as typer or the program behind it does."""
    command: Any = typer.main.get_command(app)
    rest = list(words)
    while hasattr(command, "commands") and not rest[0].startswith("-"):
        command = command.commands[rest.pop(0)]
    if hasattr(command, "commands"):  # options of `motioncast` itself
        with pytest.raises(typer.Exit):
            command.make_context(command.name, rest)
        return
    context = command.make_context(command.name, rest)
    if context.ignore_unknown_options:  # all options belong to the program behind it
        with pytest.raises(Understood):
            command.invoke(context)


@pytest.mark.parametrize("command", EVERY, ids=str)
def test_a_command_is_run_or_has_a_reason_not_to_be(command: Command) -> None:
    quick = QUICK.get(command.page)
    if command.page in RUN or (quick and re.search(quick, command.text)):
        return
    assert _reason(command) or any(re.search(what, str(command)) for what in ONLY_READ)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files named on the pages: talks, faces, folders of videos."""
    folder = tmp_path_factory.mktemp("workspace")
    asset = resources.files("motioncast.cli").joinpath("assets/interview.mp4")
    with resources.as_file(asset) as clip:
        shutil.copy(clip, folder / "me.mp4")
        with read_video(clip, None) as video:
            pictures = list(islice(video.frames, 40))
    for name in ("talk.mp4", "arm.mp4", *(f"{part}/{n}.mp4" for part in SETS for n in range(3))):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with write_video(folder / name, 25) as writer:
            for picture in pictures[::2] if name == "talk.mp4" else pictures:
                writer.write(picture)
    for name in ("face", "portrait", "calm", "laughing", "aside"):
        PIL.Image.fromarray(pictures[0]).save(folder / f"{name}.png")
    shutil.copy(ROOT / "training/checkpoints/lite128_synthesis.pt", folder / "synthesis.pt")
    for model in (ROOT / "model_repository").glob("face256_*"):
        shutil.copytree(model, folder / "model_repository" / model.name)
    return folder


SETS: Final = ("videos/train", "videos/test", "grid/train", "grid/test")


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    """The address of a `motioncast serve` on free ports."""
    command = [sys.executable, "-m", "motioncast.cli.main", "serve", "--port", "0"]
    command += ["--http-port", "0", "--log-level", "WARNING"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = None
        while found is None:
            line = process.stdout.readline()
            assert line, "motioncast serve has ended"
            found = re.search(r"orchestrator\D*(127\.0\.0\.1:\d+)", line)
        yield found[1]
        process.terminate()


@pytest.mark.parametrize("page", RUN)
def test_the_commands_of_a_page_run(page: str, workspace: Path, target: str) -> None:
    for left in ("out", "runs"):  # left by the previous page
        shutil.rmtree(workspace / left, ignore_errors=True)
    ran = 0
    for command in commands(ROOT / page):
        if command.text == "motioncast serve" or _reason(command):
            continue
        _run(command, workspace, target)
        ran += 1
    assert ran


@pytest.mark.parametrize("page", QUICK)
def test_the_quick_commands_of_other_pages_run(page: str, workspace: Path, target: str) -> None:
    quick = [one for one in commands(ROOT / page) if re.search(QUICK[page], one.text)]
    assert quick
    for command in quick:
        _run(command, workspace, target)


def _run(command: Command, workspace: Path, target: str) -> None:
    own_models = {**os.environ, "MOTIONCAST_USER_MODELS": str(workspace / "out" / "models")}
    words = [sys.executable, "-m", "motioncast.cli.main", *_shortened(command)[1:]]
    words = [re.sub(r"^(localhost|server):50050$", target, word) for word in words]
    ended = subprocess.run(
        words,
        cwd=workspace,
        env=own_models,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"


def _reason(command: Command) -> str | None:
    """Returns the reason why a command is not run; None if it is."""
    text = command.text.removeprefix("motioncast ")
    return next((why for what, why in LEFT_OUT.items() if re.search(what, text)), None)


def _shortened(command: Command) -> list[str]:
    words = command.words
    for name, options in SHORTEST.items():
        if words[1 : 1 + len(name.split())] == name.split():
            words = [
                word for word in words if not (name == "evaluate synthesis" and word == "--all")
            ]
            return [*words, *options]
    return words

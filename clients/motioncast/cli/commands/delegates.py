"""`motioncast train | evaluate | paper | export | models`: programs that parse their options."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Final

import typer

# Everything after the name is passed to the program, including `--help`.
PASS_ON: Final = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}

train = typer.Typer(help="Train a network on your own videos.", no_args_is_help=True)
evaluate = typer.Typer(help="Measure trained networks on held-out videos.", no_args_is_help=True)
paper = typer.Typer(help="Reproduce the paper's experiments.", no_args_is_help=True)


@train.command("synthesis", context_settings=PASS_ON)
def train_synthesis(context: typer.Context) -> None:
    """Keypoint detector and synthesis network, from a folder of videos."""
    _run("motioncast.train.synthesis", context)


@train.command("tracks", context_settings=PASS_ON)
def train_tracks(context: typer.Context) -> None:
    """Keypoints of a folder of videos, to train the predictor on."""
    _run("motioncast.data.keypoints", context)


@train.command("predictor", context_settings=PASS_ON)
def train_predictor(context: typer.Context) -> None:
    """Keypoint predictor, from tracks."""
    _run("motioncast.train.predictor", context)


@train.command("codec", context_settings=PASS_ON)
def train_codec(context: typer.Context) -> None:
    """Tables of the keypoint codec, from tracks."""
    _run("motioncast.train.codec", context)


@train.command("personal", context_settings=PASS_ON)
def train_personal(context: typer.Context) -> None:
    """The shipped networks fine-tuned to one person or scene, from minutes of video."""
    _run("motioncast.train.personal", context)


@evaluate.command("synthesis", context_settings=PASS_ON)
def evaluate_synthesis(context: typer.Context) -> None:
    """PSNR, SSIM, flicker and sharpness of reconstructed videos, against copying the source."""
    _run("motioncast.evaluate.synthesis", context)


@evaluate.command("keypoints", context_settings=PASS_ON)
def evaluate_keypoints(context: typer.Context) -> None:
    """Jitter, equivariance and jumps of a detector's keypoints."""
    _run("motioncast.evaluate.keypoints_command", context)


@evaluate.command("codec", context_settings=PASS_ON)
def evaluate_codec(context: typer.Context) -> None:
    """Bits, bytes and error of keypoints coded as packets."""
    _run("motioncast.evaluate.codec", context)


@evaluate.command("codec-pictures", context_settings=PASS_ON)
def evaluate_codec_pictures(context: typer.Context) -> None:
    """What the quantisation of keypoints costs in the picture."""
    _run("motioncast.evaluate.codec_pictures", context)


@evaluate.command("sending", context_settings=PASS_ON)
def evaluate_sending(context: typer.Context) -> None:
    """Costs of sending every frame, M:N and gates, and the error of what is shown."""
    _run("motioncast.evaluate.sending", context)


@evaluate.command("loss", context_settings=PASS_ON)
def evaluate_loss(context: typer.Context) -> None:
    """Effects of packet loss on keypoints: error and bits of every way to send them."""
    _run("motioncast.evaluate.loss", context)


@evaluate.command("rate", context_settings=PASS_ON)
def evaluate_rate(context: typer.Context) -> None:
    """Rate against quality, compared with x264, x265, VP9 and AV1 in real time."""
    _run("motioncast.evaluate.rate.command", context)


@evaluate.command("sources", context_settings=PASS_ON)
def evaluate_sources(context: typer.Context) -> None:
    """What up to four source images gain over one."""
    _run("motioncast.evaluate.sources_command", context)


@evaluate.command("forecast", context_settings=PASS_ON)
def evaluate_forecast(context: typer.Context) -> None:
    """Free-running forecast error at horizons 1 to 12, compared with simple predictors."""
    _run("motioncast.evaluate.forecast", context)


@paper.command("m1", context_settings=PASS_ON)
@evaluate.command("m1", context_settings=PASS_ON, hidden=True)
def paper_m1(context: typer.Context) -> None:
    """M1: 5 frames observed, 27 predicted; tables, figures and a page."""
    _run("motioncast.paper.protocol_command", context, "m1")


@paper.command("m2", context_settings=PASS_ON)
@evaluate.command("m2", context_settings=PASS_ON, hidden=True)
def paper_m2(context: typer.Context) -> None:
    """M2: every other frame observed, over 32 frames."""
    _run("motioncast.paper.protocol_command", context, "m2")


@paper.command("bair", context_settings=PASS_ON)
@evaluate.command("bair", context_settings=PASS_ON, hidden=True)
def paper_bair(context: typer.Context) -> None:
    """BAIR: 5 frames observed, 25 predicted."""
    _run("motioncast.paper.protocol_command", context, "bair")


@paper.command("horizons", context_settings=PASS_ON)
@evaluate.command("horizons", context_settings=PASS_ON, hidden=True)
def paper_horizons(context: typer.Context) -> None:
    """Whether the VRNN beats every other predictor at horizons 1 to 12, and how significantly."""
    _run("motioncast.paper.horizons_command", context)


@paper.command("linear-system", context_settings=PASS_ON)
def paper_linear_system(context: typer.Context) -> None:
    """How close predictors come to the optimum where it is known: in a linear dynamical system."""
    _run("motioncast.paper.linear_system", context)


def export(context: typer.Context) -> None:
    """Turn checkpoints into a Triton model repository."""
    _run("motioncast.export.__main__", context)


def models(context: typer.Context) -> None:
    """Show the operators of models, how fast they are and what a precision costs."""
    _run("motioncast.export.models_command", context)


def _run(module: str, context: typer.Context, *first: str) -> None:
    sys.argv[0] = context.command_path  # shown in the program's own help
    code = import_module(module).main([*first, *context.args])
    if code:
        raise typer.Exit(code)

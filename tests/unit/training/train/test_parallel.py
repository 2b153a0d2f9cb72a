"""Training with two real processes over gloo, as torchrun starts them."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from support.two_processes import train_predictor
from torch.testing import assert_close

from motioncast.train.parallel import Processes, choose_device, joined

TESTS = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The state of each of two processes after the same few steps."""
    out = tmp_path_factory.mktemp("ranks")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*torchrun, "-m", "support.two_processes", str(out)],
        env={**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [torch.load(out / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


def test_two_processes_take_the_steps_of_one_with_the_whole_batch(
    ranks: list[dict[str, Any]],
) -> None:
    assert_close(ranks[0]["predictor"], train_predictor(), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("network", ["predictor", "synthesis"])
def test_processes_stay_equal_to_each_other(ranks: list[dict[str, Any]], network: str) -> None:
    assert_close(ranks[0][network], ranks[1][network], atol=0, rtol=0)


def test_each_process_takes_its_own_part_of_a_batch() -> None:
    batch = torch.arange(6)
    parts = [Processes(rank=rank, count=3).part(batch).tolist() for rank in range(3)]
    assert parts == [[0, 1], [2, 3], [4, 5]]


def test_a_batch_that_does_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="5 samples cannot be divided equally among 2 processes"):
        Processes(count=2).part(torch.zeros(5))


def test_without_torchrun_a_process_is_alone() -> None:
    with joined("cpu") as processes:
        assert processes == Processes(torch.device("cpu"), rank=0, count=1)
        assert processes.leads


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused_and_auto_takes_the_cpu() -> None:
    with pytest.raises(ValueError, match=r"no GPU for process 0 \(PyTorch finds 0\)"):
        choose_device("cuda")
    assert choose_device("auto") == torch.device("cpu")

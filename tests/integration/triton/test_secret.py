"""Without the secret, clients can run models but neither load code nor map memory."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from support.toy_configs import build_configured_repository
from support.toy_models import image_with_points
from support.triton_server import (
    ask,
    folders,
    regions,
    shared_memory_name,
    skip_without_triton,
)
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from motioncast.inference.kserve import KServeEngine, KServeSettings
from motioncast.triton import EmbeddedTriton, TritonSettings
from motioncast.triton.secret import hide_secret
from motioncast.triton.stubs import find_stubs
from motioncast.wire.errors import InvalidInputError, UnknownModelError

pytestmark = pytest.mark.asyncio(loop_scope="module")

# A model whose files are in the request, as code for the Python backend.
_CONFIG = '{"backend": "python", "max_batch_size": 0, "input": [], "output": []}'
_CODE = b"import os; os.abort()"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def triton(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedTriton]:
    skip_without_triton()
    root = build_configured_repository(tmp_path_factory.mktemp("served"))
    async with EmbeddedTriton(TritonSettings(root, drain_seconds=1)) as triton:
        yield triton


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stranger(triton: EmbeddedTriton) -> AsyncIterator[InferenceServerClient]:
    async with InferenceServerClient(triton.address) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("load_model", ("toy_keypoint",)),
        ("unload_model", ("toy_keypoint",)),
        ("get_model_repository_index", ()),
        ("register_system_shared_memory", ("mine", "/stolen", 64)),
        ("get_system_shared_memory_status", ()),
        ("unregister_system_shared_memory", ()),
        ("update_log_settings", ({"log_file": "/tmp/log"},)),
    ],
)
@pytest.mark.parametrize("secret", [None, "guessed-by-somebody"])
async def test_a_stranger_controls_nothing(
    triton: EmbeddedTriton,
    stranger: InferenceServerClient,
    method: str,
    arguments: tuple[Any, ...],
    secret: str | None,
) -> None:
    headers = {key: secret for key in triton.headers if secret}
    with pytest.raises(InferenceServerException, match=r"[Tt]his protocol is restricted"):
        await getattr(stranger, method)(*arguments, headers=headers)


async def test_a_stranger_brings_no_code(stranger: InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match=r"[Tt]his protocol is restricted"):
        await stranger.load_model("evil", config=_CONFIG, files={"file:1/model.py": _CODE})


async def test_a_stranger_runs_models_and_asks_how_the_server_is(
    stranger: InferenceServerClient,
) -> None:
    assert await stranger.is_server_ready()
    images = image_with_points((3, 4), (5, 6))[np.newaxis]
    assert (await ask(stranger, "toy_keypoint", image=images)).as_numpy("keypoints").shape == (
        1,
        2,
        3,
    )


async def test_who_knows_the_secret_controls(
    triton: EmbeddedTriton, stranger: InferenceServerClient
) -> None:
    await stranger.load_model("toy_keypoint", headers=triton.headers)
    index = await stranger.get_model_repository_index(headers=triton.headers)
    assert {model.name for model in index.models} >= {"toy_keypoint", "toy_synthesis"}


async def test_an_engine_without_the_secret_is_told_where_it_belongs(
    triton: EmbeddedTriton,
) -> None:
    with pytest.raises(UnknownModelError, match="MOTIONCAST_TRITON_SECRET"):
        async with KServeEngine(KServeSettings(triton.address)):
            pass
    async with KServeEngine(KServeSettings(triton.address, secret=triton.secret)) as engine:
        assert "toy_keypoint" in engine.models()


async def test_the_secret_stands_nowhere_that_others_read(triton: EmbeddedTriton) -> None:
    assert triton.pid is not None
    secret = triton.secret.encode()
    pids = [triton.pid, *(stub.pid for stub in find_stubs(triton.pid))]
    reaper = int(Path(f"/proc/{triton.pid}/stat").read_text().rpartition(")")[2].split()[1])
    for pid in (reaper, *pids):
        assert secret not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert triton.secret not in repr(TritonSettings(Path(), secret=triton.secret))
    assert triton.secret not in repr(KServeSettings("h:1", secret=triton.secret))


async def test_regions_and_files_are_for_this_user_alone(triton: EmbeddedTriton) -> None:
    assert triton.pid is not None
    shared = regions(shared_memory_name(triton.pid))
    assert shared
    for file in shared:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    temporary = folders(Path(tempfile.gettempdir()))
    assert temporary
    for folder in temporary:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("secret", ["", "short", "sixteen or more, but with blanks", "x" * 257])
async def test_a_secret_that_is_none_is_refused(secret: str) -> None:
    with pytest.raises(InvalidInputError, match=r"^secret: must be 16 to 256 letters"):
        TritonSettings(Path(), secret=secret)


async def test_a_command_line_that_is_not_ours_is_left_alone() -> None:
    assert not hide_secret(2**22 + 1, "sixteen-or-more-letters")  # larger than any pid
    assert hide_secret(os.getpid(), "a-secret-that-stands-nowhere")

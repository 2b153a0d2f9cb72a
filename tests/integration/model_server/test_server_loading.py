"""Loading and unloading models on the KServe v2 server, and who is allowed to."""

from __future__ import annotations

from pathlib import Path

import grpc
from support.kserve_requests import SUM, refusal, request
from support.kserve_server import serving_kserve
from support.toy_models import write_model
from tritonclient.grpc import service_pb2

from motioncast.inference.kserve.settings import SECRET_HEADER


async def test_the_index_tells_of_every_model_and_of_those_that_are_ready(tmp_path: Path) -> None:
    write_model(tmp_path, "sum", SUM)
    folder = tmp_path / "torn" / "3"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"torn")
    async with serving_kserve(tmp_path) as served:
        index = await served.stub.RepositoryIndex(service_pb2.RepositoryIndexRequest())
        assert [(each.name, each.version, each.state) for each in index.models] == [
            ("sum", "1", "READY"),
            ("torn", "3", "UNAVAILABLE"),
        ]
        ready = await served.stub.RepositoryIndex(service_pb2.RepositoryIndexRequest(ready=True))
        assert [each.name for each in ready.models] == ["sum"]
        status, told = await refusal(served.stub.ModelInfer(request(model_name="torn")))
    assert status is grpc.StatusCode.UNAVAILABLE
    assert str(tmp_path) not in told


async def test_a_model_that_cannot_be_loaded_is_told_without_the_servers_files(
    tmp_path: Path,
) -> None:
    write_model(tmp_path, "sum", SUM)
    async with serving_kserve(tmp_path) as served:
        (tmp_path / "sum" / "2").mkdir()
        (tmp_path / "sum" / "2" / "model.onnx").write_bytes(b"torn")
        load = service_pb2.RepositoryModelLoadRequest(model_name="sum")
        assert await refusal(served.stub.RepositoryModelLoad(load)) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "model: sum cannot be loaded; see the log",
        )
        assert (await served.stub.ModelReady(service_pb2.ModelReadyRequest(name="sum"))).ready
        load.parameters["config"].string_param = "{}"
        status, told = await refusal(served.stub.RepositoryModelLoad(load))
        assert status is grpc.StatusCode.INVALID_ARGUMENT
        assert told.startswith("parameters: ")


async def test_a_model_is_unloaded_and_loaded_again(tmp_path: Path) -> None:
    write_model(tmp_path, "sum", SUM)
    ready = service_pb2.ModelReadyRequest(name="sum")
    async with serving_kserve(tmp_path) as served:
        await served.stub.RepositoryModelUnload(
            service_pb2.RepositoryModelUnloadRequest(model_name="sum")
        )
        assert not (await served.stub.ModelReady(ready)).ready
        status, _ = await refusal(served.stub.ModelInfer(request(model_name="sum")))
        assert status is grpc.StatusCode.UNAVAILABLE
        load = service_pb2.RepositoryModelLoadRequest(model_name="sum")
        await served.stub.RepositoryModelLoad(load)
        assert (await served.stub.ModelReady(ready)).ready


async def test_a_secret_is_asked_of_who_loads_models_or_shares_memory(tmp_path: Path) -> None:
    write_model(tmp_path, "sum", SUM)
    load = service_pb2.RepositoryModelLoadRequest(model_name="sum")
    unload = service_pb2.RepositoryModelUnloadRequest(model_name="sum")
    everything = service_pb2.SystemSharedMemoryUnregisterRequest()
    status = service_pb2.SystemSharedMemoryStatusRequest()
    async with serving_kserve(tmp_path, secret="known-to-some-of-us") as served:
        stub = served.stub
        for method, request in (
            (stub.RepositoryModelLoad, load),
            (stub.RepositoryModelUnload, unload),
            (stub.SystemSharedMemoryUnregister, everything),
            (stub.SystemSharedMemoryStatus, status),
        ):
            for secret in (None, "known-to-others"):
                metadata = ((SECRET_HEADER, secret),) if secret else ()
                code, told = await refusal(method(request, metadata=metadata))
                assert code == grpc.StatusCode.INVALID_ARGUMENT
                assert "this protocol is restricted" in told
            await method(request, metadata=((SECRET_HEADER, "known-to-some-of-us"),))

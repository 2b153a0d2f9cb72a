"""Reflection describes the services to a client without generated code."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2_grpc
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from support.tiny_services import KEYPOINT_SERVICE, MOTION_SERVICE, serving

from motioncast.serving import ServerSettings


def reflection(channel: grpc.aio.Channel) -> Any:
    return reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]


async def test_every_service_is_listed() -> None:
    async with serving() as served:
        request = ServerReflectionRequest(list_services="")
        call = reflection(served.channel).ServerReflectionInfo(iter([request]))
        response = await call.read()
    assert {service.name for service in response.list_services_response.service} == {
        KEYPOINT_SERVICE,
        MOTION_SERVICE,
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }


async def test_the_methods_of_a_service_are_described() -> None:
    async with serving() as served:
        request = ServerReflectionRequest(file_containing_symbol=KEYPOINT_SERVICE)
        call = reflection(served.channel).ServerReflectionInfo(iter([request]))
        response = await call.read()
    files = [
        FileDescriptorProto.FromString(data)
        for data in response.file_descriptor_response.file_descriptor_proto
    ]
    methods = {
        method.name for file in files for service in file.service for method in service.method
    }
    assert methods == {"Detect", "FindFaces", "ListModels", "ReadCodecTables"}


async def test_an_open_reflection_call_does_not_hold_the_drain() -> None:
    async with serving(settings=ServerSettings(drain_grace_seconds=600)) as served:
        call = reflection(served.channel).ServerReflectionInfo()
        await call.write(ServerReflectionRequest(list_services=""))
        await call.read()
        async with asyncio.timeout(10):
            await served.server.drain()
        assert await call.code() == grpc.StatusCode.OK

"""Calls need a valid token, and no part of a token is ever revealed."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import grpc.aio
import pytest
from google.protobuf.message import Message
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from support.tiny_services import Served, serving
from support.tokens import ISSUER, Issuer, bearer

from motioncast.serving import Context, ServerSettings, TokenSettings, caller, keys
from motioncast.v1.keypoint_pb2 import DetectRequest, DetectResponse
from motioncast.v1.motion_transfer_pb2 import GetServerInfoRequest, StreamRequest


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path / "keys.json")


@pytest.fixture
async def served(issuer: Issuer) -> AsyncIterator[Served]:
    async with serving(settings=ServerSettings(tokens=issuer.settings)) as served:
        yield served


async def refused(call: Callable[..., object], token: str | None) -> tuple[grpc.StatusCode, str]:
    """Returns the status and message of a refused unary call."""
    metadata = () if token is None else bearer(token)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(GetServerInfoRequest(), metadata=metadata)  # type: ignore[misc]
    return caught.value.code(), caught.value.details() or ""


WRONG: dict[str, tuple[Callable[[Issuer], str | None], str]] = {
    "none": (lambda _: None, "requires one"),
    "nonsense": (lambda _: "nonsense", "not a signed JWT"),
    "long": (lambda issuer: issuer.token() + 4096 * "A", "longer than 4096 bytes"),
    "unsigned": (Issuer.unsigned, "its algorithm is not one of ES256"),
    "HMAC of the public key": (
        Issuer.signed_with_the_public_key,
        "its algorithm is not one of ES256",
    ),
    "another way": (Issuer.in_another_way, "its algorithm is not one of ES256"),
    "altered": (Issuer.altered, "not signed by a key that this server knows"),
    "a stranger's": (Issuer.by_a_stranger, "not signed by a key that this server knows"),
    "expired": (lambda issuer: issuer.token(exp=int(time.time()) - 60), "has expired"),
    "in no time that is one": (
        lambda issuer: issuer.token(exp=10**400),
        "its claims cannot be read",
    ),
    "never expires": (lambda issuer: issuer.token(exp=None), "lacks the claim exp"),
    "not yet": (lambda issuer: issuer.token(nbf=int(time.time()) + 60), "its start of validity"),
    "audience": (lambda issuer: issuer.token(aud="another"), "its audience"),
    "issuer": (lambda issuer: issuer.token(iss="https://else.test"), "its issuer"),
    "nobody's": (lambda issuer: issuer.token(sub=None), "lacks the claim sub"),
}


@pytest.mark.parametrize("kind", WRONG)
async def test_a_token_that_does_not_count(
    served: Served, issuer: Issuer, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    make, sentence = WRONG[kind]
    token = make(issuer)
    caplog.set_level(logging.DEBUG)
    code, said = await refused(served.motion.GetServerInfo, token)
    assert code is grpc.StatusCode.UNAUTHENTICATED
    assert said.startswith("token: ")
    assert sentence in said
    if token is not None and len(token) > 20:
        for part in token.split("."):
            assert not part or part not in said + caplog.text


async def test_what_a_token_allows(served: Served, issuer: Issuer) -> None:
    sees = bearer(issuer.token(scope="watch"))
    await served.motion.GetServerInfo(GetServerInfoRequest(), metadata=sees)
    code, said = await refused(served.keypoints.Detect, issuer.token(scope="stream publish watch"))
    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert said == "token: it does not allow Detect, which requires the scope admin"
    everything = bearer(issuer.token(scope="admin"))
    answer = await served.keypoints.Detect(DetectRequest(model="abc"), metadata=everything)
    assert answer.inference_ms == 3
    for scope, allowed in (("stream", True), ("watch", False), ("admin", True), ("", False)):
        call = served.motion.Stream(metadata=bearer(issuer.token(scope=scope)))
        with (
            nullcontext() if allowed else suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError)
        ):
            await call.write(StreamRequest())  # the refusal may arrive first
            await call.done_writing()
        answers = [answer async for answer in call] if allowed else []
        assert bool(answers) is allowed
        ended = await call.code()
        assert ended is (grpc.StatusCode.OK if allowed else grpc.StatusCode.PERMISSION_DENIED)


async def test_scopes_that_are_no_words_allow_nothing(served: Served, issuer: Issuer) -> None:
    for said in ({"scope": 5}, {"scope": None, "scp": {"stream": 1}}, {"scope": None, "scp": [5]}):
        call = served.motion.Stream(metadata=bearer(issuer.token(**said)))
        assert await call.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_probes_have_no_token(served: Served) -> None:
    answer: HealthCheckResponse = await served.health.Check(HealthCheckRequest())
    assert answer.status == HealthCheckResponse.SERVING


async def test_who_calls_is_the_subject_and_not_the_address(issuer: Issuer) -> None:
    called: list[str] = []

    async def detect(request: Message, context: Context) -> DetectResponse:
        called.append(caller(context))
        return DetectResponse()

    settings = ServerSettings(tokens=issuer.settings)
    async with serving(settings=settings, detect=detect) as served:
        for subject in ("ada", "10.0.0.1:5"):
            token = issuer.token(scope="admin", sub=subject)
            await served.keypoints.Detect(DetectRequest(), metadata=bearer(token))
    assert called == [f"token:{ISSUER} ada", f"token:{ISSUER} 10.0.0.1:5"]


async def test_a_key_that_is_replaced_counts_no_more(served: Served, issuer: Issuer) -> None:
    before = issuer.token()
    await served.motion.GetServerInfo(GetServerInfoRequest(), metadata=bearer(before))
    issuer.rotate("second")
    code, _ = await refused(served.motion.GetServerInfo, before)  # before any call with the new key
    assert code is grpc.StatusCode.UNAUTHENTICATED
    after = bearer(issuer.token())
    await served.motion.GetServerInfo(GetServerInfoRequest(), metadata=after)


@contextmanager
def published(answer: Callable[[], bytes]) -> Iterator[tuple[str, list[str]]]:
    """Serves keys over HTTP; yields their URL and the list of requested paths."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            data = answer()
            self.send_response(200 if data else 503)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/keys", asked
        finally:
            server.shutdown()
            thread.join()


async def test_keys_from_a_url_are_fetched_once_and_again_for_a_new_one(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "PAUSE_SECONDS", 0.0)
    with published(issuer.jwks) as (url, asked):
        settings = replace(issuer.settings, keys=None, keys_url=url)
        async with serving(settings=ServerSettings(tokens=settings)) as served:
            info = served.motion.GetServerInfo
            tokens = [issuer.token(sub=f"{number}") for number in range(8)]
            await asyncio.gather(
                *(info(GetServerInfoRequest(), metadata=bearer(token)) for token in tokens)
            )
            assert asked == ["/keys"]
            before = issuer.token()
            issuer.rotate("second")
            await info(GetServerInfoRequest(), metadata=bearer(issuer.token()))
            assert asked == ["/keys"] * 2
            code, _ = await refused(info, before)
            assert code is grpc.StatusCode.UNAUTHENTICATED


async def test_keys_that_cannot_be_had_let_nobody_in(issuer: Issuer) -> None:
    for said in (b"", b"{", b'{"keys": []}', b" " * (keys.MAX_BYTES + 1)):
        with published(lambda said=said: said) as (url, asked):  # type: ignore[misc]
            settings = replace(issuer.settings, keys=None, keys_url=url)
            async with serving(settings=ServerSettings(tokens=settings)) as served:
                for _ in range(3):
                    code, sentence = await refused(served.motion.GetServerInfo, issuer.token())
                    assert code is grpc.StatusCode.UNAVAILABLE
                    assert sentence == "token: the keys to verify it are not available now"
            assert asked == ["/keys"]  # not once per call


def test_settings_without_an_issuer_are_none() -> None:
    with pytest.raises(Exception, match=r"^token_issuer: missing"):
        TokenSettings(keys=Path("keys.json"))

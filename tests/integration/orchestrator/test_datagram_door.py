"""The datagram port admits clients with a session's secret and answers no others."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator

import pytest
from support.quic_client import raw_client

from motioncast.orchestrator import DatagramSettings
from motioncast.orchestrator.datagrams import MAX_HANDSHAKES, DatagramDoor
from motioncast.orchestrator.door_certificate import door_certificate
from motioncast.wire.datagrams import OVER, REPLACED, WELCOME, WRONG_SECRET, ticket_of
from motioncast.wire.errors import InvalidInputError, UnavailableError

NOBODY_ANSWERS = 0.5  # seconds; an answer on loopback takes 1/100 of that


@pytest.fixture
async def door() -> AsyncIterator[DatagramDoor]:
    async with DatagramDoor(DatagramSettings()) as door:
        yield door


async def test_the_secret_is_welcome_and_datagrams_go_both_ways(door: DatagramDoor) -> None:
    with door.session() as session:
        secret = session.door.secret
        arrived = asyncio.Event()
        async with raw_client(door.port, session.door.certificate, ticket_of(secret)) as client:
            client.show(secret)
            await client.until()
            assert client.answer == WELCOME
            session.changed = arrived.set
            client.send(b"a packet")
            await asyncio.wait_for(arrived.wait(), 60)
            assert session.packets == [b"a packet"]
            session.send(b"an answer")
            await client.until()
            assert client.datagrams == [b"an answer"]


async def test_without_a_ticket_nobody_answers(door: DatagramDoor) -> None:
    with door.session() as session:
        for token in (b"", secrets.token_bytes(16)):
            with pytest.raises(TimeoutError):
                async with raw_client(door.port, session.door.certificate, token, NOBODY_ANSWERS):
                    pass
        assert session.counts.received == 0


async def test_another_secret_is_refused_in_words(door: DatagramDoor) -> None:
    with door.session() as session:
        ticket = ticket_of(session.door.secret)
        for forged in (secrets.token_bytes(32), session.door.secret[:31]):
            async with raw_client(door.port, session.door.certificate, ticket) as client:
                client.show(forged)
                await client.until()
                assert client.ended == (WRONG_SECRET, "no session has this secret")
        assert not session.connected


async def test_datagrams_before_the_secret_are_not_taken(door: DatagramDoor) -> None:
    with door.session() as session:
        secret = session.door.secret
        async with raw_client(door.port, session.door.certificate, ticket_of(secret)) as client:
            client.send(b"too early")
            client.show(secret)
            await client.until()
            assert client.answer == WELCOME
        assert session.packets == []


async def test_a_session_that_is_over_closes_its_door(door: DatagramDoor) -> None:
    with door.session() as session:
        secret, certificate = session.door.secret, session.door.certificate
        connecting = raw_client(door.port, certificate, ticket_of(secret))
        client = await connecting.__aenter__()
        client.show(secret)
        await client.until()
    await client.until()
    assert client.ended == (OVER, "the session is over")
    await connecting.__aexit__(None, None, None)
    with pytest.raises(TimeoutError):  # the secret has expired
        async with raw_client(door.port, certificate, ticket_of(secret), NOBODY_ANSWERS):
            pass


async def test_another_connection_takes_the_place_of_the_first(door: DatagramDoor) -> None:
    with door.session() as session:
        secret, certificate = session.door.secret, session.door.certificate
        async with raw_client(door.port, certificate, ticket_of(secret)) as first:
            first.show(secret)
            await first.until()
            async with raw_client(door.port, certificate, ticket_of(secret)) as second:
                second.show(secret)
                await second.until()
                await first.until()
                assert first.ended is not None
                assert first.ended[0] == REPLACED
                assert session.connected


async def test_a_session_begins_so_many_handshakes_and_no_more(door: DatagramDoor) -> None:
    with door.session() as session:
        ticket, certificate = ticket_of(session.door.secret), session.door.certificate
        for _ in range(MAX_HANDSHAKES):
            async with raw_client(door.port, certificate, ticket):
                pass
        with pytest.raises(TimeoutError):
            async with raw_client(door.port, certificate, ticket, NOBODY_ANSWERS):
                pass


async def test_the_certificate_is_the_one_that_was_told(door: DatagramDoor) -> None:
    _, _, other = door_certificate()
    with door.session() as session, pytest.raises(ConnectionError):
        async with raw_client(door.port, other, ticket_of(session.door.secret)):
            pass


async def test_any_bytes_are_passed_over(door: DatagramDoor) -> None:
    with door.session() as session:
        ticket, certificate = ticket_of(session.door.secret), session.door.certificate
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as noise:
            for size in (0, 1, 2, 20, 1199, 1200, 1500, 9000):
                for first in (b"\x00", b"\x40", b"\xc0", b"\xff"):
                    noise.sendto(
                        (first + secrets.token_bytes(size))[:size], ("127.0.0.1", door.port)
                    )
        async with raw_client(door.port, certificate, ticket) as client:
            client.show(session.door.secret)
            await client.until()
            assert client.answer == WELCOME


async def test_a_port_that_is_taken_is_said_in_words(door: DatagramDoor) -> None:
    with pytest.raises(UnavailableError, match=f"UDP port {door.port} of 127"):
        async with DatagramDoor(DatagramSettings(port=door.port)):
            pass
    with pytest.raises(InvalidInputError, match=r"datagram_port: 70000 is out of range"):
        DatagramSettings(port=70000)

from __future__ import annotations

import threading
from collections.abc import Callable

from motioncast.client.flow import Flow


def finished(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_the_sender_waits_until_what_it_sent_is_given_back() -> None:
    flow = Flow(2, None)
    for index in range(2):
        flow.wait_for_room()
        flow.read(index + 1, sent=index)
    waiting = finished(flow.wait_for_room)
    flow.read(5, sent=None)  # frames that are not sent use no room
    assert waiting.is_alive()
    flow.give(0)
    waiting.join()


def test_a_result_waits_for_the_video_to_get_to_it() -> None:
    flow, told = Flow(64, None), []
    waiting = finished(lambda: told.append(flow.reached(3)))
    flow.read(3, sent=2)
    assert waiting.is_alive()
    flow.read(4, sent=None)
    waiting.join()
    assert told == [True]


def test_what_lies_past_the_end_of_the_video_is_not_reached() -> None:
    flow = Flow(64, None)
    flow.read(3, sent=2)
    flow.end()
    assert [flow.reached(index) for index in range(5)] == [True, True, True, False, False]


def test_a_declared_length_needs_no_waiting() -> None:
    flow = Flow(64, 4)
    assert all(flow.reached(index) for index in range(4))


def test_nobody_waits_for_a_video_while_a_message_is_on_its_way() -> None:
    """The server may not read the message before the client reads its results."""
    flow = Flow(64, None)
    flow.write(begins=True)
    assert not flow.reached(0)


def test_nobody_waits_in_a_session_that_is_over() -> None:
    flow = Flow(1, None)
    flow.read(1, sent=0)
    sender, reader = finished(flow.wait_for_room), finished(lambda: flow.reached(7))
    flow.stop()
    sender.join()
    reader.join()

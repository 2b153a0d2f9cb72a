"""The resume tokens of one session: created after groups, and used to resume it.

frames so far -> ResumeState, signed -> client -> ResumeState, checked -> frames from then on
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from motioncast.orchestrator.accounting import Accounting
from motioncast.orchestrator.coding import SessionCoding
from motioncast.orchestrator.configuration import SessionConfig
from motioncast.orchestrator.framing import SessionFraming, Shown
from motioncast.orchestrator.progress import (
    BEGINNING,
    Progress,
    decode_camera,
    encode_camera,
    read_progress,
    write_progress,
)
from motioncast.orchestrator.resuming import ResumeKeys, check_state, refused, session_digest
from motioncast.v1.common_pb2 import KeypointSet
from motioncast.v1.resume_pb2 import ResumeState
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.framing import decode_crop, encode_crop
from motioncast.wire.limits import check_range


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a session, besides its pipeline, that continue elsewhere."""

    framing: SessionFraming
    coding: SessionCoding
    accounting: Accounting


class Resumption:
    """The state that a session resumed from, and the tokens that it can be resumed with.

    Args:
        keys: Keys that sign tokens.
        config: The effective configuration.
        owner: The session's owner.
        state: The state in the token that the session was opened with, already verified; None for a
            new session.

    Attributes:
        start: The first frame to make.
        progress: What the pipeline continues from.

    Raises:
        OutOfOrderError: The token is of another session.
        InvalidInputError: The token is signed but its contents are invalid.
    """

    def __init__(
        self, keys: ResumeKeys, config: SessionConfig, owner: bytes, state: ResumeState | None
    ) -> None:
        self._keys = keys
        self._config = config
        self._owner = owner
        self._state = state
        self._digest = session_digest(config)
        self.start = 0
        self.progress: Progress = BEGINNING
        if state is None:
            return
        if not config.resumable:
            raise refused("a session with delay_frames or datagrams cannot be resumed elsewhere")
        check_state(state, config, owner)
        check_range("config.resume_token.next_index", state.next_index, 1, 2**63)
        with _in_the_words_of_a_token():
            self.progress = read_progress(state, config.model.keypoints)
        self.start = state.next_index

    @property
    def resumed(self) -> bool:
        """Whether the session was resumed from a token."""
        return self._state is not None

    def check_source(self, index: int, digest: bytes) -> None:
        """Raises OutOfOrderError when a source sent again differs from the earlier one."""
        if self.progress.digests.get(index) != digest:
            raise refused(f"source {index} differs from the original one")

    def begin(self, parts: Parts) -> None:
        """Restores a session, whose sources were sent again, to where the earlier one ended.

        Raises:
            InvalidInputError: The token's contents are invalid.
        """
        state = self._state
        if state is None:
            return
        parts.accounting.go_on(state.counts)
        if state.HasField("shown"):
            with _in_the_words_of_a_token():
                crop = decode_crop(state.shown.crop)
                framer = None
                if state.HasField("camera"):
                    framer = decode_camera(state.camera, self._config.frame)
            parts.framing.go_on(Shown(crop, state.shown.faces, framer))

    def begin_coding(self, coding: SessionCoding) -> None:
        """Lets packets refer to the newest earlier one; must be called before any source."""
        state = self._state
        if state is not None and state.HasField("coded"):
            coding.go_on(state.coded.index, state.coded.keypoints)

    def token(self, next_index: int, progress: Progress, parts: Parts) -> bytes | None:
        """Returns the token after the frames before `next_index`; None if there can be none.

        Args:
            next_index: The first frame that has not been made.
            progress: The state of the pipeline.
            parts: The state of the rest.
        """
        state = ResumeState(
            model=self._config.model.name,
            session=self._digest,
            owner=self._owner,
            next_index=next_index,
            counts=parts.accounting.counts(),
        )
        write_progress(progress, state)
        reference = parts.coding.reference(next_index)
        if reference is not None and isinstance(reference.arrival, KeypointSet):
            state.coded.index = reference.index
            state.coded.keypoints.CopyFrom(reference.arrival)
        if (shown := parts.framing.latest) is not None:
            state.shown.crop.CopyFrom(encode_crop(shown.crop))
            state.shown.faces = shown.faces
            if shown.framer is not None and (camera := encode_camera(shown.framer)) is not None:
                state.camera.CopyFrom(camera)
        return self._keys.sign(state)


@contextmanager
def _in_the_words_of_a_token() -> Iterator[None]:
    """Turns errors about a token's contents into the error that a client gets."""
    try:
        yield
    except (ValueError, TypeError, InvalidInputError) as error:
        raise InvalidInputError.of("config.resume_token", str(error)) from error

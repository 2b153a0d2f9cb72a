"""What is sent when, against which frame, and what receivers show; needs only numpy and the codec.

    keypoints -> policy (every frame, M:N, gate) -> wait for others? -> reference -> codec
    codec -> frames -> playout (delay, interpolation, forecast, blend) -> keypoints

    sender = KeypointSender(tables, Gate(bound_pixels=1.0, weights=weights))
    receiver, playout = KeypointReceiver(tables), Playout(frame_rate=25)
    for packet in sender.push(index, keypoints): network.send(packet.data, now)
    for frame in receiver.receive(data): playout.arrive(frame.index, frame.keypoints, now)
    sender.acknowledge(receiver.acknowledgement())
    shown = playout.show(now)

The caller supplies the time: the index of the frame at the sender, seconds at the receiver. SDK,
command line and evaluation send by the same rules. docs/sending.md says what they cost.
"""

from motioncast.sending.forecasters import Forecaster, Hold, Keypoints
from motioncast.sending.link import Acknowledgement, LinkState
from motioncast.sending.ordering import Ordering
from motioncast.sending.playout import Playout, Shown
from motioncast.sending.policies import (
    COPIED_BOUND_PIXELS,
    EveryFrame,
    Gate,
    Policy,
    Regular,
    weighted_error,
)
from motioncast.sending.receiver import KeypointReceiver
from motioncast.sending.references import REFERENCES, ReferenceChoice
from motioncast.sending.sender import KeypointSender, SentPacket

__all__ = [
    "COPIED_BOUND_PIXELS",
    "REFERENCES",
    "Acknowledgement",
    "EveryFrame",
    "Forecaster",
    "Gate",
    "Hold",
    "KeypointReceiver",
    "KeypointSender",
    "Keypoints",
    "LinkState",
    "Ordering",
    "Playout",
    "Policy",
    "ReferenceChoice",
    "Regular",
    "SentPacket",
    "Shown",
    "weighted_error",
]

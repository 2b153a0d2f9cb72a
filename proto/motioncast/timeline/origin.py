"""Where the keypoints of a frame come from."""

from __future__ import annotations

from enum import StrEnum


class Origin(StrEnum):
    """Where the keypoints of a frame come from."""

    OBSERVED = "observed"  # the sender supplied them
    PREDICTED = "predicted"  # the sender skipped the frame on purpose; a forecast
    CONCEALED = "concealed"  # the frame was expected but did not arrive; a forecast

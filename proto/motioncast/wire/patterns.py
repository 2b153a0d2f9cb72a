"""The pattern of a session that names none: one for contract, SDK and command line.

Every frame is sent; a sender that knows nothing of patterns then sends nothing in vain, and what
is lost on the way is forecast all the same. Forecasting on purpose is asked for: 1:1, 5:5.
"""

from __future__ import annotations

from typing import Final

DEFAULT_OBSERVED: Final = 1  # M
DEFAULT_PREDICTED: Final = 0  # N

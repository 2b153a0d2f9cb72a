"""Numbers and lengths are checked against the API's ranges."""

from __future__ import annotations

import pytest

from motioncast.wire.errors import InvalidInputError
from motioncast.wire.limits import check_range


@pytest.mark.parametrize("value", [1, 2, 256])
def test_the_range_includes_its_ends(value: int) -> None:
    check_range("horizon", value, 1, 256)


def test_what_is_outside_is_told_with_the_limit() -> None:
    with pytest.raises(InvalidInputError, match=r"^horizon: 300 exceeds the limit of 256$") as got:
        check_range("horizon", 300, 1, 256)
    assert got.value.field == "horizon"
    with pytest.raises(InvalidInputError, match=r"^horizon: 0 is less than 1$"):
        check_range("horizon", 0, 1, 256)

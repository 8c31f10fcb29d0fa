"""What a do-not-call number means."""

from __future__ import annotations

import pytest

from dialer.commands import CommandError
from dialer.suppression import read_numbers


def test_read_as_dialed_in_the_one_region():
    assert read_numbers(["600 111 222", "+34600111222", "0034600111222"], {"ES"}) == [34600111222] * 3


@pytest.mark.parametrize("regions", [{"ES", "US"}, {None}, set()])
def test_without_one_region_a_plus_is_wanted(regions):
    assert read_numbers(["+34600111222"], regions) == [34600111222]
    with pytest.raises(CommandError, match=r"numbers\.1: .*needs a \+"):
        read_numbers(["+34600111222", "600111222"], regions)


def test_what_the_plan_does_not_know_is_taken_by_its_digits():
    assert read_numbers(["+34803123456", "+99912345678"], {"ES"}) == [34803123456, 99912345678]

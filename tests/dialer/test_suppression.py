"""What a do-not-call number means."""

from __future__ import annotations

import pytest

from dialer.commands import CommandError
from dialer.suppression import read_numbers


def test_read_as_dialed_in_the_one_region():
    assert read_numbers(["600 111 222", "+34600111222", "0034600111222"], {"ES"}) == ([34600111222] * 3, [])


@pytest.mark.parametrize("regions", [{"ES", "US"}, {None}, set()])
def test_without_one_region_a_plus_is_wanted(regions):
    numbers, refused = read_numbers(["+34600111222", "600111222"], regions)
    assert numbers == [34600111222]
    assert [(index, text) for index, text, _ in refused] == [(1, "600111222")]
    assert "needs a +" in refused[0][2]
    with pytest.raises(CommandError, match=r"numbers\.0: .*needs a \+.* \(and 1 more\); none was marked"):
        read_numbers(["600111222", "x"], regions)


def test_what_the_plan_does_not_know_is_taken_by_its_digits():
    assert read_numbers(["+34803123456", "+99912345678"], {"ES"})[0] == [34803123456, 99912345678]

"""Plain lines mean what the reference makes of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispositions import NumberError, normalise
from dispositions.plainlines import plain_form, read_plain

LINE = st.one_of(
    st.text("0123456789", min_size=1, max_size=16),
    st.builds(
        lambda code, rest: f"+{code}{rest}", st.sampled_from(["1", "34", "44", "33", "0"]), st.text("0123456789")
    ),
    st.text("+0123456789 ()-x", max_size=14),
)


def reference(line: str, region: str) -> int | None:
    try:
        return normalise(line, region, validity="possible", default_zone="UTC", reference=True).digits
    except NumberError as error:
        return -1 if error.reason == "premium" else None


@pytest.mark.parametrize("region", ["US", "ES", "GB", "FR", "DE", "IT", "CL", "CA"])
@given(lines=st.lists(LINE, min_size=1, max_size=30))
def test_plain_lines_are_what_the_reference_reads(region: str, lines: list[str]) -> None:
    values, others = read_plain("".join(f"{line}\n" for line in lines).encode(), region)
    left = {index for index, _ in others}
    assert [text.decode() for _, text in others] == [lines[index] for index in sorted(left)]
    taken = [line for index, line in enumerate(lines) if index not in left and line]
    assert len(taken) == len(values)
    for line, value in zip(taken, values.tolist(), strict=True):
        assert reference(line, region) in (value, -1), line


def test_the_lines_of_a_register_are_plain() -> None:
    values, others = read_plain(b"2015550123\r\n+12015550124\n\nnobody\n9175550100\n", "US")
    assert values.tolist() == [12015550123, 12015550124, 19175550100]
    assert others == [(3, b"nobody")]


def test_without_a_region_every_line_is_the_reference_s() -> None:
    values, others = read_plain(b"+12015550123\n", None)
    assert len(values) == 0
    assert others == [(0, b"+12015550123")]
    assert plain_form("ZZ") is None

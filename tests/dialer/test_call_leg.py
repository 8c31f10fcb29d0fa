"""What a customer's leg says on its way: ringing, or a recording that nobody listens to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dialer.call import CallState, CallTrigger
from dialer.call_leg import CallLegOwner
from dialer.sip import Provisional, sdp

AUDIO = sdp.audio("192.0.2.1", 4000)


@pytest.mark.parametrize(
    ("said", "announced"),
    [
        ([(183, AUDIO)], True),
        ([(183, None)], False),
        ([(180, None), (183, AUDIO)], False),
        ([(183, AUDIO), (180, None)], False),
        ([(181, None), (183, AUDIO), (183, None)], True),
        ([(180, AUDIO)], False),
    ],
)
def test_early_media_without_ringing_is_an_announcement(said: list[tuple[int, Any]], announced: bool) -> None:
    fired: list[CallTrigger] = []
    taken: list[str] = []
    guard = SimpleNamespace(result=lambda call, congested: taken.append(call))
    trunk = SimpleNamespace(guard=guard)
    call: Any = SimpleNamespace(id="1", state=CallState.PLACED, announced=False, trunk=trunk)
    control: Any = SimpleNamespace(fire=lambda _, trigger: fired.append(trigger), services=None)
    owner = CallLegOwner(call, control, SimpleNamespace())  # type: ignore[arg-type]
    for status, body in said:
        owner.on_provisional(Provisional("leg", status, "", body))
    assert call.announced is announced
    assert set(fired) == {CallTrigger.PROGRESS}
    assert set(taken) == {"1"}  # its trunk has carried the call

"""The ACK of a 200 leaves when a restart could end the call: its dialog is on disk, or was while it rang."""

from __future__ import annotations


def _held_back(floor):
    """From now on nothing that is posted reaches the disk, until the list is worked off."""
    entries, enter = [], floor.ledger._enter
    floor.ledger._enter = entries.append

    def let_go():
        floor.ledger._enter = enter
        for entry in entries:
            enter(entry)

    return let_go


def _methods(floor):
    return [method for _, method, *_ in floor.carrier.requests]


def test_without_ringing_it_waits_for_the_disk(stage, party, monkeypatch):
    from dialer import call_control

    monkeypatch.setattr(call_control, "LONGEST_HOLD", 30.0)

    async def play(floor):
        floor.carrier.default = party.of(ring=None)
        await floor.until(lambda: floor.carrier.lines)
        let_go = _held_back(floor)
        floor.carrier.answer(floor.carrier.lines[0])
        await floor.call_state("connecting")
        assert _methods(floor) == ["INVITE"]
        let_go()
        call, *_ = await floor.talking()
        assert _methods(floor)[:3] == ["INVITE", "ACK", "INVITE"]
        assert call.leg.up
        await floor.do("hangup", 0)

    stage(play)


def test_after_ringing_it_does_not(stage, party, monkeypatch):
    from dialer import call_control

    monkeypatch.setattr(call_control, "LONGEST_HOLD", 30.0)

    async def play(floor):
        floor.carrier.default = party.rings
        call = await floor.call_state("ringing")
        await floor.until(lambda: call.known_tag)
        let_go = _held_back(floor)
        floor.carrier.answer(floor.carrier.lines[0])
        await floor.talking()
        assert _methods(floor)[:2] == ["INVITE", "ACK"]
        let_go()
        await floor.do("hangup", 0)

    stage(play)


def test_it_does_not_wait_for_ever(stage, party, monkeypatch):
    from dialer import call_control

    monkeypatch.setattr(call_control, "LONGEST_HOLD", 0.05)

    async def play(floor):
        floor.carrier.default = party.of(ring=None)
        await floor.until(lambda: floor.carrier.lines)
        let_go = _held_back(floor)
        floor.carrier.answer(floor.carrier.lines[0])
        await floor.talking()
        let_go()
        await floor.do("hangup", 0)

    stage(play)


def test_a_hang_up_meanwhile_is_preceded_by_it(stage, party, monkeypatch):
    from dialer import call_control

    monkeypatch.setattr(call_control, "LONGEST_HOLD", 30.0)

    async def play(floor):
        floor.carrier.default = party.of(ring=None, no_audio=True)
        await floor.until(lambda: floor.carrier.lines)
        let_go = _held_back(floor)
        floor.carrier.answer(floor.carrier.lines[0])
        await floor.until(lambda: not floor.calls)
        assert _methods(floor) == ["INVITE", "ACK", "BYE"]
        let_go()

    stage(play, quiet=("answer_without_audio",))

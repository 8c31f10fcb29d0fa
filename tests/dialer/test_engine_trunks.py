"""Trunks that refuse, are silent, or are full; numbers that must not be dialed."""

from __future__ import annotations

import pytest

from dialer import trunk_guard

TWO = {"main": "", "spare": "reserve = true"}


def test_a_503_goes_on_over_the_reserve_with_the_same_call_id_and_the_next_cseq(stage, party):
    async def play(floor):
        main, spare = floor.carriers["main"], floor.carriers["spare"]
        main.default = party.status(503)
        call, _, _ = await floor.talking()
        assert call.trunk.name == "spare"
        ((first, one),) = main.invites()
        ((second, two),) = spare.invites()
        assert first == second
        assert two > one
        assert floor.rows("SELECT trunk FROM attempt") == [("spare",)]
        assert floor.trunks["main"].lines_in_use == 0
        assert not floor.trunks["main"].well(floor.clock.now())
        assert [e.reason for e in floor.named("trunk")] == ["503"]
        await floor.do("hangup", 0)

    stage(play, trunks=TWO)


def test_retry_after_is_honoured_and_then_the_trunk_is_used_again(stage, party):
    async def play(floor):
        main, spare = floor.carriers["main"], floor.carriers["spare"]
        main.default = party.status(503, retry_after=1)
        await floor.talking()
        rests = floor.trunks["main"].blocked_until - floor.clock.now()
        assert 0.5 < rests <= 1.0
        main.default = party.answers
        await floor.do("hangup", 0)
        await floor.until(lambda: floor.trunks["main"].well(floor.clock.now()))
        await floor.do("dispose", 0, code="no_interest")
        await floor.talking()
        assert (len(main.lines), len(spare.lines)) == (2, 1)
        assert [e.reason for e in floor.named("trunk")] == ["503", "rested"]
        await floor.do("hangup", 0)

    stage(play, trunks=TWO, numbers=2)


def test_a_500_is_tried_elsewhere_but_the_trunk_does_not_rest(stage, party):
    async def play(floor):
        floor.carriers["main"].parties[party.number(0)] = party.status(500)
        await floor.talking()
        assert len(floor.carriers["spare"].lines) == 1
        assert floor.trunks["main"].well(floor.clock.now())
        await floor.do("hangup", 0)

    stage(play, trunks=TWO)


def test_refused_everywhere(stage, party):
    async def play(floor):
        for carrier in floor.carriers.values():
            carrier.default = party.status(503)
        (ended,) = await floor.ended()
        assert (ended.outcome, ended.status) == ("congestion", 503)
        await floor.until(lambda: floor.unit.campaign.state.value == "no_trunk")

    stage(play, trunks=TWO)


def test_a_silent_trunk_fails_over_though_the_ring_time_out_is_shorter(stage, party):
    async def play(floor):
        floor.carriers["main"].default = party.never
        await floor.talking()
        assert [e.reason for e in floor.named("trunk")] == ["timeout"]
        assert not floor.named("call_ended")
        await floor.do("hangup", 0)

    stage(play, trunks=TWO, ring_timeout=1.0)


def test_a_silent_trunk_without_reserve_is_congestion(stage, party):
    async def play(floor):
        floor.carrier.default = party.never
        (ended,) = await floor.ended()
        assert (ended.outcome, ended.status) == ("congestion", 0)

    stage(play, ring_timeout=1.0)


def test_trying_and_then_silence_is_a_ring_time_out(stage, party):
    async def play(floor):
        floor.carrier.default = party.of(ring=None)
        (ended,) = await floor.ended()
        assert ended.outcome == "no_answer"
        assert floor.carrier.lines[0].over == "failed 487"

    stage(play, ring_timeout=1.0)


def test_a_burst_of_refusals_waits_for_the_reserves_calls_per_second(stage, party):
    async def play(floor):
        floor.carriers["main"].default = party.status(503)
        floor.carriers["spare"].default = party.status(486)
        ended = await floor.ended(6, 10)
        assert {e.outcome for e in ended} == {"busy"}
        starts = sorted(floor.carriers["spare"].invites().values())
        assert len(starts) == 6
        assert within_a_second(starts) <= 4

    stage(
        play,
        agents=6,
        numbers=6,
        trunks={"main": "calls_per_second = 40", "spare": "reserve = true\ncalls_per_second = 4"},
    )


def within_a_second(starts):
    return max(sum(1 for t in starts if start <= t < start + 1.0) for start in starts)


def test_calls_per_second_are_never_exceeded_at_the_carrier(stage, party):
    async def play(floor):
        floor.carrier.default = party.status(486)
        await floor.ended(30, 10)
        starts = sorted(floor.carrier.invites().values())
        assert within_a_second(starts) <= 12
        assert starts[-1] - starts[0] < 4.5

    stage(play, agents=10, numbers=30, trunks={"main": "calls_per_second = 12"})


def test_lines_are_never_exceeded_at_the_carrier(stage, party):
    async def play(floor):
        floor.carrier.default = party.of(ring=0.0, status=486)
        most = [0]

        def look():
            most.append(sum(1 for line in floor.carrier.lines if not line.over))
            return len(floor.named("call_ended")) >= 25

        incoming = floor.carrier._incoming
        floor.carrier._incoming = lambda event: (incoming(event), look())
        await floor.until(look)
        assert 1 <= max(most) <= 3

    stage(play, agents=8, numbers=25, trunks={"main": "lines = 3"})


def test_prefixes_that_are_not_allowed_never_reach_the_carrier(stage, party):
    async def play(floor):
        await floor.until(lambda: floor.outcomes() == ["rejected", "rejected"])
        await floor.ledger.flush()
        assert not floor.carrier.requests

    stage(play, numbers=2, trunks={"main": 'prefixes = ["+44"]'}, quiet=("no_route",))


@pytest.mark.parametrize("trouble", ["down", "rests", "full"])
def test_a_trunk_that_takes_nothing_does_not_hold_up_the_numbers_of_another(stage, party, trouble):
    async def play(floor):
        es = floor.trunks["es"]
        if trouble == "down":
            es.up, es.down_reason = False, "lost"
        elif trouble == "rests":
            es.rest(floor.clock.now(), 3.0)
        else:
            es.lines_in_use = es.table.lines
        british = [f"+4479111234{n:02d}" for n in range(3)]
        await floor.add(*british)
        for carrier in floor.carriers.values():
            carrier.default = party.status(486)
        floor.dial()
        ended = await floor.ended(3)
        assert sorted(e.number for e in ended) == british
        assert not floor.carriers["es"].requests
        if trouble == "full":
            es.lines_in_use = 0
        if trouble != "down":
            assert len(await floor.ended(43, 15)) == 43

    trunks = {"es": 'prefixes = ["+34"]\ncalls_per_second = 100', "gb": 'prefixes = ["+44"]\ncalls_per_second = 100'}
    stage(play, numbers=40, trunks=trunks, dial=False)


@pytest.mark.parametrize("name", ["own", "project:spring"])
def test_a_number_marked_between_claim_and_invite_is_not_dialed(stage, party, name):
    async def play(floor):
        place = floor.unit.dialing.placing._begin

        def marked_meanwhile(planned):
            numbers = [p.claim.number for p in planned]
            at = floor.clock.at()
            place(planned)
            floor.ledger.post(lambda tx: tx.add_do_not_call(numbers, name, at))

        floor.unit.dialing.placing._begin = marked_meanwhile
        await floor.until(lambda: floor.outcomes() == ["cancelled"])
        await floor.ledger.flush()
        assert not floor.carrier.requests
        assert floor.contact().state == "do_not_call"

    stage(play, quiet=("do_not_call_at_invite",), campaign='project = "spring"')


def test_options_lost_down_and_back_up(stage, party):
    async def play(floor):
        main, spare = floor.carriers["main"], floor.carriers["spare"]
        await floor.until(lambda: any(m == "OPTIONS" for _, m, *_ in main.requests))
        main.answers_options = False
        await floor.until(lambda: not floor.trunks["main"].up)
        await floor.add(party.number(7))
        call, _, _ = await floor.talking()
        assert call.trunk.name == "spare"
        main.answers_options = True
        await floor.until(lambda: floor.trunks["main"].up)
        await floor.do("hangup", 0)
        await floor.add(party.number(8))
        await floor.do("dispose", 0, code="no_interest")
        call, _, _ = await floor.talking()
        assert call.trunk.name == "main"
        assert [e.reason for e in floor.named("trunk")] == ["options_lost", "recovered"]
        await floor.do("hangup", 0)
        assert len(spare.lines) == 1

    stage(play, numbers=0, trunks={"main": "options_interval = 1", "spare": "reserve = true"}, quiet=("options_lost",))


@pytest.mark.parametrize("carrier_is", ["dead", "alive"])
def test_a_trunk_that_dies_in_mid_call(stage, party, carrier_is):
    """Its BYE is not answered: the line comes back when SIP gives up."""

    async def play(floor):
        _, customer, _ = await floor.talking()
        if carrier_is == "dead":
            floor.carrier.vanish(customer)
        await floor.do("hangup", 0)
        (ended,) = await floor.ended()
        assert ended.outcome == "answered"
        await floor.do("dispose", 0, code="no_interest")

    stage(play)


def test_a_carrier_that_means_something_else_by_a_code_is_understood(stage, party):
    async def play(floor):
        floor.carrier.default = party.status(403)
        (ended,) = await floor.ended()
        assert (ended.outcome, ended.status) == ("congestion", 403)

    stage(play, trunks={"main": 'causes = { sip = { 403 = "congestion" } }'})


def test_a_trunk_that_fails_half_of_its_calls_is_left_alone_then_tried_and_taken_back(stage, party):
    async def play(floor):
        main, spare = floor.carriers["main"], floor.carriers["spare"]
        main.default = party.status(500)
        spare.default = party.status(486)
        trunk = floor.trunks["main"]
        await floor.until(lambda: trunk.breaker.state.value == "open", 10)
        failed = len(main.invites())
        assert 4 <= failed <= 6  # four say enough; those on their way do not come back
        main.default = party.status(486)
        await floor.until(lambda: floor.named("trunk", reason="proven"), 10)
        said = [(e.reason, e.up, e.breaker) for e in floor.named("trunk")]
        assert said == [
            ("congestion", False, "open"),
            ("rested", True, "half_open"),
            ("proven", True, "closed"),
        ]
        await floor.ended(40, 15)
        assert len(spare.invites()) >= failed

    stage(
        play,
        agents=2,
        numbers=40,
        trunks={"main": "breaker = { calls = 4, rest = 1 }\ncalls_per_second = 20", "spare": "reserve = true"},
        quiet=("trunk_tripped",),
    )


def test_a_trunk_whose_rest_is_over_is_asked_before_it_gets_a_call(stage, party):
    async def play(floor):
        main = floor.carriers["main"]
        main.default = party.status(503, retry_after=1)
        await floor.talking()
        main.default = party.answers
        main.answers_options = False
        await floor.do("hangup", 0)
        await floor.until(lambda: floor.trunks["main"].breaker.state.value == "probing", 10)
        await floor.do("dispose", 0, code="no_interest")
        await floor.talking()
        assert len(main.lines) == 1
        main.answers_options = True  # the OPTIONS is repeated, and heard now
        await floor.until(lambda: floor.trunks["main"].breaker.state.value == "half_open", 10)
        await floor.do("hangup", 0)
        await floor.do("dispose", 0, code="no_interest")
        await floor.talking()
        assert len(main.lines) == 2
        await floor.do("hangup", 0)

    stage(play, numbers=3, trunks={"main": "options_interval = 60", "spare": "reserve = true"})


def test_what_is_shown_is_the_trunks_and_the_prefixs_and_changes_with_the_trunk(stage, party):
    async def play(floor):
        main = floor.carriers["main"]
        main.default = party.status(500)
        call, customer, _ = await floor.talking()
        assert call.trunk.name == "spare"
        first, second = main.lines[0].headers, customer.headers
        assert first["from"] == second["from"]
        assert first["from"].startswith('"Example Ltd" <sip:+34911111111@')
        assert first["p-asserted-identity"].startswith('"Example Ltd" <sip:+34911111111@')
        assert second["p-asserted-identity"].startswith('"Example Ltd" <sip:+34919999999@')
        assert "privacy" not in first
        assert first["session-expires"] == floor.phone().headers["session-expires"] == "1800"
        await floor.do("hangup", 0)

    stage(
        play,
        trunks={
            "main": 'asserted_identity = "caller_id"',
            "spare": 'reserve = true\nasserted_identity = "+34919999999"',
        },
        campaign='caller_name = "Example Ltd"\ncaller_ids = [{ prefix = "+346", number = "+34911111111" }]',
        sip={"session_expires": 1800},
    )


def test_a_trunk_that_does_not_answer_when_asked_rests_twice_as_long(stage, party, monkeypatch):
    monkeypatch.setattr(trunk_guard, "PROBE_TIMEOUT", 0.1)

    async def play(floor):
        main, trunk = floor.carriers["main"], floor.trunks["main"]
        main.default = party.status(503, retry_after=1)
        await floor.talking()
        main.answers_options = False
        main.default = party.answers
        await floor.until(lambda: floor.counters["trunk_probe_lost"])
        assert trunk.breaker.state.value == "open"
        assert 1.5 < trunk.breaker.until - floor.clock.now() <= 2.0
        assert len(main.lines) == 1
        await floor.do("hangup", 0)

    stage(
        play,
        trunks={"main": "options_interval = 60", "spare": "reserve = true"},
        quiet=("trunk_probe_lost", "options_lost"),
    )

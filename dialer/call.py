"""One attempt on the wire: its states, what moves it, and what must be done at each move.

The table says everything that may happen to a call. Actions are names of methods of `CallControl`; a pair that the
table does not have is a `CallStateError`: counted and logged by the switchboard, and the call goes on as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dialer.agent import Agent
    from dialer.leg import Leg
    from dialer.sip import DialogState, InvitePlan
    from dialer.trunk import Trunk
    from dispositions import Claim, Outcome


class CallState(StrEnum):
    """Where an attempt is."""

    PLACED = "placed"
    RINGING = "ringing"
    CANCELLING = "cancelling"
    WAITING = "waiting"
    CONNECTING = "connecting"
    TALKING = "talking"
    STRANDED = "stranded"
    MESSAGE = "message"
    ENDING = "ending"
    OVER = "over"


class CallTrigger(StrEnum):
    """What moves a call."""

    PROGRESS = "progress"
    ANSWER = "answer"
    NO_AUDIO = "no_audio"
    FAIL = "fail"
    RING_TIMEOUT = "ring_timeout"
    GIVE_UP = "give_up"
    AGENT_FOUND = "agent_found"
    PATIENCE_OVER = "patience_over"
    BRIDGED = "bridged"
    NOT_JOINED = "not_joined"
    AGENT_GONE = "agent_gone"
    HAND_OVER = "hand_over"
    HANGUP = "hangup"
    MESSAGE_OVER = "message_over"
    CUSTOMER_GONE = "customer_gone"
    FAX = "fax"


S, T = CallState, CallTrigger

#: (state, trigger) -> (next state, actions in order). Drawn in docs/design/engine.md from here.
CALL_TABLE: dict[tuple[CallState, CallTrigger], tuple[CallState, tuple[str, ...]]] = {
    (S.PLACED, T.PROGRESS): (S.RINGING, ("note_ringing",)),
    (S.PLACED, T.ANSWER): (S.WAITING, ("note_answer", "seek_agent")),
    (S.PLACED, T.NO_AUDIO): (S.ENDING, ("note_no_audio", "hang_up")),
    (S.PLACED, T.FAIL): (S.OVER, ("note_failure", "close")),
    (S.PLACED, T.RING_TIMEOUT): (S.CANCELLING, ("note_no_answer", "cancel")),
    (S.PLACED, T.GIVE_UP): (S.CANCELLING, ("note_given_up", "cancel")),
    (S.RINGING, T.PROGRESS): (S.RINGING, ()),
    (S.RINGING, T.ANSWER): (S.WAITING, ("note_answer", "seek_agent")),
    (S.RINGING, T.NO_AUDIO): (S.ENDING, ("note_no_audio", "hang_up")),
    (S.RINGING, T.FAIL): (S.OVER, ("note_failure", "close")),
    (S.RINGING, T.RING_TIMEOUT): (S.CANCELLING, ("note_no_answer", "cancel")),
    (S.RINGING, T.GIVE_UP): (S.CANCELLING, ("note_given_up", "cancel")),
    (S.CANCELLING, T.PROGRESS): (S.CANCELLING, ()),
    (S.CANCELLING, T.GIVE_UP): (S.CANCELLING, ()),
    (S.CANCELLING, T.FAIL): (S.OVER, ("note_cancelled", "close")),
    # The 200 crossed our CANCEL: somebody is on the line. An agent if one is free, else it is an abandoned call.
    (S.CANCELLING, T.ANSWER): (S.WAITING, ("note_crossing", "note_answer", "seek_agent_now")),
    (S.CANCELLING, T.NO_AUDIO): (S.ENDING, ("note_crossing", "note_no_audio", "hang_up")),
    (S.WAITING, T.AGENT_FOUND): (S.CONNECTING, ("connect",)),
    (S.WAITING, T.PATIENCE_OVER): (S.MESSAGE, ("note_abandoned", "play_message")),
    (S.WAITING, T.CUSTOMER_GONE): (S.OVER, ("note_abandoned", "close")),
    # The network tells of a fax machine (T.38): no person was reached, whoever was being connected or listening.
    (S.WAITING, T.FAX): (S.ENDING, ("note_fax", "hang_up")),
    (S.CONNECTING, T.FAX): (S.ENDING, ("note_fax", "hang_up")),
    (S.TALKING, T.FAX): (S.ENDING, ("note_fax", "hang_up")),
    (S.STRANDED, T.FAX): (S.ENDING, ("note_fax", "hang_up")),
    (S.MESSAGE, T.FAX): (S.ENDING, ("hang_up",)),
    (S.ENDING, T.FAX): (S.ENDING, ()),
    (S.CONNECTING, T.BRIDGED): (S.TALKING, ("note_connected",)),
    (S.CONNECTING, T.AGENT_GONE): (S.WAITING, ("note_unconnected", "seek_agent")),
    # The customer's side does not take the way to the agent, but it still hears our media port.
    (S.CONNECTING, T.NOT_JOINED): (S.MESSAGE, ("note_lost_connecting", "play_message")),
    (S.CONNECTING, T.CUSTOMER_GONE): (S.OVER, ("note_lost_connecting", "close")),
    (S.CONNECTING, T.HANGUP): (S.ENDING, ("note_lost_connecting", "hang_up")),
    (S.TALKING, T.CUSTOMER_GONE): (S.OVER, ("note_talk_over", "close")),
    (S.TALKING, T.HANGUP): (S.ENDING, ("note_talk_over", "hang_up")),
    (S.TALKING, T.HAND_OVER): (S.TALKING, ("hand_over",)),
    (S.TALKING, T.BRIDGED): (S.TALKING, ("note_handed_over",)),
    # The agent's leg is lost: the customer goes back to our media port and a colleague is sought for `patience`.
    (S.TALKING, T.AGENT_GONE): (S.STRANDED, ("strand", "seek_agent")),
    (S.STRANDED, T.AGENT_FOUND): (S.TALKING, ("reconnect",)),
    (S.STRANDED, T.PATIENCE_OVER): (S.MESSAGE, ("note_stranded", "play_message")),
    (S.STRANDED, T.CUSTOMER_GONE): (S.OVER, ("note_stranded", "close")),
    (S.STRANDED, T.HANGUP): (S.ENDING, ("note_stranded", "hang_up")),
    (S.MESSAGE, T.MESSAGE_OVER): (S.ENDING, ("hang_up",)),
    (S.MESSAGE, T.CUSTOMER_GONE): (S.OVER, ("close",)),
    (S.MESSAGE, T.HANGUP): (S.ENDING, ("hang_up",)),
    (S.ENDING, T.CUSTOMER_GONE): (S.OVER, ("close",)),
    (S.ENDING, T.HANGUP): (S.ENDING, ()),
    (S.ENDING, T.MESSAGE_OVER): (S.ENDING, ()),
    (S.ENDING, T.BRIDGED): (S.ENDING, ()),
    (S.ENDING, T.AGENT_GONE): (S.ENDING, ()),
}


class CallStateError(Exception):
    """`trigger` is not in the table for the call's state; the call is as it was."""

    def __init__(self, call: str, state: CallState, trigger: CallTrigger) -> None:
        super().__init__(f"call {call}: {trigger.value} in state {state.value}")
        self.state, self.trigger = state, trigger


@dataclass(slots=True, eq=False)
class Call:
    """An attempt in progress. `*_at` are epoch seconds, the other times monotonic."""

    id: str
    campaign: str
    claim: Claim
    trunk: Trunk
    leg: Leg
    plan: InvitePlan
    placed: float
    placed_at: float
    decided: float = 0.0
    """since when its next INVITE waits to be on disk"""
    state: CallState = CallState.PLACED
    reserved: Agent | None = None
    """placed for this agent: preview, manual, personal callback"""
    agent: Agent | None = None
    incoming: Agent | None = None
    """the colleague that a hand-over is on its way to"""
    tried: set[str] = field(default_factory=set)
    """trunks that this attempt has been refused by"""
    ringing: float | None = None
    answered: float | None = None
    answered_at: float | None = None
    agent_found: float | None = None
    connected: float | None = None
    told_pacer: bool = False
    untold: bool = False
    """answered, which the pacer hears when the re-INVITEs have left: see `CallControl.tell`"""
    pacer_agent: str | None = None
    """whom the pacer was told that the call is connected to"""
    dialog: DialogState | None = None
    known_tag: str | None = None
    """the far end's tag in the early dialog that is on disk"""
    sent: bool = False
    """an INVITE of this attempt has left, over whatever trunk"""
    leg_open: bool = False
    """an INVITE of this attempt has left and its leg has not failed"""
    standing: bool = False
    """the outcome is on disk, and the leg was still up then"""
    wait_from: float = 0.0
    """since when the customer waits for an agent"""
    cause: int | None = None
    """Q.850 cause that came with the final response"""
    moved_to: str | None = None
    """the number that the network announced instead of this one"""
    announced: bool = False
    """its trunk has played early media and has not said that it rings"""
    cancel_outcome: Outcome | None = None
    outcome: Outcome | None = None
    coded_by: str | None = None
    """the agent who gave the code while the call stood"""
    status: int = 0
    timers: dict[str, Any] = field(default_factory=dict)

    @property
    def number(self) -> str:
        """The number dialed, E.164."""
        return self.claim.number

    def move(self, trigger: CallTrigger) -> tuple[str, ...]:
        """Make the transition; the names of the actions to run, in order. CallStateError when the table has none."""
        step = CALL_TABLE.get((self.state, trigger))
        if step is None:
            raise CallStateError(self.id, self.state, trigger)
        self.state = step[0]
        return step[1]

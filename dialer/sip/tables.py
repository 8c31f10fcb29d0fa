"""Every state machine of the endpoint as data: `TABLE[state][event] = (next state, actions)`.

The classes that run them (`dialer.sip.machine`) have one method for each action name and look nothing up elsewhere;
`docs/design/sip.md` draws its diagrams from these tables. A missing key is a bug and raises `UndefinedTransition`. What
the network can bring in any state has a row in every state, if only to be ignored: an empty tuple of actions.

Event names: `1xx 2xx final` are responses (final = 300 to 699); a single capital letter is the timer of that name
(RFC 3261 Table 4; `L` and `M` from RFC 6026); `error` is a lost connection; `send_*` comes from the transaction user.
"""

from __future__ import annotations

from dialer.sip.errors import UndefinedTransition

__all__ = [
    "INVITE_CLIENT",
    "INVITE_SERVER",
    "LEG",
    "MACHINES",
    "PLAIN_CLIENT",
    "PLAIN_SERVER",
    "REGISTRATION",
    "SESSION",
    "Table",
    "step",
    "undefined",
]

Table = dict[str, dict[str, tuple[str, tuple[str, ...]]]]

# RFC 3261 17.1.1.2 with RFC 6026 7.2 (Accepted, timer M). `abandon` is RFC 3261 9.1: no final response 64*T1 after
# CANCEL.
#
# A 2xx in `completed` is in neither: RFC 6026 draws no arrow for it, RFC 3261 17.1.1.2 keeps only repetitions of the
# refusal from the user. But a proxy passes on every 2xx, though it has sent a refusal (RFC 3261 16.7 5), and each is an
# answered call that wants its ACK and BYE (13.2.2.4) now, not when timer D lets the next repetition in as a stray.
INVITE_CLIENT: Table = {
    "calling": {
        "A": ("calling", ("resend", "back_off")),
        "B": ("terminated", ("stop_timers", "forget", "report_timeout")),
        "1xx": ("proceeding", ("stop_timers", "report")),
        "2xx": ("accepted", ("stop_timers", "start_m", "report")),
        "final": ("completed", ("stop_timers", "acknowledge", "start_d", "report")),
        "abandon": ("terminated", ("stop_timers", "forget")),
        "error": ("terminated", ("stop_timers", "forget", "report_error")),
    },
    "proceeding": {
        "1xx": ("proceeding", ("report",)),
        "2xx": ("accepted", ("start_m", "report")),
        "final": ("completed", ("acknowledge", "start_d", "report")),
        "abandon": ("terminated", ("forget",)),
        "error": ("terminated", ("forget", "report_error")),
    },
    "accepted": {
        "1xx": ("accepted", ()),
        "2xx": ("accepted", ("report_again",)),
        "final": ("accepted", ()),
        "error": ("accepted", ()),
        "M": ("terminated", ("forget",)),
    },
    "completed": {
        "1xx": ("completed", ()),
        "2xx": ("completed", ("report_again",)),
        "final": ("completed", ("acknowledge",)),
        "error": ("completed", ()),
        "D": ("terminated", ("forget",)),
    },
    "terminated": {},
}

# RFC 3261 17.1.2.2.
PLAIN_CLIENT: Table = {
    "trying": {
        "E": ("trying", ("resend", "back_off")),
        "F": ("terminated", ("stop_timers", "forget", "report_timeout")),
        "error": ("terminated", ("stop_timers", "forget", "report_error")),
        "1xx": ("proceeding", ("slow_down",)),
        "2xx": ("completed", ("stop_timers", "start_k", "report")),
        "final": ("completed", ("stop_timers", "start_k", "report")),
    },
    "proceeding": {
        "E": ("proceeding", ("resend", "slow_down")),
        "F": ("terminated", ("stop_timers", "forget", "report_timeout")),
        "error": ("terminated", ("stop_timers", "forget", "report_error")),
        "1xx": ("proceeding", ()),
        "2xx": ("completed", ("stop_timers", "start_k", "report")),
        "final": ("completed", ("stop_timers", "start_k", "report")),
    },
    "completed": {
        "1xx": ("completed", ()),
        "2xx": ("completed", ()),
        "final": ("completed", ()),
        "error": ("completed", ()),
        "K": ("terminated", ("forget",)),
    },
    "terminated": {},
}

# RFC 3261 17.2.1 with RFC 6026 7.1 (Accepted, timer L). A 2xx is repeated here (timer G) until `ack_2xx`, as RFC 3261
# 13.3.1.4 asks.
INVITE_SERVER: Table = {
    "proceeding": {
        "request": ("proceeding", ("resend",)),
        "ack": ("proceeding", ()),
        "send_1xx": ("proceeding", ("send",)),
        "send_2xx": ("accepted", ("send", "await_ack", "start_g", "start_l")),
        "send_final": ("completed", ("send", "start_g", "start_h")),
    },
    "accepted": {
        "request": ("accepted", ()),
        "ack": ("accepted", ()),
        "ack_2xx": ("accepted", ("stop_g", "report_ack")),
        "G": ("accepted", ("resend", "back_off")),
        "L": ("terminated", ("stop_g", "forget", "report_end")),
    },
    "completed": {
        "request": ("completed", ("resend",)),
        "ack": ("confirmed", ("stop_timers", "start_i")),
        "G": ("completed", ("resend", "back_off")),
        "H": ("terminated", ("stop_timers", "forget")),
    },
    "confirmed": {
        "request": ("confirmed", ()),
        "ack": ("confirmed", ()),
        "I": ("terminated", ("forget",)),
    },
    "terminated": {},
}

# RFC 3261 17.2.2.
PLAIN_SERVER: Table = {
    "trying": {
        "request": ("trying", ()),
        "send_1xx": ("proceeding", ("send",)),
        "send_2xx": ("completed", ("send", "start_j")),
        "send_final": ("completed", ("send", "start_j")),
    },
    "proceeding": {
        "request": ("proceeding", ("resend",)),
        "send_1xx": ("proceeding", ("send",)),
        "send_2xx": ("completed", ("send", "start_j")),
        "send_final": ("completed", ("send", "start_j")),
    },
    "completed": {
        "request": ("completed", ("resend",)),
        "J": ("terminated", ("forget",)),
    },
    "terminated": {},
}

# One leg, ours (`calling` on) or the peer's (`incoming` on). `crossed` is RFC 3261 9.1: the 2xx passed our CANCEL on
# the way.
LEG: Table = {
    "calling": {
        "provisional": ("early", ()),
        "challenged": ("calling", ()),
        "answered": ("confirmed", ()),
        "refused": ("ended", ("fail",)),
        "timeout": ("ended", ("fail",)),
        "lost": ("ended", ("fail",)),
        "cancel": ("held", ()),  # RFC 3261 9.1: no CANCEL before a provisional response
    },
    "held": {
        "provisional": ("cancelling", ("send_cancel",)),
        "answered": ("confirmed", ("crossed",)),
        "refused": ("ended", ("fail",)),
        "timeout": ("ended", ("fail",)),
        "lost": ("ended", ("fail",)),
    },
    "early": {
        "provisional": ("early", ()),
        "challenged": ("calling", ()),
        "answered": ("confirmed", ()),
        "refused": ("ended", ("fail",)),
        "lost": ("ended", ("send_cancel", "fail")),  # over a new connection: nobody may be left ringing
        "cancel": ("cancelling", ("send_cancel",)),
    },
    "cancelling": {
        "provisional": ("cancelling", ()),
        "answered": ("confirmed", ("crossed",)),
        "refused": ("ended", ("fail",)),
        "lost": ("ended", ("fail",)),
        "gave_up": ("ended", ("abandon", "fail")),
    },
    "incoming": {
        "ring": ("incoming", ("send_ringing",)),
        "answer": ("answering", ("send_answer",)),
        "reject": ("ended", ("send_reject", "fail")),
        "cancelled": ("ended", ("send_reject", "fail")),
    },
    "answering": {
        "ack": ("confirmed", ()),
        "no_ack": ("ended", ("say_farewell", "end")),  # RFC 3261 13.3.1.4
        "bye": ("closing", ()),  # RFC 3261 15: not before the ACK
        "remote_bye": ("ended", ("end",)),
        "died": ("ended", ("say_farewell", "end")),
    },
    "closing": {
        "ack": ("ending", ("send_bye",)),
        "no_ack": ("ending", ("send_bye",)),
        "remote_bye": ("ended", ("end",)),
        "died": ("ended", ("say_farewell", "end")),
    },
    "confirmed": {
        "ack": ("confirmed", ()),
        "no_ack": ("ended", ("say_farewell", "end")),
        "bye": ("ending", ("send_bye",)),
        "remote_bye": ("ended", ("end",)),
        "gone": ("ended", ("end",)),  # 481: the peer knows the dialog no more
        "died": ("ended", ("say_farewell", "end")),  # RFC 3261 12.2.1.2: 408 or no answer at all
    },
    "ending": {
        "ack": ("ending", ()),
        "no_ack": ("ending", ()),
        "bye_done": ("ended", ("end",)),
        "remote_bye": ("ended", ("end",)),  # both hung up at once (RFC 3261 15.1.1)
        "gone": ("ending", ()),
        "died": ("ending", ()),
    },
    "ended": {
        "ack": ("ended", ()),
        "no_ack": ("ended", ()),
        "bye_done": ("ended", ()),
    },
}

# Offers and answers inside a confirmed dialog (RFC 3261 14, RFC 3311, RFC 3264). `glare` is a 491.
SESSION: Table = {
    "idle": {
        "offer": ("offering", ("send_offer",)),
        "remote_offer": ("offered", ()),
    },
    "offering": {
        "done": ("idle", ("send_queued",)),
        "glare": ("backing_off", ("start_back_off",)),
    },
    "backing_off": {
        "back_off_over": ("offering", ("send_offer",)),
        "remote_offer": ("yielding", ()),
    },
    "yielding": {  # a remote offer came while ours waits
        "back_off_over": ("yielding", ("start_back_off",)),
        "remote_done": ("backing_off", ()),
        "await_ack": ("yielding", ()),
    },
    "offered": {
        "remote_done": ("idle", ()),
        "await_ack": ("acknowledging", ()),
    },
    "acknowledging": {  # RFC 3261 14.1: no new INVITE until the remote one is acknowledged
        "offer": ("queued", ()),
        "remote_done": ("idle", ()),
    },
    "queued": {
        "remote_done": ("offering", ("send_offer",)),
    },
}

# A registration with a trunk (RFC 3261 10.2).
REGISTRATION: Table = {
    "trying": {
        "granted": ("registered", ()),
        "failed": ("trying", ("go_to_next",)),
        "refused": ("pausing", ("pause",)),
        "unregister": ("leaving", ("send",)),
    },
    "registered": {
        "refresh": ("trying", ("send_fresh",)),
        "unregister": ("leaving", ("stop", "send")),
    },
    "pausing": {
        "retry": ("trying", ("send_fresh",)),
        "unregister": ("ended", ("gone",)),
    },
    "leaving": {
        "left": ("ended", ("gone",)),
    },
    "ended": {},
}

MACHINES: dict[str, tuple[str, Table]] = {
    "INVITE client transaction": ("calling", INVITE_CLIENT),
    "non-INVITE client transaction": ("trying", PLAIN_CLIENT),
    "INVITE server transaction": ("proceeding", INVITE_SERVER),
    "non-INVITE server transaction": ("trying", PLAIN_SERVER),
    "leg": ("calling", LEG),
    "session": ("idle", SESSION),
    "registration": ("trying", REGISTRATION),
}
"""Title of a diagram -> (initial state, table)."""


def step(table: Table, state: str, event: str) -> tuple[str, tuple[str, ...]]:
    """Next state and actions. Raises `UndefinedTransition` for a pair that the table does not hold."""
    try:
        return table[state][event]
    except KeyError:
        raise undefined(state, event) from None


def undefined(state: str, event: str) -> UndefinedTransition:
    """What to raise for a pair that a table does not hold."""
    return UndefinedTransition(f"no transition for {event!r} in state {state!r}")

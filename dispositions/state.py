"""The states of a contact and the only moves between them, as a table.

A contact's state is the table of the store in which its row stands (`ready`, `lease`, `waiting`, `review`,
`settled`), so moving it is a delete there and an insert here in one transaction. Every move looks up `MOVES`; a
missing key is an error with a name. `docs/design/store.md` shows the diagram that `diagram()` draws; a test holds
them together."""

from __future__ import annotations

from enum import StrEnum

from dispositions.errors import StoreConflict


class ContactState(StrEnum):
    """Where a contact stands. Exactly one at any time."""

    READY = "ready"
    LEASED = "leased"
    WAITING = "waiting"
    CALLBACK = "callback"
    REVIEW = "review"
    DONE = "done"
    SOLD = "sold"
    DO_NOT_CALL = "do_not_call"
    BAD_NUMBER = "bad_number"
    EXHAUSTED = "exhausted"
    NO_CONSENT = "no_consent"
    FILTERED = "filtered"
    WITHDRAWN = "withdrawn"


SETTLED = frozenset(
    {
        ContactState.DONE,
        ContactState.SOLD,
        ContactState.DO_NOT_CALL,
        ContactState.BAD_NUMBER,
        ContactState.EXHAUSTED,
        ContactState.WITHDRAWN,
    }
)
"""The states that nobody dials again, until an agent's correction says otherwise."""
WITHHELD = frozenset({ContactState.NO_CONSENT, ContactState.FILTERED})
"""Not to be dialed as things are: no lawful basis on record, or not what the campaign's filter asks for. Consent that
is recorded, or a campaign whose settings change, brings them back."""


class Move(StrEnum):
    """What may happen to a contact."""

    CLAIM = "claim"
    RELEASE = "release"
    HOLD = "hold"
    PROMOTE = "promote"
    TALKED = "talked"
    RETRY = "retry"
    CALLBACK = "callback"
    EXPIRE = "expire"
    DONE = "done"
    SALE = "sale"
    DO_NOT_CALL = "do_not_call"
    BAD_NUMBER = "bad_number"
    EXHAUST = "exhaust"
    NO_CONSENT = "no_consent"
    FILTER = "filter"
    ADMIT = "admit"
    WITHDRAW = "withdraw"


_S, _M = ContactState, Move

RESULTS: dict[Move, ContactState] = {
    _M.RETRY: _S.WAITING,
    _M.CALLBACK: _S.CALLBACK,
    _M.DONE: _S.DONE,
    _M.SALE: _S.SOLD,
    _M.DO_NOT_CALL: _S.DO_NOT_CALL,
    _M.BAD_NUMBER: _S.BAD_NUMBER,
    _M.EXHAUST: _S.EXHAUSTED,
}
"""The moves that an outcome or a disposition code can ask for. A late correction may ask for them from every state in
which no other attempt is under way."""

MOVES: dict[tuple[ContactState, Move], ContactState] = (
    {
        # dialing
        (_S.READY, _M.CLAIM): _S.LEASED,
        (_S.WAITING, _M.CLAIM): _S.LEASED,
        (_S.CALLBACK, _M.CLAIM): _S.LEASED,
        (_S.LEASED, _M.RELEASE): _S.READY,
        (_S.LEASED, _M.TALKED): _S.REVIEW,
        # time passes
        (_S.WAITING, _M.PROMOTE): _S.READY,
        (_S.CALLBACK, _M.PROMOTE): _S.READY,
        (_S.CALLBACK, _M.EXPIRE): _S.WAITING,
        # a claim finds that a cap or a hold forbids it
        (_S.READY, _M.HOLD): _S.WAITING,
        # the claim, or a change of the campaign's settings, finds that it must not be dialed as things are
        (_S.READY, _M.NO_CONSENT): _S.NO_CONSENT,
        (_S.READY, _M.FILTER): _S.FILTERED,
        (_S.WAITING, _M.NO_CONSENT): _S.NO_CONSENT,
        (_S.NO_CONSENT, _M.ADMIT): _S.WAITING,
        (_S.FILTERED, _M.ADMIT): _S.WAITING,
        # a personal callback that was claimed and not dialed goes back to its agent
        (_S.LEASED, _M.HOLD): _S.CALLBACK,
    }
    | {(state, move): target for state in _S if state is not _S.READY for move, target in RESULTS.items()}
    | {
        # a register or a customer withdraws it, a retired number ends it, the caps end it
        (_S.READY, _M.DO_NOT_CALL): _S.DO_NOT_CALL,
        (_S.READY, _M.BAD_NUMBER): _S.BAD_NUMBER,
        (_S.READY, _M.EXHAUST): _S.EXHAUSTED,
        # the company takes it back
        (_S.READY, _M.WITHDRAW): _S.WITHDRAWN,
        (_S.WAITING, _M.WITHDRAW): _S.WITHDRAWN,
        (_S.CALLBACK, _M.WITHDRAW): _S.WITHDRAWN,
        (_S.NO_CONSENT, _M.WITHDRAW): _S.WITHDRAWN,
        (_S.FILTERED, _M.WITHDRAW): _S.WITHDRAWN,
        # a correction of the last attempt after its contact came due again
        (_S.READY, _M.RETRY): _S.WAITING,
        (_S.READY, _M.CALLBACK): _S.CALLBACK,
        (_S.READY, _M.DONE): _S.DONE,
        (_S.READY, _M.SALE): _S.SOLD,
    }
)


def after(state: ContactState, move: Move) -> ContactState:
    """The state that `move` leads to. Raises `StoreConflict` when it is not allowed from `state`."""
    try:
        return MOVES[state, move]
    except KeyError:
        raise StoreConflict(f"a contact that is {state} cannot {move}") from None


def diagram() -> str:
    """The table as a Mermaid state diagram; moves that share both ends are drawn as one arrow.
    Corrections (results asked for from a settled state) are left out: they would hide the rest."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (state, move), target in MOVES.items():
        if _corrects(state, move):
            continue
        arrows.setdefault((state, target), []).append(move)
    lines = ["stateDiagram-v2", "    [*] --> ready: add"]
    lines += [f"    {source} --> {target}: {', '.join(moves)}" for (source, target), moves in arrows.items()]
    lines += [f"    {state} --> [*]" for state in _S if state in SETTLED]
    return "\n".join(lines) + "\n"


def _corrects(state: ContactState, move: Move) -> bool:
    if state in SETTLED:
        return True
    if move not in RESULTS:
        return False
    shown: dict[ContactState, tuple[Move, ...]] = {
        _S.READY: (_M.DO_NOT_CALL, _M.EXHAUST),
        _S.WAITING: (_M.DO_NOT_CALL,),
        _S.CALLBACK: (_M.DO_NOT_CALL,),
        _S.NO_CONSENT: (),
        _S.FILTERED: (),
    }
    return state in shown and move not in shown[state]

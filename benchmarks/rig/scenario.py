"""SIPp scenarios, written from settings: a carrier that answers as real ones do, and agents' phones that stay up.

Both log what they see with SIPp's <log> action, one line per event: `EVENT CALL-ID NUMBER DATE TIME EPOCH-SECONDS`.
Nothing of the dialer is in that log: the joins count on it.

The carrier follows RFC 3261: a CANCEL after the final response changes nothing (9.2), a request on a call that it has
ended gets 481 (12.2.2), crossing BYEs both get their answer. SIPp does not send while it repeats a message unless what
came is expected right after that message, hence CANCEL, BYE and a repeated INVITE are awaited beside the ACK. To SIPp
any ACK is the ACK that it waits for, and one that comes when it waits for none ends the call without a word: a second
ACK (each copy of a 200 gets one, 13.2.2.4) that arrives behind a re-INVITE must be expected everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

HEADERS = "[last_Via:]\n[last_From:]\n[last_To:]{tag}\n[last_Call-ID:]\n[last_CSeq:]\n"
CONTACT = "Contact: <sip:{user}@[local_ip]:[local_port]>\n"
SDP = """Content-Type: application/sdp
Content-Length: [len]

v=0
o={user} [pid] {version} IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio {port} RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=sendrecv
"""
EMPTY = "Content-Length: 0\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierSettings:
    """What becomes of calls: shares of 100 (what is left over rings without answer), times in seconds. Without `rings`
    no 180 is sent: the first that the dialer hears beyond 100 is the final response.
    """

    answer: float = 50.0
    busy: float = 15.0
    not_found: float = 5.0
    unavailable_503: float = 3.0
    temporarily_480: float = 7.0
    ring: tuple[float, float] = (0.5, 1.5)
    hold: tuple[float, float] = (1.5, 2.5)
    retry_after: int = 1
    rings: bool = True

    def __post_init__(self) -> None:
        """Shares must fit into 100."""
        total = self.answer + self.busy + self.not_found + self.unavailable_503 + self.temporarily_480
        if not 0 <= total <= 100:
            raise ValueError(f"the carrier's shares add up to {total:g}, more than 100")


def _send(
    line: str, *, tag: str = "", sdp: str = "", extra: str = "", user: str = "carrier", attributes: str = ""
) -> str:
    body = sdp or EMPTY
    text = f"SIP/2.0 {line}\n{HEADERS.format(tag=tag)}{CONTACT.format(user=user)}{extra}{body}"
    return f"<send{attributes}><![CDATA[\n{text}\n]]></send>\n"


def _note(event: str) -> str:
    return f'<log message="{event} [call_id] [$number] [timestamp]"/>'


def _assign(*names: str) -> str:
    return "".join(f'<assign assign_to="{name}" value="1"/>' for name in names)


def _action(event: str, *names: str) -> str:
    """Log the event and set the names, in no time at all."""
    return f"<action>\n{_note(event)}{_assign(*names)}\n</action>"


def _log(event: str, *names: str) -> str:
    """A step that does so."""
    return f"<nop>{_action(event, *names)}</nop>\n"


def _pause(span: tuple[float, float]) -> str:
    return f'<pause distribution="uniform" min="{span[0] * 1000:.0f}" max="{span[1] * 1000:.0f}"/>\n'


TAG = ";tag=[pid]c[call_number]"
RETRANS = ' retrans="500"'
BYE = f"""<send{RETRANS}><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[routes]
From: [$to]{TAG}
To: [$from]
Call-ID: [call_id]
CSeq: 1 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
"""
# SIPp makes each step of a scenario at its next millisecond; what is done on receiving needs none, and what the same
# read brings right behind is not taken between them.
_REINVITED = f'<recv request="INVITE" crlf="true">{_action("REINVITE")}</recv>\n'
_BYE = f'<recv request="BYE" optional="{{}}" next="30">{_action("BYE", "ended", "theirs")}</recv>\n'
_BYE_CROSSED = f'<recv request="BYE" optional="true" next="51">{_action("BYE_CROSSED")}</recv>\n'
_BYE_ANSWERED = f'<recv response="200" optional="global" next="98">{_action("END", "over")}</recv>\n'
OPTIONS_LABEL = "90"
STRAY_ACK = "60"
REFUSALS = ("12", "13", "16", "17", "18")
"""The labels of the carrier's refusals."""


def _sdp(user: str, version: int, port: str = "[media_port]") -> str:
    return SDP.format(user=user, version=version, port=port)


def _answer_invite(line: str, body: str) -> str:
    """A response to the INVITE when another request has come since: from what was kept of it."""
    head = f"SIP/2.0 {line}\nVia:[$via]\nFrom:[$from]\nTo:[$to]{TAG}\n[last_Call-ID:]\nCSeq: [$cseq] INVITE\n"
    return f"<send{RETRANS}><![CDATA[\n{head}{CONTACT.format(user='carrier')}{body}\n]]></send>\n"


def _await_ack(then: str, *, cancel: str, again: str) -> str:
    """Wait for the ACK of what was just sent with repetitions; see the top for why the others stand beside it."""
    return (
        f'<recv request="CANCEL" optional="true" next="{cancel}"/>\n{_BYE.format("true")}'
        f'<recv request="INVITE" optional="true" next="{again}"/>\n'
        f'<recv request="ACK" crlf="true" next="{then}"/>\n'
    )


def carrier(settings: CarrierSettings) -> str:
    """The carrier's scenario as SIPp's XML."""
    shares = {
        "isbusy": settings.busy,
        "isnf": settings.not_found,
        "is503": settings.unavailable_503,
        "is480": settings.temporarily_480,
        "isans": settings.answer,
    }
    tests, bound = "", 0.0
    for name, share in shares.items():
        bound += share
        tests += f'<test assign_to="{name}" variable="r" compare="less_than" value="{bound:g}"/>'

    def refuse(label: str, line: str, event: str, extra: str = "") -> str:
        return (
            f'<label id="{label}"/>\n'
            + _log(event, "final", f"noted{label}")
            + _send(line, tag=TAG, extra=extra, attributes=RETRANS)
            + f'<label id="s{label}"/>\n<recv request="CANCEL" optional="true" next="c{label}">'
            + f"<action>{_note('CANCEL')}{_note('CANCEL_LATE')}</action></recv>\n"
            + f'<recv request="INVITE" optional="true" next="{label}"/>\n<recv request="ACK" next="99"/>\n'
            + f'<label id="c{label}"/>\n'
            + _send("200 OK", tag=TAG)
            + '<nop next="99"/>\n'
            # a CANCEL between noting and saying it
            + f'<label id="n{label}"/>\n'
            + _send("200 OK", tag=TAG)
            + _answer_invite(line, extra + EMPTY)
            + f'<nop next="s{label}"/>\n'
        )

    def branch(label: str, name: str) -> str:
        return f'<nop next="{label}" test="{name}"/>\n'

    return "".join(
        [
            '<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="carrier">\n',
            f'<recv request="OPTIONS" optional="true" next="{OPTIONS_LABEL}"/>\n',
            # what a dialer that comes back from a crash may send about a call that never got here
            '<recv request="CANCEL" optional="true" next="91"/>\n<recv request="BYE" optional="true" next="91"/>\n',
            '<recv request="INVITE" crlf="true" rrs="true"><action>\n',
            '<ereg regexp="INVITE sip:([^@;&gt; ]*)" search_in="msg" assign_to="line,number"/>\n',
            '<ereg regexp=".*" search_in="hdr" header="Via:" assign_to="via"/>\n',
            '<ereg regexp=".*" search_in="hdr" header="From:" assign_to="from"/>\n',
            '<ereg regexp=".*" search_in="hdr" header="To:" assign_to="to"/>\n',
            '<ereg regexp="[0-9]+" search_in="hdr" header="CSeq:" assign_to="cseq"/>\n',
            f"{_note('INVITE')}\n</action></recv>\n",
            _send("100 Trying"),
            '<nop next="7"/>\n',
            BYE,  # never sent: SIPp takes an answer only to what stands above it in the file
            # These may come at any time. An answer to our BYE that found nobody waiting would cost the call.
            '<recv request="CANCEL" optional="global" next="20"/>\n',
            _BYE.format("global"),
            '<recv request="INVITE" optional="global" next="40"/>\n',
            f'<recv request="ACK" optional="global" next="{STRAY_ACK}"/>\n',
            _BYE_ANSWERED,
            '<recv response="481" optional="global" next="97"/>\n',
            '<recv request="NEVER"/>\n',
            '<label id="7"/>\n',
            '<nop><action><sample assign_to="r" distribution="uniform" min="0" max="100"/>',
            tests,
            "</action></nop>\n",
            '<label id="8"/>\n',
            branch("11", "isbusy"),
            branch("12", "isnf"),
            branch("13", "is503"),
            *([_send("180 Ringing", tag=TAG), _log("RINGING")] if settings.rings else []),
            branch("14", "is480"),
            branch("15", "isans"),
            # nobody answers: ring until the CANCEL; a caller that never gives up gets 408 after two minutes
            '<recv request="CANCEL" timeout="120000" ontimeout="16" next="20"/>\n',
            # answered
            '<label id="15"/>\n',
            _pause(settings.ring),
            _log("ANSWER", "final", "answered"),
            '<label id="19"/>\n',
            _send("200 OK", tag=TAG, sdp=_sdp("carrier", 1), attributes=RETRANS),
            _await_ack("6", cancel="22", again="19"),
            # a CANCEL that crossed our 200 changes nothing: answer it, and go on repeating the 200
            '<label id="22"/>\n',
            _log("CANCEL"),
            _log("CANCEL_LATE"),
            '<label id="25"/>\n',
            _send("200 OK", tag=TAG),
            _answer_invite("200 OK", _sdp("carrier", 1)),
            _await_ack("6", cancel="22", again="19"),
            '<label id="6"/>\n',
            f"<nop><action>{_assign('acked')}</action></nop>\n",
            _pause(settings.hold),
            _log("BYE_SENT", "ended"),
            '<label id="61"/>\n',
            BYE,
            '<label id="50"/>\n',
            _BYE_CROSSED,
            f'<recv request="INVITE" optional="true" next="52"><action>{_assign("said")}</action></recv>\n',
            '<recv request="ACK" optional="true" next="50"/>\n<recv request="NEVER"/>\n',
            '<label id="51"/>\n',
            _send("200 OK"),
            # The dialer's own BYE has ended the call; its answer to ours, not said again, is waited for briefly
            '<label id="53"/>\n',
            _BYE_CROSSED,
            '<recv request="ACK" optional="true" next="53"/>\n',
            '<recv request="NEVER" timeout="4000" ontimeout="99"/>\n',
            '<label id="52"/>\n',
            _send("481 Call/Transaction Does Not Exist", attributes=RETRANS),
            '<recv request="ACK" next="62"/>\n',
            # a re-INVITE that came before our BYE was said must not make us forget to say it
            '<label id="62"/>\n',
            branch("50", "said"),
            '<nop next="61"/>\n',
            # CANCEL
            '<label id="20"/>\n',
            _log("CANCEL"),
            branch("21", "final"),
            _send("200 OK", tag=TAG),
            _log("CANCELLED", "final"),
            _answer_invite("487 Request Terminated", EMPTY),
            '<recv request="CANCEL" optional="true" next="24"/>\n<recv request="ACK" next="99"/>\n',
            # it crossed our final response, which SIPp repeats until the ACK, sending nothing else meanwhile
            '<label id="21"/>\n',
            _log("CANCEL_LATE"),
            branch("26", "acked"),
            branch("25", "answered"),
            *(branch(f"n{label}", f"noted{label}") for label in REFUSALS),
            '<recv request="ACK" timeout="2000" ontimeout="99" next="99"/>\n',
            '<label id="26"/>\n',
            _send("200 OK", tag=TAG),
            '<nop next="6"/>\n',
            '<label id="24"/>\n',
            _send("200 OK", tag=TAG),
            '<recv request="ACK" next="99"/>\n',
            # BYE from the dialer
            '<label id="30"/>\n',
            _send("200 OK"),
            '<nop next="99"/>\n',
            # re-INVITE
            '<label id="40"/>\n',
            branch("52", "ended"),
            branch("41", "answered"),
            '<nop next="8"/>\n',  # the first INVITE again, repeated while this carrier was held up
            '<label id="41"/>\n',
            _log("REINVITE"),
            _send("200 OK", sdp=_sdp("carrier", 2), attributes=RETRANS),
            _await_ack("6", cancel="20", again="41"),
            # refusals
            '<label id="11"/>\n',
            _send("180 Ringing", tag=TAG),
            _log("RINGING"),
            _pause((0.2, 0.8)),
            refuse("17", "486 Busy Here", "BUSY"),
            refuse("12", "404 Not Found", "NOT_FOUND"),
            refuse("13", "503 Service Unavailable", "UNAVAILABLE", f"Retry-After: {settings.retry_after}\n"),
            '<label id="14"/>\n',
            _pause(settings.ring),
            refuse("18", "480 Temporarily Unavailable", "TEMPORARILY"),
            refuse("16", "408 Request Timeout", "RUNG_OUT"),
            # keep-alive
            f'<label id="{OPTIONS_LABEL}"/>\n',
            _send("200 OK", tag=TAG),
            '<nop next="98"/>\n',
            '<label id="91"/>\n',
            _send("481 Call/Transaction Does Not Exist", tag=TAG),
            '<nop next="98"/>\n',
            # the ACK of an answer that was repeated, when the repetition's own comes late
            f'<label id="{STRAY_ACK}"/>\n',
            branch("98", "over"),
            branch("99", "theirs"),
            branch("62", "ended"),
            branch("6", "answered"),
            *(branch("99", f"noted{label}") for label in REFUSALS),
            '<nop next="98"/>\n',
            '<label id="97"/>\n',
            _log("BYE_UNKNOWN"),
            '<label id="99"/>\n',
            _log("END", "over"),
            '<label id="98"/>\n',
            '<timewait milliseconds="1000"/>\n<Reference variables="line,r,isbusy"/>\n</scenario>\n',
        ]
    )


def agent(media_port: str = "[media_port]") -> str:
    """An agent's phone: answers the dialer's call at once, takes every re-INVITE, stays until BYE."""
    return "".join(
        [
            '<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="agent">\n',
            f'<recv request="OPTIONS" optional="true" next="{OPTIONS_LABEL}"/>\n',
            '<recv request="CANCEL" optional="true" next="91"/>\n<recv request="BYE" optional="true" next="91"/>\n',
            '<recv request="INVITE" crlf="true" rrs="true"><action>\n',
            '<ereg regexp="INVITE sip:([^@;&gt; ]*)" search_in="msg" assign_to="line,number"/>\n',
            f"{_note('INVITE')}\n</action></recv>\n",
            _send("200 OK", tag=TAG, sdp=_sdp("agent", 1, media_port), user="agent", attributes=RETRANS),
            '<recv request="ACK" crlf="true"/>\n',
            '<label id="1"/>\n<recv request="BYE" optional="true" next="9"/>\n',
            '<recv request="ACK" optional="true" next="1"/>\n',
            _REINVITED,
            _send("200 OK", sdp=_sdp("agent", 2, media_port), user="agent", attributes=RETRANS),
            '<recv request="BYE" optional="true" next="9"/>\n<recv request="ACK" next="1"/>\n',
            '<label id="9"/>\n',
            _log("BYE"),
            _send("200 OK", user="agent"),
            _log("END"),
            '<nop next="98"/>\n',
            f'<label id="{OPTIONS_LABEL}"/>\n',
            _send("200 OK", tag=TAG, user="agent"),
            '<nop next="98"/>\n<label id="91"/>\n',
            _send("481 Call/Transaction Does Not Exist", tag=TAG, user="agent"),
            '<label id="98"/>\n<timewait milliseconds="1000"/>\n<Reference variables="line"/>\n</scenario>\n',
        ]
    )


def prompt_carrier(ring: tuple[float, float] = (0.3, 0.9)) -> str:
    """A carrier that answers every call after `ring` seconds, and each re-INVITE as fast as an OPTIONS. It never hangs
    up and knows no CANCEL: for measuring how long a dialer takes to join a call.
    """
    return "".join(
        [
            '<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="carrier">\n',
            f'<recv request="OPTIONS" optional="true" next="{OPTIONS_LABEL}"/>\n',
            '<recv request="INVITE" crlf="true" rrs="true"><action>\n',
            '<ereg regexp="INVITE sip:([^@;&gt; ]*)" search_in="msg" assign_to="line,number"/>\n',
            f"{_note('INVITE')}\n</action></recv>\n",
            _send("180 Ringing", tag=TAG),
            _pause(ring),
            _log("ANSWER"),
            _send("200 OK", tag=TAG, sdp=_sdp("carrier", 1), attributes=RETRANS),
            '<recv request="ACK" crlf="true"/>\n<label id="1"/>\n<recv request="BYE" optional="true" next="9"/>\n',
            '<recv request="ACK" optional="true" next="1"/>\n',
            _REINVITED,
            _send("200 OK", sdp=_sdp("carrier", 2), attributes=RETRANS),
            '<recv request="BYE" optional="true" next="9"/>\n<recv request="ACK" next="1"/>\n',
            '<label id="9"/>\n',
            _log("BYE"),
            _send("200 OK"),
            _log("END"),
            '<nop next="98"/>\n',
            f'<label id="{OPTIONS_LABEL}"/>\n',
            _send("200 OK", tag=TAG),
            '<label id="98"/>\n<timewait milliseconds="1000"/>\n<Reference variables="line"/>\n</scenario>\n',
        ]
    )

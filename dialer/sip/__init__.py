"""SIP without sockets: a user agent as a value machine. See docs/design/sip.md.

endpoint = Endpoint(EndpointConfig(host="192.0.2.1", port=5060))
endpoint.receive(data, addr, now); endpoint.datagrams_to_send(); endpoint.next_event()
endpoint.next_timer(); endpoint.handle_timer(now)
"""

from dialer.sip import sdp
from dialer.sip.config import Credentials, EndpointConfig
from dialer.sip.dialog import DialogState
from dialer.sip.endpoint import Endpoint
from dialer.sip.errors import (
    BadDestination,
    BadSavedState,
    SdpError,
    SipError,
    TooManyLegs,
    UndefinedTransition,
    UnknownLeg,
    UnknownRegistration,
    UnsafeHeader,
    WrongState,
)
from dialer.sip.events import (
    Answered,
    Bound,
    Ended,
    Event,
    Failed,
    IncomingCall,
    Offered,
    OptionsAnswered,
    OptionsFailed,
    Provisional,
    Registered,
    RegisterRefused,
    RegistrationFailed,
    Reinvited,
    ReinviteFailed,
    Unbound,
    Unregistered,
)
from dialer.sip.flow import Destination, Flow
from dialer.sip.framing import PONG, Framer
from dialer.sip.plan import InvitePlan
from dialer.sip.registrar import Registrar

__all__ = [
    "PONG",
    "Answered",
    "BadDestination",
    "BadSavedState",
    "Bound",
    "Credentials",
    "Destination",
    "DialogState",
    "Ended",
    "Endpoint",
    "EndpointConfig",
    "Event",
    "Failed",
    "Flow",
    "Framer",
    "IncomingCall",
    "InvitePlan",
    "Offered",
    "OptionsAnswered",
    "OptionsFailed",
    "Provisional",
    "RegisterRefused",
    "Registered",
    "Registrar",
    "RegistrationFailed",
    "ReinviteFailed",
    "Reinvited",
    "SdpError",
    "SipError",
    "TooManyLegs",
    "Unbound",
    "UndefinedTransition",
    "UnknownLeg",
    "UnknownRegistration",
    "Unregistered",
    "UnsafeHeader",
    "WrongState",
    "sdp",
]

"""What an ended connection means for the next one."""

from enum import Enum
from typing import Final

from mqttproto.constants import ConnectReturnCode, ReasonCode

__all__ = ["REFUSALS", "Verdict", "verdict_of_end", "verdict_of_refusal"]


class Verdict(Enum):
    """Whether to connect again."""

    RETRY = "retry"
    """Later: it may be better then."""
    REDIRECT = "redirect"
    """To the server that was named, if that is allowed; else later."""
    RENEW = "renew"
    """With other credentials, if they are asked for anew; else not."""
    OTHER_VERSION = "other version"
    """With another protocol version, if there is one to try; else not."""
    STOP = "stop"
    """No: it would be refused again, or do harm."""


REFUSALS: Final[dict[int, Verdict]] = {
    # 5.0 section 3.2.2.2, the codes of CONNACK. Those that are not here: RETRY.
    ReasonCode.MALFORMED_PACKET: Verdict.STOP,
    ReasonCode.PROTOCOL_ERROR: Verdict.STOP,
    ReasonCode.UNSUPPORTED_PROTOCOL_VERSION: Verdict.OTHER_VERSION,
    ReasonCode.CLIENT_IDENTIFIER_NOT_VALID: Verdict.STOP,
    ReasonCode.BAD_USER_NAME_OR_PASSWORD: Verdict.RENEW,
    ReasonCode.NOT_AUTHORIZED: Verdict.RENEW,
    ReasonCode.BANNED: Verdict.STOP,
    ReasonCode.BAD_AUTHENTICATION_METHOD: Verdict.STOP,
    ReasonCode.TOPIC_NAME_INVALID: Verdict.STOP,
    ReasonCode.PACKET_TOO_LARGE: Verdict.STOP,
    ReasonCode.PAYLOAD_FORMAT_INVALID: Verdict.STOP,
    ReasonCode.RETAIN_NOT_SUPPORTED: Verdict.STOP,
    ReasonCode.QOS_NOT_SUPPORTED: Verdict.STOP,
    ReasonCode.USE_ANOTHER_SERVER: Verdict.REDIRECT,
    ReasonCode.SERVER_MOVED: Verdict.REDIRECT,
    # 3.1.1 section 3.2.2.3, the return codes. 3, server unavailable: RETRY.
    ConnectReturnCode.UNACCEPTABLE_PROTOCOL_VERSION: Verdict.OTHER_VERSION,
    ConnectReturnCode.IDENTIFIER_REJECTED: Verdict.STOP,
    ConnectReturnCode.BAD_USER_NAME_OR_PASSWORD: Verdict.RENEW,
    ConnectReturnCode.NOT_AUTHORIZED: Verdict.RENEW,
}

_ENDS: Final[dict[int, Verdict]] = {
    # 5.0 section 3.14.2.1, the codes of a server's DISCONNECT. Those that are not here: RETRY.
    # Two clients with one identifier would take the session from each other for ever.
    ReasonCode.SESSION_TAKEN_OVER: Verdict.STOP,
    ReasonCode.NOT_AUTHORIZED: Verdict.RENEW,
    ReasonCode.USE_ANOTHER_SERVER: Verdict.REDIRECT,
    ReasonCode.SERVER_MOVED: Verdict.REDIRECT,
}


def verdict_of_refusal(code: ReasonCode | ConnectReturnCode) -> Verdict:
    """What a refused CONNECT means."""
    return REFUSALS.get(int(code), Verdict.RETRY)


def verdict_of_end(code: ReasonCode) -> Verdict:
    """What a DISCONNECT of the server means."""
    return _ENDS.get(int(code), Verdict.RETRY)

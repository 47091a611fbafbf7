"""Enhanced authentication and re-authentication of 5.0 (section 4.12): whose turn it is.

The table knows nothing of methods and their data, and is the same for both ends: each of them
follows what the other sends, and what it sends itself.
"""

from enum import IntEnum
from typing import Final

__all__ = ["AUTHENTICATION", "AuthenticationState", "AuthenticationStep"]


class AuthenticationState(IntEnum):
    """Whose turn it is."""

    NONE = 0
    """CONNECT named no method: there is no AUTH on this connection (MQTT-4.12.0-6, -7)."""
    SERVERS_TURN = 1
    """CONNECT or AUTH has been sent: the server answers with AUTH or CONNACK."""
    CLIENTS_TURN = 2
    """The server waits for an AUTH."""
    AUTHENTICATED = 3
    """CONNACK has come; the client may re-authenticate (MQTT-4.12.1-1)."""
    SERVERS_TURN_AGAIN = 4
    """Re-authentication: the server answers with AUTH."""
    CLIENTS_TURN_AGAIN = 5
    """Re-authentication: the server waits for an AUTH."""


class AuthenticationStep(IntEnum):
    """What either end may say."""

    CLIENT_CONTINUES = 0
    """AUTH 0x18 from the client (MQTT-4.12.0-3)."""
    CLIENT_STARTS_AGAIN = 1
    """AUTH 0x19 from the client."""
    SERVER_CONTINUES = 2
    """AUTH 0x18 from the server (MQTT-4.12.0-2)."""
    SERVER_SUCCEEDS = 3
    """AUTH 0x00 from the server: re-authentication is complete."""
    CONNACK = 4
    """CONNACK with success."""


_S = AuthenticationState
_T = AuthenticationStep

# fmt: off
AUTHENTICATION: Final[dict[tuple[AuthenticationState, AuthenticationStep], AuthenticationState]] = {
    (_S.NONE,               _T.CONNACK):             _S.NONE,
    (_S.SERVERS_TURN,       _T.SERVER_CONTINUES):    _S.CLIENTS_TURN,
    (_S.SERVERS_TURN,       _T.CONNACK):             _S.AUTHENTICATED,
    (_S.CLIENTS_TURN,       _T.CLIENT_CONTINUES):    _S.SERVERS_TURN,
    (_S.AUTHENTICATED,      _T.CLIENT_STARTS_AGAIN): _S.SERVERS_TURN_AGAIN,
    (_S.SERVERS_TURN_AGAIN, _T.SERVER_CONTINUES):    _S.CLIENTS_TURN_AGAIN,
    (_S.SERVERS_TURN_AGAIN, _T.SERVER_SUCCEEDS):     _S.AUTHENTICATED,
    (_S.CLIENTS_TURN_AGAIN, _T.CLIENT_CONTINUES):    _S.SERVERS_TURN_AGAIN,
}
# fmt: on
"""The state that follows; what has no row is out of turn."""

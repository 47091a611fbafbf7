"""The first packet of each connection."""

from typing import Final

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import Connect
from mqttproto.constants import ProtocolVersion
from mqttproto.engine.options import Credentials, Options
from mqttproto.errors import InvalidValueError
from mqttproto.protocol.packet_ids import MOST_PACKET_IDS
from mqttproto.transport.url import Address

__all__ = ["Greeting"]

_WHILE_ALIVE: Final = 3_600
"""Seconds that a session outlives a connection, if nobody has said how long."""

_STORED: Final = 86_400
"""The same for a session that is stored."""


class Greeting:
    """Makes the CONNECT of a client.

    :param token: what makes a client identifier that no other client has.
    """

    def __init__(self, options: Options, token: str) -> None:
        self._options: Final = options
        self._token: Final = token
        interval = options.session_expiry_interval
        if interval is None:
            interval = _WHILE_ALIVE if options.session is None else _STORED
        self._interval: Final = interval

    @property
    def farewell(self) -> Properties:
        """The properties of an orderly DISCONNECT of 5.0: a session that was only for this client's
        own connections ends with it.
        """
        options = self._options
        if options.session_expiry_interval is None and options.session is None:
            return Properties(session_expiry_interval=0)
        return EMPTY

    def clean_start(self, version: ProtocolVersion, first: bool, known: bool) -> bool:
        """Whether to begin a new session."""
        options = self._options
        wanted = options.clean_start
        if wanted is None:
            # A client that was killed early has stored nothing, and a server of 5.0 must not resume
            # what the client does not know (5.0: MQTT-3.2.2-4).
            wanted = options.session is None or (version == ProtocolVersion.MQTT5 and not known)
        if first or version != ProtocolVersion.MQTT5:
            # Before 5.0 a session that was clean ends with its connection.
            return wanted
        return self._interval == 0

    def connect(
        self,
        version: ProtocolVersion,
        place: Address | None,
        client_id: str,
        credentials: Credentials,
        first: bool,
        authentication_data: bytes | None = None,
        known: bool = False,
    ) -> Connect:
        """The packet.

        :param client_id: that of the session.
        :param first: whether this client has had no connection before.
        :param authentication_data: what the authenticator begins with.
        :param known: whether the session is one that a server may have, too.
        :raises InvalidValueError: if the specification forbids what is asked for.
        """
        options = self._options
        properties = options.properties
        if version == ProtocolVersion.MQTT5:
            changes: dict[str, object] = {"session_expiry_interval": self._interval or None}
            if options.receive_maximum != MOST_PACKET_IDS:
                changes["receive_maximum"] = options.receive_maximum
            authenticator = options.authenticator
            if authenticator is not None:
                changes["authentication_method"] = authenticator.method
                changes["authentication_data"] = authentication_data
            properties = properties.replace(**changes)
        elif options.authenticator is not None:
            raise InvalidValueError("authenticator", "enhanced authentication needs MQTT 5.0")
        elif options.mqtt_version == "auto":
            properties = EMPTY
        user_name, password = credentials
        if user_name is None and password is None and place is not None:
            user_name, password = place.user_name, place.password
        if isinstance(password, str):
            password = password.encode()
        if not client_id and version != ProtocolVersion.MQTT5:
            client_id = f"mqttproto-{self._token}"[:23]
        return Connect(
            client_id,
            self.clean_start(version, first, known),
            options.keep_alive,
            options.will,
            user_name,
            password,
            properties,
        )

"""The packets of a connection's life: CONNECT, CONNACK, PINGREQ, PINGRESP, DISCONNECT and AUTH.

Sections 3.1, 3.2 and 3.12 to 3.15.
"""

from types import NoneType
from typing import ClassVar, Final, final

from mqttproto.codec.block import EMPTY, Properties, read_properties
from mqttproto.codec.faults import Fault, refusal
from mqttproto.codec.headers import SENDERS
from mqttproto.codec.packet import Packet, Record, as_qos, packet_size, properties_size
from mqttproto.codec.properties import WILL
from mqttproto.codec.reasons import as_reason_code, reason_allowed, reason_member
from mqttproto.codec.wire import (
    FaultFound,
    Reader,
    as_bytes,
    binary,
    fixed_header,
    integer,
    utf8,
    utf8_size,
)
from mqttproto.constants import (
    ConnectReturnCode,
    PacketType,
    ProtocolVersion,
    QoS,
    ReasonCode,
)
from mqttproto.topics import validate_topic_name

__all__ = [
    "Auth",
    "ConnAck",
    "Connect",
    "Disconnect",
    "PingReq",
    "PingResp",
    "Will",
    "read_auth",
    "read_connack",
    "read_connect",
    "read_disconnect",
    "read_protocol",
]

_PROTOCOLS: Final[dict[int, bytes]] = {
    3: b"\0\6MQIsdp\3",
    4: b"\0\4MQTT\4",
    5: b"\0\4MQTT\5",
}
"""Protocol name and level, which open the body of a CONNECT (section 3.1.2.1)."""

_MOST_CHARACTERS_31: Final[int] = 23
"""The longest client identifier of 3.1 (3.1 section 3.1)."""

# The Connect Flags (section 3.1.2.3).
_RESERVED: Final[int] = 0x01
_CLEAN_START: Final[int] = 0x02
_WILL: Final[int] = 0x04
_WILL_RETAIN: Final[int] = 0x20
_PASSWORD: Final[int] = 0x40
_USER_NAME: Final[int] = 0x80


@final
class Will(Record):
    """The message that a server publishes for a client that is gone (section 3.1.2.5).

    :ivar topic: the Will Topic, at most 65,535 bytes of UTF-8, without wildcards.
    :ivar payload: at most 65,535 bytes.
    :ivar qos: 0, 1 or 2.
    :ivar retain: whether the server keeps it as the topic's retained message.
    :ivar properties: the Will Properties of 5.0.
    """

    __slots__ = ("payload", "properties", "qos", "retain", "topic")

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "topic": (str,),
        "payload": (bytes,),
        "qos": (int,),
        "retain": (bool,),
        "properties": (Properties,),
    }

    def __init__(
        self,
        topic: str,
        payload: bytes | bytearray | memoryview = b"",
        qos: QoS | int = QoS.AT_MOST_ONCE,
        retain: bool = False,
        properties: Properties = EMPTY,
    ) -> None:
        self.topic: str = topic
        self.payload: bytes = as_bytes("Will.payload", payload)
        self.qos: QoS = qos if isinstance(qos, QoS) else as_qos("Will.qos", qos, Fault.WILL_QOS)
        self.retain: bool = retain
        self.properties: Properties = properties


@final
class Connect(Packet):
    """The first packet of a client (section 3.1).

    :ivar client_id: at most 65,535 bytes of UTF-8; 1 to 23 characters in 3.1. Empty: the server
        chooses one, which 3.1.1 allows with ``clean_start`` only (3.1.1: MQTT-3.1.3-7).
    :ivar clean_start: start a new session; the Clean Session of 3.1 and 3.1.1.
    :ivar keep_alive: seconds, 0 (off) to 65,535.
    :ivar will: the message to publish when the connection is lost.
    :ivar user_name: at most 65,535 bytes of UTF-8.
    :ivar password: at most 65,535 bytes; before 5.0 only with a user name (3.1.1: MQTT-3.1.2-22).
        ``repr`` does not show it.
    :ivar properties: of 5.0.
    """

    __slots__ = (
        "clean_start",
        "client_id",
        "keep_alive",
        "password",
        "properties",
        "user_name",
        "will",
    )

    packet_type: ClassVar[PacketType] = PacketType.CONNECT
    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "client_id": (str,),
        "clean_start": (bool,),
        "keep_alive": (int,),
        "will": (Will, NoneType),
        "user_name": (str, NoneType),
        "password": (bytes, NoneType),
        "properties": (Properties,),
    }
    SECRETS: ClassVar[frozenset[str]] = frozenset({"password"})

    def __init__(
        self,
        client_id: str = "",
        clean_start: bool = True,
        keep_alive: int = 60,
        will: Will | None = None,
        user_name: str | None = None,
        password: bytes | bytearray | memoryview | None = None,
        properties: Properties = EMPTY,
    ) -> None:
        self.client_id: str = client_id
        self.clean_start: bool = clean_start
        self.keep_alive: int = keep_alive
        self.will: Will | None = will
        self.user_name: str | None = user_name
        self.password: bytes | None = (
            None if password is None else as_bytes("Connect.password", password)
        )
        self.properties: Properties = properties

    def encode(self, version: int = ProtocolVersion.MQTT5) -> bytes:
        self._check(version)
        flags = _CLEAN_START if self.clean_start else 0
        payload = [utf8("Connect.client_id", self.client_id, version)]
        will = self.will
        if will is not None:
            if not 0 <= will.qos <= 2:
                raise refusal("Will.qos", Fault.WILL_QOS, version, str(will.qos))
            flags |= _WILL | will.qos << 3 | (_WILL_RETAIN if will.retain else 0)
            validate_topic_name(will.topic, version=version, field="Will.topic")
            payload += [
                will.properties.encoded("Will", WILL, version),
                utf8("Will.topic", will.topic, version),
                binary("Will.payload", will.payload, version),
            ]
        if self.user_name is not None:
            flags |= _USER_NAME
            payload.append(utf8("Connect.user_name", self.user_name, version))
        if self.password is not None:
            flags |= _PASSWORD
            payload.append(binary("Connect.password", self.password, version))
        keep_alive = integer("Connect.keep_alive", self.keep_alive, 0, 65_535)
        body = b"".join(
            (
                _PROTOCOLS[version],
                (flags << 16 | keep_alive).to_bytes(3, "big"),
                self.properties.encoded("Connect", PacketType.CONNECT, version),
                *payload,
            )
        )
        return fixed_header(0x10, len(body), "Connect.properties", version) + body

    def _check(self, version: int) -> None:
        """Check what 3.1 and 3.1.1 ask of client identifier and password."""
        if version == 5:
            return
        if version == 3 and not 1 <= len(self.client_id) <= _MOST_CHARACTERS_31:
            size = str(len(self.client_id))
            raise refusal("Connect.client_id", Fault.CLIENT_ID_LENGTH, version, size)
        if not self.client_id and not self.clean_start:
            raise refusal("Connect.client_id", Fault.CLIENT_ID_EMPTY, version)
        if self.password is not None and self.user_name is None:
            raise refusal("Connect.password", Fault.PASSWORD_ALONE, version)

    def encoded_size(self, version: int = ProtocolVersion.MQTT5) -> int:
        remaining = len(_PROTOCOLS[version]) + 3 + utf8_size(self.client_id)
        remaining += properties_size(self.properties, version)
        if self.will is not None:
            remaining += properties_size(self.will.properties, version)
            remaining += utf8_size(self.will.topic) + 2 + len(self.will.payload)
        if self.user_name is not None:
            remaining += utf8_size(self.user_name)
        if self.password is not None:
            remaining += 2 + len(self.password)
        return packet_size(remaining)


def read_protocol(reader: Reader, expected: int) -> int:
    """Read protocol name and level of a CONNECT: its version, 3, 4 or 5.

    :param expected: the only version that is welcome, or 0.
    """
    field = reader.position
    name = reader.utf8()
    if name not in ("MQTT", "MQIsdp"):
        raise FaultFound(Fault.PROTOCOL_NAME, field)
    at = reader.position
    level = reader.u8()
    if reader.data[field : reader.position] not in _PROTOCOLS.values() or (
        expected and level != expected
    ):
        raise FaultFound(Fault.PROTOCOL_LEVEL, at)
    return level


def _check_flags(flags: int, version: int, at: int) -> None:
    """Check the Connect Flags that stand at ``at``."""
    will_qos = flags >> 3 & 3
    if flags & _RESERVED:
        raise FaultFound(Fault.CONNECT_FLAG, at)
    if not flags & _WILL and will_qos:
        raise FaultFound(Fault.WILL_QOS_ALONE, at)
    if not flags & _WILL and flags & _WILL_RETAIN:
        raise FaultFound(Fault.WILL_RETAIN_ALONE, at)
    if will_qos == 3:
        raise FaultFound(Fault.WILL_QOS, at)
    if version != 5 and flags & _PASSWORD and not flags & _USER_NAME:
        raise FaultFound(Fault.PASSWORD_ALONE, at)


def read_connect(reader: Reader, version: int) -> Connect:
    """Read what follows name and level in the CONNECT of ``version``."""
    at = reader.position
    flags = reader.u8()
    _check_flags(flags, version, at)
    keep_alive = reader.u16()
    client = 1
    properties = read_properties(reader, PacketType.CONNECT, client) if version == 5 else EMPTY
    client_id = reader.utf8()
    will = None
    if flags & _WILL:
        will_properties = read_properties(reader, WILL, client) if version == 5 else EMPTY
        topic = reader.topic_name(Fault.NAME_WILDCARD)
        payload = reader.binary()
        will = Will(topic, payload, flags >> 3 & 3, flags & _WILL_RETAIN != 0, will_properties)
    user_name = password = None
    # 3.1 lets a client announce a user name or a password and then leave it out.
    if flags & _USER_NAME and not (version == 3 and reader.position == reader.end):
        user_name = reader.utf8()
    if flags & _PASSWORD and not (version == 3 and reader.position == reader.end):
        password = reader.binary()
    reader.finish()
    clean_start = flags & _CLEAN_START != 0
    return Connect(client_id, clean_start, keep_alive, will, user_name, password, properties)


@final
class ConnAck(Packet):
    """The server's answer to CONNECT (section 3.2).

    :ivar session_present: whether the server resumes a session; not in 3.1.
    :ivar reason_code: a :class:`~mqttproto.constants.ReasonCode` in 5.0, a
        :class:`~mqttproto.constants.ConnectReturnCode` before.
    :ivar properties: of 5.0.
    """

    __slots__ = ("properties", "reason_code", "session_present")

    packet_type: ClassVar[PacketType] = PacketType.CONNACK
    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "session_present": (bool,),
        "reason_code": (int,),
        "properties": (Properties,),
    }

    def __init__(
        self,
        session_present: bool = False,
        reason_code: ReasonCode | ConnectReturnCode | int = ReasonCode.SUCCESS,
        properties: Properties = EMPTY,
    ) -> None:
        self.session_present: bool = session_present
        self.reason_code: ReasonCode | ConnectReturnCode = (
            reason_code
            if isinstance(reason_code, (ReasonCode, ConnectReturnCode))
            else _as_connack_code(reason_code)
        )
        self.properties: Properties = properties

    def encode(self, version: int = ProtocolVersion.MQTT5) -> bytes:
        code: int = self.reason_code
        if not _connack_code_allowed(code, version):
            detail = f"{code:#04x}"
            raise refusal("ConnAck.reason_code", Fault.CONNACK_REASON, version, detail)
        if not isinstance(self.session_present, bool):
            raise TypeError("ConnAck.session_present: bool is needed")
        if self.session_present and code:
            raise refusal("ConnAck.session_present", Fault.SESSION_PRESENT, version)
        if self.session_present and version == 3:
            raise refusal("ConnAck.session_present", Fault.NOT_IN_THIS_VERSION, version)
        body = bytes((1 if self.session_present else 0, code))
        body += self.properties.encoded("ConnAck", PacketType.CONNACK, version)
        return fixed_header(0x20, len(body), "ConnAck.properties", version) + body

    def encoded_size(self, version: int = ProtocolVersion.MQTT5) -> int:
        return packet_size(2 + properties_size(self.properties, version))


def _as_connack_code(value: int) -> ReasonCode | ConnectReturnCode:
    """The member for a number: those of 3.1.1 and of 5.0 have only 0 in common."""
    if value in range(1, 6):
        return ConnectReturnCode(value)
    return as_reason_code("ConnAck.reason_code", value)


def _connack_code_allowed(code: int, version: int) -> bool:
    if version == 5:
        return reason_allowed(PacketType.CONNACK, code)
    return 0 <= code <= ConnectReturnCode.NOT_AUTHORIZED


def read_connack(reader: Reader, version: int, sender: int) -> ConnAck:
    """Read the body of a CONNACK."""
    at = reader.position
    flags = reader.u8()
    if version == 3:
        flags = 0  # 3.1 does not use this byte
    if flags > 1:
        raise FaultFound(Fault.CONNACK_FLAGS, at)
    code = reader.u8()
    if not _connack_code_allowed(code, version):
        raise FaultFound(Fault.CONNACK_REASON, at + 1)
    if flags and code:
        raise FaultFound(Fault.SESSION_PRESENT, at)
    if version != 5:
        return ConnAck(flags == 1, ConnectReturnCode(code))
    properties = read_properties(reader, PacketType.CONNACK, sender)
    reader.finish()
    return ConnAck(flags == 1, reason_member(code), properties)


@final
class PingReq(Packet):
    """A client's sign of life (section 3.12)."""

    __slots__ = ()
    packet_type: ClassVar[PacketType] = PacketType.PINGREQ

    def encode(self, version: int = ProtocolVersion.MQTT5) -> bytes:
        return b"\xc0\0"

    def encoded_size(self, version: int = ProtocolVersion.MQTT5) -> int:
        return 2


@final
class PingResp(Packet):
    """The server's answer to PINGREQ (section 3.13)."""

    __slots__ = ()
    packet_type: ClassVar[PacketType] = PacketType.PINGRESP

    def encode(self, version: int = ProtocolVersion.MQTT5) -> bytes:
        return b"\xd0\0"

    def encoded_size(self, version: int = ProtocolVersion.MQTT5) -> int:
        return 2


class _Reasoned(Packet):
    """What DISCONNECT and AUTH have in common: a body that may be left out."""

    __slots__ = ("properties", "reason_code")

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "reason_code": (int,),
        "properties": (Properties,),
    }

    def __init__(
        self,
        reason_code: ReasonCode | int = ReasonCode.SUCCESS,
        properties: Properties = EMPTY,
    ) -> None:
        self.reason_code: ReasonCode = (
            reason_code
            if isinstance(reason_code, ReasonCode)
            else as_reason_code(f"{type(self).__name__}.reason_code", reason_code)
        )
        self.properties: Properties = properties

    def _encode(self, name: str, first: int, fault: Fault, version: int) -> bytes:
        code: int = self.reason_code
        if not code and not self.properties:
            return bytes((first, 0))
        if version != 5:
            field = "reason_code" if code else "properties"
            raise refusal(f"{name}.{field}", Fault.NOT_IN_THIS_VERSION, version)
        if not reason_allowed(self.packet_type, code):
            raise refusal(f"{name}.reason_code", fault, version, f"{code:#04x}")
        if not self.properties:
            return bytes((first, 1, code))
        block = self.properties.encoded(name, self.packet_type, version)
        header = fixed_header(first, 1 + len(block), f"{name}.properties", version)
        return header + bytes((code,)) + block

    def encoded_size(self, version: int = ProtocolVersion.MQTT5) -> int:
        if self.properties:
            return packet_size(1 + properties_size(self.properties, version))
        return 3 if self.reason_code else 2


@final
class Disconnect(_Reasoned):
    """The last packet of a connection (section 3.14); before 5.0 only clients send it.

    :ivar reason_code: of 5.0; only 0x00 from a client removes its will (MQTT-3.14.4-3).
    :ivar properties: of 5.0.
    """

    __slots__ = ()
    packet_type: ClassVar[PacketType] = PacketType.DISCONNECT

    def encode(self, version: int = ProtocolVersion.MQTT5) -> bytes:
        return self._encode("Disconnect", 0xE0, Fault.DISCONNECT_REASON, version)


@final
class Auth(_Reasoned):
    """A step of enhanced authentication (5.0 section 3.15); 5.0 only.

    :ivar reason_code: 0x00, 0x18 or 0x19.
    :ivar properties: must have an Authentication Method, unless the whole body is left out.
    """

    __slots__ = ()
    packet_type: ClassVar[PacketType] = PacketType.AUTH

    def encode(self, version: int = ProtocolVersion.MQTT5) -> bytes:
        if version != 5:
            raise refusal("Auth", Fault.NOT_IN_THIS_VERSION, version)
        if self.properties.authentication_method is None and (self.reason_code or self.properties):
            field = "Auth.properties.authentication_method"
            raise refusal(field, Fault.AUTHENTICATION_METHOD_MISSING)
        return self._encode("Auth", 0xF0, Fault.AUTH_REASON, version)


def _read_reasoned(
    reader: Reader, packet: PacketType, fault: Fault, sender: int
) -> tuple[ReasonCode, Properties]:
    """Read a body of reason code and properties, which may be left out."""
    at = reader.position
    code = 0 if at == reader.end else reader.u8()
    if not reason_allowed(packet, code, SENDERS[sender]):
        raise FaultFound(fault, at)
    properties = EMPTY
    # Only DISCONNECT may have a reason code and no properties (sections 3.14.2.2.1, 3.15.2.1).
    if reader.position < reader.end or (at < reader.end and packet == PacketType.AUTH):
        properties = read_properties(reader, packet, sender)
        reader.finish()
    return reason_member(code), properties


def read_disconnect(reader: Reader, sender: int) -> Disconnect:
    """Read the body of a DISCONNECT."""
    fault = Fault.DISCONNECT_REASON
    code, properties = _read_reasoned(reader, PacketType.DISCONNECT, fault, sender)
    return Disconnect(code, properties)


def read_auth(reader: Reader, sender: int) -> Auth:
    """Read the body of an AUTH."""
    at = reader.position
    code, properties = _read_reasoned(reader, PacketType.AUTH, Fault.AUTH_REASON, sender)
    if properties.authentication_method is None and (code or properties):
        raise FaultFound(Fault.AUTHENTICATION_METHOD_MISSING, at)
    return Auth(code, properties)

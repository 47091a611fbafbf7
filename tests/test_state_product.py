"""Every state, times every packet and every call, times both roles and all versions.

What must come of each is typed here, in tables; nothing is looked up in the library's own.
"""

from typing import Final, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from life_stages import (
    CLIENT,
    ENDS,
    METHOD,
    ONLY_IN_5,
    OPEN,
    SERVER,
    SUBSCRIBE,
    UNSUBSCRIBE,
    VERSIONS,
    Call,
    Life,
    bring,
    cells,
    decoded,
    ends_of,
    lasting,
    names,
    refusal,
    states_of,
)
from mqttproto.codec.block import Properties
from mqttproto.codec.connect import Auth, ConnAck, Connect, Disconnect, PingReq, PingResp
from mqttproto.codec.decoder import Decoder
from mqttproto.codec.encoder import encode
from mqttproto.codec.faults import FAULTS, Fault
from mqttproto.codec.packet import Packet
from mqttproto.codec.publish import PubAck, PubComp, Publish, PubRec, PubRel
from mqttproto.codec.subscribe import SubAck, Subscription, UnsubAck
from mqttproto.constants import PacketType, ReasonCode, Sender
from mqttproto.errors import LocalProtocolError, Statement
from mqttproto.protocol import ConnectionState, ServerConnection
from mqttproto.protocol.events import (
    ConnectionFailed,
    ConnectionRefused,
    ConnectReceived,
    Disconnected,
    Event,
    Initiator,
    MessageReceived,
)
from mqttproto.protocol.transitions import RECEPTION, Reaction
from mqttproto.testing import strategies

# What comes in. The numbers are those that are under way in the state "busy".
PACKETS: Final[dict[str, Packet]] = {
    "CONNECT": Connect("c", keep_alive=0),
    "CONNACK": ConnAck(),
    "CONNACK+m": ConnAck(properties=METHOD),
    "CONNACK!": refusal(5),
    "PUBLISH0": Publish("a"),
    "PUBLISH1": Publish("a", qos=1, packet_id=8),
    "PUBLISH2": Publish("a", qos=2, packet_id=9),
    "PUBLISH7": Publish("a", qos=2, dup=True, packet_id=7),
    "PUBACK": PubAck(1),
    "PUBACK2": PubAck(2),
    "PUBREC": PubRec(2),
    "PUBREC3": PubRec(3),
    "PUBREL": PubRel(7),
    "PUBCOMP": PubComp(3),
    "SUBSCRIBE": SUBSCRIBE,
    "SUBACK": SubAck(4, [ReasonCode.GRANTED_QOS_0]),
    "UNSUBSCRIBE": UNSUBSCRIBE,
    "UNSUBACK": UnsubAck(5, [ReasonCode.SUCCESS]),
    "PINGREQ": PingReq(),
    "PINGRESP": PingResp(),
    "DISCONNECT": Disconnect(),
    "AUTH00": Auth(ReasonCode.SUCCESS, METHOD),
    "AUTH18": Auth(ReasonCode.CONTINUE_AUTHENTICATION, METHOD),
    "AUTH19": Auth(ReasonCode.RE_AUTHENTICATE, METHOD),
}

# One cell for each packet (down) in each state (across); x|y: x before 5.0, y in 5.0. One letter
# or digit is a fault of FAULTS_MEANT, a word one of the outcomes below. A packet that only 5.0 has
# is before it a packet type that does not exist.
CLIENT_TABLE: Final = """
    packet       new  connecting  auth     turn     idle      busy          authed    again
    CONNECT      e    e           e        e        e         e             e         e
    CONNACK      a    ready       o        o        3         3             3         3
    CONNACK+m    a    w           ready    t        3         3             3         3
    CONNACK!     a    refused     refused  refused  3         3             3         3
    PUBLISH0     a    a           a        a        message   message       message   message
    PUBLISH1     a    a           a        a        puback    puback        puback    puback
    PUBLISH2     a    a           a        a        pubrec    pubrec        pubrec    pubrec
    PUBLISH7     a    a           a        a        pubrec7   repeated7     pubrec7   pubrec7
    PUBACK       a    a           a        a        ignored   completed     ignored   ignored
    PUBACK2      a    a           a        a        ignored   k             ignored   ignored
    PUBREC       a    a           a        a        unknown2  release2      unknown2  unknown2
    PUBREC3      a    a           a        a        unknown3  release3      unknown3  unknown3
    PUBREL       a    a           a        a        unknown7  forgotten7    unknown7  unknown7
    PUBCOMP      a    a           a        a        ignored   completed     ignored   ignored
    SUBSCRIBE    e    e           e        e        e         e             e         e
    SUBACK       a    a           a        a        n         subscribed    n         n
    UNSUBSCRIBE  e    e           e        e        e         e             e         e
    UNSUBACK     a    a           a        a        n         unsubscribed  n         n
    PINGREQ      e    e           e        e        e         e             e         e
    PINGRESP     a    a           a        a        nothing   pong          nothing   nothing
    DISCONNECT   e|a  e|a         a        a        e|over    e|over        over      over
    AUTH00       p|a  p|w         t        t        p|w       p|w           t         step
    AUTH18       p|a  p|w         step     t        p|w       p|w           t         step
    AUTH19       p|r  p|r         r        r        p|r       p|r           r         r
"""
SERVER_TABLE: Final = """
    packet       new  connecting  auth  turn  idle         busy        authed       again
    CONNECT      ask  held        2     2     2            2           2            2
    CONNACK      f    held        e     e     e            e           e            e
    CONNACK+m    f    held        e     e     e            e           e            e
    CONNACK!     f    held        e     e     e            e           e            e
    PUBLISH0     f    held        c     c     message      message     message      message
    PUBLISH1     f    held        c     c     message      message     message      message
    PUBLISH2     f    held        c     c     message      message     message      message
    PUBLISH7     f    held        c     c     message      repeated7   message      message
    PUBACK       f    held        c     c     ignored      completed   ignored      ignored
    PUBACK2      f    held        c     c     ignored      k           ignored      ignored
    PUBREC       f    held        c     c     unknown2     release2    unknown2     unknown2
    PUBREC3      f    held        c     c     unknown3     release3    unknown3     unknown3
    PUBREL       f    held        c     c     unknown7     forgotten7  unknown7     unknown7
    PUBCOMP      f    held        c     c     ignored      completed   ignored      ignored
    SUBSCRIBE    f    held        c     c     subscribe    u           subscribe    subscribe
    SUBACK       f    held        e     e     e            e           e            e
    UNSUBSCRIBE  f    held        c     c     unsubscribe  u           unsubscribe  unsubscribe
    UNSUBACK     f    held        e     e     e            e           e            e
    PINGREQ      f    held        c     c     pingresp     pingresp    pingresp     pingresp
    PINGRESP     f    held        e     e     e            e           e            e
    DISCONNECT   f    held        over  over  over         over        over         over
    AUTH00       f    held        r     r     p|r          p|r         r            r
    AUTH18       f    held        t     step  p|w          p|w         t            t
    AUTH19       f    held        t     t     p|w          p|w         step         t
"""

# The faults: statements of 3.1.1 and 5.0 (§: a section, c and s: where a client or a server is the
# sender), the reason code, and the offset in the packet.
FAULTS_MEANT: Final = """
    a  NOT_BEFORE_CONNACK        MQTT-3.2.0-1  MQTT-3.2.0-1                     82  0
    e  SENDER                    §2.2.1        §2.1.2                           82  0
    p  PACKET_TYPE               §2.2.1        .                                81  0
    f  FIRST_NOT_CONNECT         MQTT-3.1.0-1  MQTT-3.1.0-1                     82  0
    2  SECOND_CONNECT            MQTT-3.1.0-2  MQTT-3.1.0-2                     82  0
    3  SECOND_CONNACK            §3.2          MQTT-3.2.0-2                     82  0
    c  ONLY_AUTH_BEFORE_CONNACK  .             MQTT-3.1.2-30                    82  0
    w  AUTH_WITHOUT_METHOD       .             c:MQTT-4.12.0-7,s:MQTT-4.12.0-6  82  0
    o  AUTH_OTHER_METHOD         .             MQTT-4.12.0-5                    82  0
    t  AUTH_OUT_OF_TURN          .             §4.12                            82  0
    r  AUTH_REASON               .             MQTT-3.15.2-1                    82  2
    n  ANSWER_TO_NOTHING         MQTT-2.3.1-7  MQTT-2.2.1-6                     82  0
    k  WRONG_ACKNOWLEDGEMENT     MQTT-2.3.1-6  MQTT-2.2.1-5                     82  0
    u  PACKET_ID_IN_USE          MQTT-2.3.1-2  MQTT-2.2.1-3                     82  0
"""

# What a connection of 5.0 that fails says to the peer; before 5.0 it has nothing to say.
FAREWELLS: Final = """
    role    new  connecting  auth        turn        idle        busy        authed      again
    client  -    DISCONNECT  DISCONNECT  DISCONNECT  DISCONNECT  DISCONNECT  DISCONNECT  DISCONNECT
    server  -    -           CONNACK     CONNACK     DISCONNECT  DISCONNECT  DISCONNECT  DISCONNECT
"""

# Events > output = the state that follows, where it is another one.
OUTCOMES: Final[dict[str, str]] = {
    "ready": "Connected = CONNECTED",
    "refused": "ConnectionRefused = CLOSED",
    "ask": "ConnectReceived = CONNECTING",
    "held": "",
    "nothing": "",
    "message": "MessageReceived",
    "puback": "MessageReceived > 40020008",
    "pubrec": "MessageReceived > 50020009",
    "pubrec7": "MessageReceived > 50020007",
    "repeated7": "> 50020007",
    "ignored": "AcknowledgementIgnored",
    "completed": "PublishCompleted",
    "unknown2": "AcknowledgementIgnored > 62020002|6203000292",
    "unknown3": "AcknowledgementIgnored > 62020003|6203000392",
    "unknown7": "AcknowledgementIgnored > 70020007|7003000792",
    "release2": "> 62020002",
    "release3": "> 62020003",
    "forgotten7": "> 70020007",
    "subscribe": "SubscribeReceived",
    "subscribed": "Subscribed",
    "unsubscribe": "UnsubscribeReceived",
    "unsubscribed": "Unsubscribed",
    "pingresp": "> d000",
    "pong": "PingAnswered",
    "over": "Disconnected = CLOSED",
    "step": "AuthenticationReceived",
}

STATES: Final = {
    "new": ConnectionState.NEW,
    "connecting": ConnectionState.CONNECTING,
    "auth": ConnectionState.CONNECTING,
    "turn": ConnectionState.CONNECTING,
    "idle": ConnectionState.CONNECTED,
    "busy": ConnectionState.CONNECTED,
    "authed": ConnectionState.CONNECTED,
    "again": ConnectionState.CONNECTED,
}

LAST: Final = (ConnectionFailed, ConnectionRefused, Disconnected)
"""What no event follows."""

ROLES: Final = (CLIENT, SERVER)
TABLES: Final = {CLIENT: CLIENT_TABLE, SERVER: SERVER_TABLE}


class Meant(NamedTuple):
    """A fault as it is typed."""

    fault: Fault
    of_311: str
    of_5: str
    reason_code: int
    offset: int


class Outcome(NamedTuple):
    """What is to come of a packet or a call that does not fail."""

    events: list[str]
    output: str
    state: ConnectionState | None


def either(entry: str, version: int) -> str:
    """What is left of | before 5.0, what is right of it in 5.0."""
    before, _, since = entry.partition("|")
    return since if since and version == 5 else before


def outcome(text: str, version: int) -> Outcome:
    """Read an outcome."""
    text, _, state = text.partition("=")
    events, _, output = text.partition(">")
    following = ConnectionState[state.strip()] if state else None
    return Outcome(events.split(), either(output.strip(), version), following)


MEANT: Final[dict[str, Meant]] = {
    letter: Meant(Fault[name], of_311, of_5, int(code, 16), int(offset))
    for letter, name, of_311, of_5, code, offset in map(
        str.split, FAULTS_MEANT.strip().splitlines()
    )
}


def statement_meant(letter: str, version: int, sender: Sender) -> Statement:
    """The statement that a fault is to cite."""
    meant = MEANT[letter]
    # To a server that has seen no CONNECT there is no version yet: 5.0 is cited.
    label = "5.0" if version == 5 or letter == "f" else "3.1.1"
    id = meant.of_5 if label == "5.0" else meant.of_311
    for choice in id.split(","):
        if choice.startswith(sender.value[0] + ":"):
            id = choice[2:]
    return Statement(label, id.replace("§", "section "))


def packet_bytes(name: str, version: int) -> bytes:
    """A packet on the wire; one that its version does not have, as 5.0 has it."""
    if name == "CONNACK!":
        return encode(refusal(version), version)
    if name == "UNSUBACK" and version != 5:
        return encode(UnsubAck(5), version)
    return encode(PACKETS[name], 5 if name.startswith("AUTH") else version)


PRODUCT: Final = [
    pytest.param(
        role, version, state, name, either(entry, version), id=f"{role}-{version}-{state}-{name}"
    )
    for role in ROLES
    for name, state, entry in cells(TABLES[role])
    for version in VERSIONS
    if version == 5 or (state not in ONLY_IN_5 and name != "CONNACK+m")
]


@pytest.mark.spec("5.0", "MQTT-3.1.0-1", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.1.0-1", role="server")
@pytest.mark.spec("5.0", "MQTT-3.1.0-2", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.1.0-2", role="server")
@pytest.mark.spec("5.0", "MQTT-3.2.0-1", role="client")
@pytest.mark.spec("3.1.1", "MQTT-3.2.0-1", role="client")
@pytest.mark.spec("5.0", "MQTT-3.2.0-2", role="client")
@pytest.mark.spec("5.0", "MQTT-3.1.2-30", role="server")
@pytest.mark.spec("5.0", "MQTT-4.12.0-5", role="client")
@pytest.mark.spec("5.0", "MQTT-4.12.0-6", role="client")
@pytest.mark.spec("5.0", "MQTT-4.12.0-7", role="server")
@pytest.mark.parametrize(("role", "version", "state", "name", "entry"), PRODUCT)
def test_what_comes_of_a_packet(
    role: Sender, version: int, state: str, name: str, entry: str
) -> None:
    life = bring(role, version, state)
    begin = life.received
    events = life.feed(packet_bytes(name, version))
    output = life.connection.data_to_send()
    assert life.connection.take_events() == []
    if entry in MEANT:
        failed = events.pop()
        assert events == []
        assert isinstance(failed, ConnectionFailed)
        check_failure(failed, entry, version, role, begin)
        check_farewell(failed, output, version, role, state)
        following: ConnectionState | None = ConnectionState.CLOSED
    else:
        wanted = outcome(OUTCOMES[entry], version)
        assert names(events) == wanted.events
        assert output.hex() == wanted.output
        following = wanted.state
        for event in events:
            if isinstance(event, Disconnected):
                assert event.by is Initiator.PEER
    state_now = life.connection.state
    assert state_now is (STATES[state] if following is None else following)
    over = state_now is ConnectionState.CLOSED
    assert life.connection.close_expected() == over
    assert life.connection.wants_read == (
        not over and not (role is SERVER and entry in ("held", "ask"))
    )


def check_failure(
    failed: ConnectionFailed, letter: str, version: int, role: Sender, begin: int
) -> None:
    meant = MEANT[letter]
    sender = SERVER if role is CLIENT else CLIENT
    assert failed.error.fault == meant.fault
    assert failed.reason_code == meant.reason_code
    assert failed.statement == statement_meant(letter, version, sender)
    assert failed.offset == begin + meant.offset


def check_farewell(
    failed: ConnectionFailed, output: bytes, version: int, role: Sender, state: str
) -> None:
    said = {(row, column): entry for row, column, entry in cells(FAREWELLS)}[role.value, state]
    packets = decoded(output, version, role)
    if said == "-" or version != 5:
        assert packets == []
        return
    (packet,) = packets
    assert packet.packet_type.name == said
    assert isinstance(packet, Disconnect | ConnAck)
    assert packet.reason_code == failed.reason_code
    assert packet.properties.reason_string == failed.error.rule


@pytest.mark.parametrize("role", ROLES)
def test_the_typed_product_is_whole(role: Sender) -> None:
    typed = cells(TABLES[role])
    assert {state for _, state, _ in typed} == set(OPEN)
    assert {name for name, _, _ in typed} == set(PACKETS)
    assert {packet.packet_type for packet in PACKETS.values()} == set(PacketType)
    assert len(typed) == len(OPEN) * len(PACKETS)


@pytest.mark.parametrize("role", ROLES)
def test_the_typed_product_is_that_of_the_table(role: Sender) -> None:
    for name, state, entry in cells(TABLES[role]):
        row = RECEPTION[role][STATES[state]][PACKETS[name].packet_type]
        entry = either(entry, 5)
        # What a packet says may be wrong though its type is welcome; not the other way round.
        if row.reaction is Reaction.FAIL and entry not in ("held", "r"):
            assert MEANT[entry].fault is row.fault
        if entry in ("a", "e", "f", "2", "3", "c"):
            assert row.fault is MEANT[entry].fault


@pytest.mark.spec("5.0", "MQTT-3.14.4-1", role="both")
@pytest.mark.parametrize(
    ("role", "version", "end"),
    [
        (role, version, end)
        for role in ROLES
        for version in VERSIONS
        for end in ends_of(role, version)
    ],
)
@pytest.mark.parametrize("name", PACKETS)
def test_behind_the_end_every_packet_is_ignored(
    role: Sender, version: int, end: str, name: str
) -> None:
    if name == "CONNACK+m" and version != 5:
        return
    life = bring(role, version, end)
    assert life.connection.state is ConnectionState.CLOSED
    assert life.feed(packet_bytes(name, version)) == []
    assert life.connection.receive_eof(1.0) == []
    assert life.connection.handle_timeout(1e9) == []
    assert life.connection.connection_lost(2e9) == []
    assert life.connection.take_events() == []
    assert life.connection.data_to_send() == b""
    assert life.connection.next_deadline() is None
    assert not life.connection.wants_read
    assert life.connection.close_expected()


# What was held behind a CONNECT.


@pytest.mark.parametrize(
    ("version", "name", "entry"),
    [
        (version, name, either(entry, version))
        for name, state, entry in cells(SERVER_TABLE)
        for version in VERSIONS
        if state == "idle" and (version == 5 or name != "CONNACK+m")
    ],
)
def test_what_came_early_is_as_if_it_came_behind_connack(
    version: int, name: str, entry: str
) -> None:
    life = bring(SERVER, version, "connecting")
    begin = life.received
    assert life.feed(packet_bytes(name, version)) == []
    events = life.server.accept(now=0.0)
    connack, *others = life.sent()
    assert isinstance(connack, ConnAck)
    if entry in MEANT:
        (failed,) = events
        assert isinstance(failed, ConnectionFailed)
        check_failure(failed, entry, version, SERVER, begin)
    else:
        wanted = outcome(OUTCOMES[entry], version)
        assert names(events) == wanted.events
        assert b"".join(encode(each, version) for each in others).hex() == wanted.output


@pytest.mark.spec("5.0", "MQTT-3.1.4-6", role="server")
@pytest.mark.parametrize("name", PACKETS)
@pytest.mark.parametrize("version", VERSIONS)
def test_what_came_early_is_not_read_if_the_client_is_refused(version: int, name: str) -> None:
    life = bring(SERVER, version, "connecting")
    life.feed(packet_bytes(name, version if name != "CONNACK+m" else 5))
    life.server.refuse(ReasonCode.NOT_AUTHORIZED, now=0.0)
    assert life.connection.take_events() == []
    assert names(life.sent()) == ["ConnAck"]
    assert life.connection.state is ConnectionState.CLOSED


# A server that takes next to nothing.


@pytest.mark.spec("5.0", "MQTT-3.2.2-15", role="client")
@pytest.mark.parametrize("most", range(1, 5))
def test_a_server_that_takes_no_acknowledgement_is_left_at_once(most: int) -> None:
    life = bring(CLIENT, 5, "connecting")
    (event,) = life.receive(ConnAck(properties=Properties(maximum_packet_size=most)))
    assert isinstance(event, ConnectionFailed)
    assert event.reason_code == ReasonCode.PACKET_TOO_LARGE
    # A DISCONNECT with a reason code has three bytes.
    assert names(life.sent()) == (["Disconnect"] if most >= 3 else [])


@pytest.mark.parametrize("name", PACKETS)
@pytest.mark.parametrize("most", range(5, 8))
def test_a_small_maximum_packet_size_makes_no_call_raise(most: int, name: str) -> None:
    life = bring(CLIENT, 5, "connecting")
    life.receive(ConnAck(properties=Properties(maximum_packet_size=most, server_keep_alive=1)))
    assert life.connection.state is ConnectionState.CONNECTED
    events = life.feed(packet_bytes(name, 5))
    events += life.connection.handle_timeout(1.0)
    events += life.connection.handle_timeout(100.0)
    assert isinstance(events[-1], ConnectionFailed | Disconnected)
    assert [event for event in events[:-1] if isinstance(event, LAST)] == []
    if isinstance(events[-1], ConnectionFailed):
        assert names(life.sent())[-1:] == ["Disconnect"]


# The lists that are returned.


@pytest.mark.parametrize("role", ROLES)
def test_what_a_call_has_returned_is_the_callers(role: Sender) -> None:
    life = bring(role, 5, "idle")
    kept = [life.feed(b""), life.connection.handle_timeout(0.0), life.connection.take_events()]
    first = life.receive(Publish("a"))
    for each in kept:
        assert each == []
        each += first
    assert names(first) == ["MessageReceived"]
    assert life.connection.take_events() == []
    assert names(life.receive(Publish("a"))) == ["MessageReceived"]


# The end of the network connection.


@pytest.mark.parametrize("how", ["eof", "lost"])
@pytest.mark.parametrize("state", OPEN)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("role", ROLES)
def test_every_state_takes_the_end_of_the_network(
    role: Sender, version: int, state: str, how: str
) -> None:
    if state not in states_of(version):
        return
    life = bring(role, version, state)
    connection = life.connection
    events = connection.receive_eof(1.0) if how == "eof" else connection.connection_lost(1.0)
    if state in ("connecting", "auth") and role is SERVER and how == "eof":
        # The client may have said all that it has to say.
        assert events == []
        (over,) = life.server.accept(now=1.0)
        assert names(life.sent()) == ["ConnAck"]
    else:
        (over,) = events
    assert isinstance(over, Disconnected)
    assert over.by is Initiator.NETWORK
    assert connection.state is ConnectionState.CLOSED
    assert connection.data_to_send() == b""
    assert connection.close_expected()
    assert connection.session.connection is None


# Calls.


UNANSWERED: Final = MessageReceived(Publish("a", qos=1, packet_id=11))
"""A message whose acknowledgement is nobody's to do by hand."""

CLIENT_CALLS: Final[dict[str, Call]] = {
    "connect": lambda life: life.client.connect(lasting(life.version), now=0.0),
    "publish0": lambda life: life.client.publish("a", now=0.0),
    "publish1": lambda life: life.client.publish("a", qos=1, now=0.0),
    "publish2": lambda life: life.client.publish("a", qos=2, now=0.0),
    "subscribe": lambda life: life.client.subscribe(Subscription("a"), now=0.0),
    "unsubscribe": lambda life: life.client.unsubscribe("a", now=0.0),
    "ping": lambda life: life.client.ping(now=0.0),
    "acknowledge": lambda life: life.client.acknowledge(UNANSWERED, now=0.0),
    "authenticate": lambda life: life.client.authenticate(b"d", now=0.0),
    "reauthenticate": lambda life: life.client.reauthenticate(b"d", now=0.0),
    "disconnect": lambda life: life.client.disconnect(now=0.0),
}
SERVER_CALLS: Final[dict[str, Call]] = {
    "accept": lambda life: life.server.accept(now=0.0),
    "refuse": lambda life: life.server.refuse(ReasonCode.BANNED, now=0.0),
    "publish0": lambda life: life.server.publish("a", now=0.0),
    "publish1": lambda life: life.server.publish("a", qos=1, now=0.0),
    "publish2": lambda life: life.server.publish("a", qos=2, now=0.0),
    "suback": lambda life: life.server.answer_subscribe(life.subscribe, [0], now=0.0),
    "unsuback": lambda life: life.server.answer_unsubscribe(life.unsubscribe, [0], now=0.0),
    "acknowledge": lambda life: life.server.acknowledge(UNANSWERED, now=0.0),
    "authenticate": lambda life: life.server.authenticate(b"d", now=0.0),
    "finish": lambda life: life.server.finish_reauthentication(b"d", now=0.0),
    "disconnect": lambda life: life.server.disconnect(ReasonCode.SERVER_BUSY, now=0.0),
}
CALLS: Final = {CLIENT: CLIENT_CALLS, SERVER: SERVER_CALLS}

# A dot: LocalProtocolError, and nothing has changed. The end stands for each of ENDS.
CLIENT_CALL_TABLE: Final = """
    call            new       connecting  auth    turn    idle   busy   authed  again  end
    connect         connects  .           .       .       .      .      .       .      .
    publish0        .         .           .       .       sends  sends  sends   sends  .
    publish1        queues    queues      queues  queues  sends  sends  sends   sends  .
    publish2        queues    queues      queues  queues  sends  sends  sends   sends  .
    subscribe       .         .           .       .       asks   asks   asks    asks   .
    unsubscribe     .         .           .       .       ends   ends   ends    ends   .
    ping            .         .           .       .       pings  pings  pings   pings  .
    acknowledge     .         .           .       .       .      .      .       .      .
    authenticate    .         .           .       auths   .      .      .       .      .
    reauthenticate  .         .           .       .       .      .      auths   .      .
    disconnect      leaves    bye         bye     bye     bye    bye    bye     bye    nothing
"""
SERVER_CALL_TABLE: Final = """
    call          new     connecting  auth     turn     idle   busy    authed  again  end
    accept        .       accepts     accepts  .        .      .       .       .      .
    refuse        .       refuses     refuses  refuses  .      .       .       .      .
    publish0      .       .           .        .        sends  sends   sends   sends  .
    publish1      .       .           .        .        sends  sends   sends   sends  .
    publish2      .       .           .        .        sends  sends   sends   sends  .
    suback        .       .           .        .        .      grants  .       .      .
    unsuback      .       .           .        .        .      quits   .       .      .
    acknowledge   .       .           .        .        .      .       .       .      .
    authenticate  .       .           auths    .        .      .       .       auths  .
    finish        .       .           .        .        .      .       .       auths  .
    disconnect    leaves  leaves      leaves   leaves   bye    bye     bye     bye    nothing
"""
CALL_TABLES: Final = {CLIENT: CLIENT_CALL_TABLE, SERVER: SERVER_CALL_TABLE}

# As OUTCOMES, but the output is the class of the packet.
CALL_OUTCOMES: Final[dict[str, str]] = {
    "nothing": "",
    "connects": "> Connect = CONNECTING",
    "sends": "> Publish",
    "queues": "",
    "asks": "> Subscribe",
    "ends": "> Unsubscribe",
    "pings": "> PingReq",
    "auths": "> Auth",
    "leaves": "Disconnected = CLOSED",
    "accepts": "> ConnAck = CONNECTED",
    "refuses": "> ConnAck = CLOSED",
    "grants": "> SubAck",
    "quits": "> UnsubAck",
}


def call_outcome(entry: str, role: Sender, version: int) -> Outcome:
    if entry == "bye":
        # Before 5.0 a server has no DISCONNECT.
        said = "Disconnect" if role is CLIENT or version == 5 else ""
        return Outcome(["Disconnected"], said, ConnectionState.CLOSED)
    return outcome(CALL_OUTCOMES[entry], version)


CALL_PRODUCT: Final = [
    pytest.param(role, version, state, call, entry, id=f"{role}-{version}-{state}-{call}")
    for role in ROLES
    for call, column, entry in cells(CALL_TABLES[role])
    for version in VERSIONS
    for state in (ends_of(role, version) if column == "end" else [column])
    if state in ENDS or state in states_of(version)
]


def everything(life: Life) -> dict[str, object]:
    """All that can be asked of a connection without changing it."""
    connection = life.connection
    session = connection.session
    return {
        "state": connection.state,
        "version": connection.version,
        "limits": connection.limits,
        "wants_read": connection.wants_read,
        "close_expected": connection.close_expected(),
        "deadline": connection.next_deadline(),
        "in_flight": connection.in_flight,
        "receiving": connection.receiving,
        "session": session.export(),
        "holder": session.connection is connection,
        "outbound": list(session.outbound),
        "received": dict(session.received),
        "output": connection.data_to_send(),
        "events": connection.take_events(),
    }


@pytest.mark.spec("5.0", "MQTT-3.1.0-2", role="client")
@pytest.mark.spec("3.1.1", "MQTT-3.1.0-2", role="client")
@pytest.mark.spec("5.0", "MQTT-3.2.0-1", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.2.0-1", role="server")
@pytest.mark.spec("5.0", "MQTT-3.2.0-2", role="server")
@pytest.mark.spec("5.0", "MQTT-3.1.2-30", role="client")
@pytest.mark.spec("5.0", "MQTT-3.14.4-1", role="both")
@pytest.mark.spec("3.1.1", "MQTT-3.14.4-2", role="client")
@pytest.mark.spec("5.0", "MQTT-4.12.0-6", role="server")
@pytest.mark.spec("5.0", "MQTT-4.12.0-7", role="client")
@pytest.mark.spec("5.0", "MQTT-4.12.1-1", role="client")
@pytest.mark.parametrize(("role", "version", "state", "call", "entry"), CALL_PRODUCT)
def test_what_comes_of_a_call(
    role: Sender, version: int, state: str, call: str, entry: str
) -> None:
    life = bring(role, version, state)
    connection = life.connection
    before = everything(life)
    assert before["output"] == b""
    assert before["events"] == []
    make = CALLS[role][call]
    if entry == ".":
        with pytest.raises(LocalProtocolError):
            make(life)
        assert everything(life) == before
        return
    wanted = call_outcome(entry, role, version)
    returned = make(life)
    events = (returned if isinstance(returned, list) else []) + connection.take_events()
    assert names(events) == wanted.events
    assert names(life.sent()) == wanted.output.split()
    assert connection.state is (before["state"] if wanted.state is None else wanted.state)
    if entry == "queues":
        assert len(connection.session.queue) == 1


@pytest.mark.parametrize("role", ROLES)
def test_the_typed_calls_are_all(role: Sender) -> None:
    typed = cells(CALL_TABLES[role])
    assert {column for _, column, _ in typed} == {*OPEN, "end"}
    assert {call for call, _, _ in typed} == set(CALLS[role])


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("role", ROLES)
def test_an_acknowledgement_by_hand_is_sent_while_there_is_a_connection(
    role: Sender, version: int, qos: int, end: str
) -> None:
    if end not in ends_of(role, version):
        return
    life = bring(role, version, "idle", manual=True)
    first, second = life.receive(
        Publish("a", qos=qos, packet_id=11), Publish("a", qos=qos, packet_id=12)
    )
    assert isinstance(first, MessageReceived)
    assert isinstance(second, MessageReceived)
    life.connection.acknowledge(first, now=0.0)
    assert life.connection.data_to_send().hex() == {1: "4002000b", 2: "5002000b"}[qos]
    with pytest.raises(LocalProtocolError, match="already"):
        life.connection.acknowledge(first, now=0.0)
    life.connection.receive_eof(1.0)
    life.connection.acknowledge(second, now=1.0)
    assert life.connection.data_to_send() == b""
    assert life.connection.take_events() == []
    # A connection that is over has no part in a message of another one.
    other = bring(role, version, end, manual=True)
    other.connection.acknowledge(MessageReceived(Publish("a")), now=0.0)
    assert other.connection.data_to_send() == b""


# Any bytes.


PLACES: Final = st.one_of(
    *(
        st.sampled_from(
            [
                (role, version, state)
                for role in ROLES
                for version in VERSIONS
                for state in choose(role, version)
            ]
        )
        # Where all is over there is little to find.
        for choose in (*[lambda _, version: states_of(version)] * 4, ends_of)
    )
)


class Case(NamedTuple):
    """Bytes for a connection in a state.

    :ivar accepts: whether the owner of a server accepts the client as soon as it asks.
    """

    role: Sender
    version: int
    state: str
    accepts: bool
    data: bytes
    chunks: list[bytes]


def welcome(role: Sender, version: int, state: str) -> list[str]:
    """The packets that a connection takes in this state, and goes on."""
    return [
        name
        for name, column, entry in cells(TABLES[role])
        if column == state
        and either(entry, version) in OUTCOMES
        and (version == 5 or name != "CONNACK+m")
        and "= CLOSED" not in OUTCOMES[either(entry, version)]
    ]


def written(choice: list[str], version: int) -> st.SearchStrategy[bytes]:
    """Some of these packets in any order."""
    return st.lists(st.sampled_from(choice), max_size=4).map(
        lambda drawn: b"".join(packet_bytes(name, version) for name in drawn)
    )


@st.composite
def streams(draw: st.DrawFn, role: Sender, version: int, state: str) -> bytes:
    """Bytes of the peer: often what is welcome, and then anything, or what it became on its way."""
    sender = SERVER if role is CLIENT else CLIENT
    taken = welcome(role, version, state)
    before = draw(written(taken, version)) if taken else b""
    behind = draw(
        st.one_of(
            strategies.wire_bytes(version, sender).map(lambda stream: stream.data),
            strategies.wire_bytes(version, sender, connected=True).map(lambda stream: stream.data),
            written([name for name in PACKETS if version == 5 or name != "CONNACK+m"], version),
            strategies.malformed(version, sender).map(lambda case: case.data),
            st.binary(max_size=40),
        )
    )
    data = before + behind
    return draw(strategies.mutations(data)) if draw(st.integers(0, 3)) == 0 else data


@st.composite
def cases(draw: st.DrawFn) -> Case:
    role, version, state = draw(PLACES)
    data = draw(streams(role, version, state))
    chunks = draw(strategies.cuttings(data))
    return Case(role, version, state, draw(st.booleans()), data, chunks)


class Heard(NamedTuple):
    """What came of bytes."""

    events: list[Event]
    output: bytes
    state: ConnectionState
    receiving: int
    in_flight: int
    session: dict[str, object]


def hear(case: Case, chunks: list[bytes]) -> tuple[Life, Heard]:
    """Feed chunks to a new connection in the state."""
    life = bring(case.role, case.version, case.state)
    connection = life.connection
    events: list[Event] = []
    for chunk in chunks:
        fresh = life.feed(chunk)
        events += fresh + accept(case, life, fresh)
    output = connection.data_to_send()
    assert connection.take_events() == []
    heard = Heard(
        events,
        output,
        connection.state,
        connection.receiving,
        connection.in_flight,
        connection.session.export(),
    )
    return life, heard


def accept(case: Case, life: Life, events: list[Event]) -> list[Event]:
    """What the owner of a server does."""
    connection = life.connection
    asked = events[-1] if events else None
    if (
        not case.accepts
        or not isinstance(asked, ConnectReceived)
        or not isinstance(connection, ServerConnection)
        # What such a client sends is read at once: when the owner accepts would matter.
        or asked.connect.properties.authentication_method is not None
    ):
        return []
    name = Properties()
    if not asked.connect.client_id and asked.version == 5:
        name = Properties(assigned_client_identifier="c")
    return connection.accept(properties=name, now=0.0)


@given(case=cases())
def test_bytes_are_never_answered_by_an_exception_and_there_is_one_end(case: Case) -> None:
    life, heard = hear(case, case.chunks)
    ends = [event for event in heard.events if isinstance(event, LAST)]
    assert ends == [event for event in heard.events[-1:] if isinstance(event, LAST)]
    closed = heard.state is ConnectionState.CLOSED
    assert closed == (bool(ends) or case.state in ENDS)
    assert life.connection.close_expected() == closed
    assert life.feed(case.data) == [] or not closed


@given(case=cases())
def test_what_is_put_out_is_legal(case: Case) -> None:
    life, heard = hear(case, [case.data])
    version = life.connection.version
    # A server that has no version yet can only refuse, and then says so in the one it knows.
    if version is not None:
        decoded(heard.output, version, case.role)


@given(case=cases())
def test_where_the_bytes_are_cut_makes_no_difference(case: Case) -> None:
    _, whole = hear(case, [case.data])
    _, cut = hear(case, case.chunks)
    # Errors are compared by what they say.
    assert [said(event) for event in cut.events] == [said(event) for event in whole.events]
    assert cut[1:] == whole[1:]


def said(event: Event) -> object:
    if not isinstance(event, ConnectionFailed):
        return event
    error = event.error
    return (type(error), *error.args, event.publish_will)


@given(case=cases())
def test_a_failure_is_where_it_says(case: Case) -> None:
    life, whole = hear(case, [case.data])
    last = whole.events[-1] if whole.events else None
    if not isinstance(last, ConnectionFailed):
        return
    place = last.offset - (life.received - len(case.data))
    assert 0 <= place <= len(case.data)
    if last.error.fault == Fault.PACKET_TOO_LARGE and case.state == "new":
        # The CONNECT takes no answer at all: that is found behind it.
        return
    # It is where a packet begins, or where the decoder has found a fault in one.
    version = None if case.role is SERVER and case.state == "new" else case.version
    decoder = Decoder(version, sender=SERVER if case.role is CLIENT else CLIENT)
    decoder.feed(case.data)
    begins = [*decoder.offsets, decoder.offset]
    assert place in begins or (decoder.error is not None and place == decoder.error.offset)
    # Up to there nothing is wrong, and the same has happened. What a packet lacks is at its end,
    # and known when its last byte has come.
    _, before = hear(case, [case.data[: place if place in begins else place - 1]])
    assert before.state is not ConnectionState.CLOSED
    assert before.events == whole.events[:-1]


def test_every_fault_of_the_tables_is_one_of_the_library() -> None:
    for meant in MEANT.values():
        assert FAULTS[meant.fault].reason_code == meant.reason_code

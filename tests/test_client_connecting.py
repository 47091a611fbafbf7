"""How a client's connection begins: CONNECT, CONNACK of every kind, what becomes of the session."""

from typing import Any

import pytest

from client_stage import EXPLAINED, VERSIONS, Stage, connected, failure, lasting, messages
from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import (
    Auth,
    ConnAck,
    Connect,
    Disconnect,
    PingReq,
    PingResp,
    Will,
)
from mqttproto.codec.encoder import encode
from mqttproto.codec.packet import Packet
from mqttproto.codec.publish import PubAck, PubComp, Publish, PubRec, PubRel
from mqttproto.codec.subscribe import SubAck, Subscribe, Subscription, UnsubAck, Unsubscribe
from mqttproto.constants import ConnectReturnCode, QoS, ReasonCode
from mqttproto.errors import InvalidValueError, LocalProtocolError, Statement
from mqttproto.protocol import (
    ClientConnection,
    ConnectionState,
    Leniency,
    NegotiatedLimits,
    QueueLimits,
    Session,
)
from mqttproto.protocol.events import (
    Connected,
    ConnectionRefused,
    Disconnected,
    DropReason,
    Event,
    Initiator,
    MessageReceived,
    PublishDropped,
)
from mqttproto.protocol.limits import NEVER

REASONS = [
    *(0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95),
    *(0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F),
]


def offered(
    version: int = 5, connect: Connect | None = None, session: Session | None = None, **options: Any
) -> Stage:
    """A client that has sent CONNECT."""
    stage = Stage(version, session, **options)
    stage.connect(Connect("c", keep_alive=0) if connect is None else connect)
    return stage


def welcome(events: list[Event]) -> Connected:
    """The event Connected, which is the first."""
    first = events[0]
    assert isinstance(first, Connected)
    return first


def farewell(stage: Stage) -> int | None:
    """The reason code of the DISCONNECT that was sent, and nothing else; None if there is none."""
    packets = stage.sent()
    if not packets:
        return None
    (disconnect,) = packets
    assert isinstance(disconnect, Disconnect)
    return disconnect.reason_code


# CONNECT.


@pytest.mark.parametrize(
    "properties",
    [
        EMPTY,
        Properties(
            session_expiry_interval=NEVER,
            receive_maximum=7,
            maximum_packet_size=100_000,
            topic_alias_maximum=9,
            request_response_information=True,
            request_problem_information=False,
            user_properties=[("a", "1"), ("a", "2")],
            authentication_method="m",
            authentication_data=b"\0\xff",
        ),
    ],
    ids=["none", "all"],
)
def test_every_field_of_connect_is_sent_as_it_is(properties: Properties) -> None:
    about_will = Properties(
        will_delay_interval=5,
        payload_format_indicator=1,
        message_expiry_interval=6,
        content_type="t",
        response_topic="r",
        correlation_data=b"\0",
        user_properties=[("w", "1"), ("w", "2")],
    )
    connect = Connect(
        "c", False, 65_535, Will("w", b"\0", 2, True, about_will), "user", b"secret", properties
    )
    before = encode(connect)
    assert Stage().connect(connect) == connect
    assert encode(connect) == before


@pytest.mark.parametrize("version", VERSIONS)
def test_before_5_connect_has_all_but_properties(version: int) -> None:
    connect = Connect("c", True, 30, Will("w", b"x", 1, True), "user", b"secret")
    stage = Stage(version)
    assert stage.connect(connect) == connect
    assert stage.state() is ConnectionState.CONNECTING
    assert stage.client.limits is None


@pytest.mark.spec("3.1.1", "MQTT-3.1.0-2", role="client")
@pytest.mark.spec("5.0", "MQTT-3.1.0-2", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_connect_is_sent_once_whatever_became_of_it(version: int) -> None:
    stage = Stage(version)
    for _ in range(3):
        if stage.state() is ConnectionState.NEW:
            stage.connect(Connect("c"))
        elif stage.state() is ConnectionState.CONNECTING:
            stage.accept()
        else:
            stage.cut()
        with pytest.raises(LocalProtocolError) as refused:
            stage.client.connect(Connect("c"), now=0.0)
        assert refused.value.statement == Statement("5.0", "MQTT-3.1.0-2")
        assert stage.sent() == []
    assert stage.state() is ConnectionState.CLOSED


@pytest.mark.spec("3.1.1", "MQTT-3.1.2-22", role="client")
@pytest.mark.spec("3.1.1", "MQTT-3.1.3-7", role="client")
@pytest.mark.parametrize(
    ("version", "connect"),
    [
        (3, Connect("")),
        (3, Connect("c" * 24)),
        (4, Connect("", False)),
        (4, Connect("c", password=b"p")),
        (4, Connect("c", properties=Properties(receive_maximum=1))),
        (4, Connect("c", will=Will("w", properties=Properties(will_delay_interval=1)))),
        (5, Connect("c", will=Will("w/#"))),
        (5, Connect("c", keep_alive=65_536)),
        (5, Connect("c\0")),
        (5, Connect("c", properties=Properties(authentication_data=b"alone"))),
        (5, Connect("c", properties=Properties(topic_alias=1))),
    ],
)
def test_a_connect_that_must_not_be_changes_nothing(version: int, connect: Connect) -> None:
    session = Session()
    stage = Stage(version, session)
    with pytest.raises(InvalidValueError):
        stage.client.connect(connect, now=0.0)
    assert stage.state() is ConnectionState.NEW
    assert stage.client.next_deadline() is None
    assert stage.sent() == []
    assert session.connection is None
    assert session.client_id == ""
    # It can be put right.
    assert stage.connect(lasting(version)) == lasting(version)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_connect_that_must_not_be_takes_no_session_over(version: int) -> None:
    session = Session()
    first = connected(version, lasting(version), session)
    with pytest.raises(InvalidValueError):
        Stage(version, session).client.connect(Connect("c\0"), now=0.0)
    with pytest.raises(InvalidValueError):
        Stage(version, session).client.connect(Connect("c", keep_alive=-1), now=0.0)
    assert session.connection is first.client
    assert first.client.take_events() == []
    assert first.state() is ConnectionState.CONNECTED


@pytest.mark.spec("3.1.1", "MQTT-3.1.2-22", role="client")
def test_a_password_needs_a_user_name_before_5_only() -> None:
    connect = Connect("c", password=b"p")
    with pytest.raises(InvalidValueError) as refused:
        Stage(4).client.connect(connect, now=0.0)
    assert refused.value.statement == Statement("3.1.1", "MQTT-3.1.2-22")
    assert Stage(5).connect(connect) == connect


@pytest.mark.spec("3.1.1", "MQTT-3.1.3-2", role="client")
@pytest.mark.spec("5.0", "MQTT-3.1.3-2", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_stays_with_its_client_identifier(version: int) -> None:
    session = Session()
    connected(version, lasting(version, client_id="a"), session).cut()
    assert session.client_id == "a"
    stage = Stage(version, session)
    with pytest.raises(InvalidValueError) as refused:
        stage.client.connect(lasting(version, client_id="b"), now=0.0)
    assert refused.value.field == "Connect.client_id"
    assert refused.value.statement == Statement("5.0", "MQTT-3.1.3-2")
    assert stage.state() is ConnectionState.NEW
    assert stage.connect(lasting(version, client_id="")).client_id == "a"


def test_the_password_is_not_shown() -> None:
    stage = offered(connect=Connect("c", user_name="u", password=b"hunter2"))
    assert "hunter2" not in repr(stage.client)
    assert "hunter2" not in repr(stage.client.session)


@pytest.mark.spec("5.0", "MQTT-3.1.2-24", role="client")
@pytest.mark.parametrize("own", [None, 1_000])
def test_a_packet_larger_than_connect_says_ends_the_connection(own: int | None) -> None:
    asked = Properties(maximum_packet_size=30)
    options: dict[str, Any] = {} if own is None else {"max_packet_size": own}
    stage = connected(5, Connect("c", keep_alive=0, properties=asked), **options)
    assert len(messages(stage.receive(Publish("a", bytes(24))))) == 1
    failed = failure(stage.receive(Publish("a", bytes(25))))
    assert failed.reason_code is ReasonCode.PACKET_TOO_LARGE
    assert failed.statement == Statement("5.0", "MQTT-3.1.2-24")
    assert farewell(stage) == 0x95


@pytest.mark.parametrize("version", [3, 4])
def test_before_5_the_size_is_the_clients_own_affair(version: int) -> None:
    stage = connected(version, max_packet_size=30)
    assert len(messages(stage.receive(Publish("a", bytes(25))))) == 1
    failed = failure(stage.receive(Publish("a", bytes(26))))
    assert failed.reason_code is ReasonCode.PACKET_TOO_LARGE
    assert farewell(stage) is None


# CONNACK that accepts.


@pytest.mark.parametrize("version", VERSIONS)
def test_connack_lets_the_client_in(version: int) -> None:
    stage = offered(version, Connect("c", keep_alive=9))
    assert stage.client.limits is None
    (event,) = stage.receive(ConnAck())
    assert event == Connected(False, "c", NegotiatedLimits(keep_alive=9))
    assert stage.state() is ConnectionState.CONNECTED
    assert stage.client.limits == NegotiatedLimits(keep_alive=9)
    assert stage.client.session.established
    assert stage.client.session.connection is stage.client
    assert stage.client.wants_read
    assert not stage.client.close_expected()
    assert stage.sent() == []


def test_everything_that_connack_says_is_told() -> None:
    announced = Properties(
        session_expiry_interval=77,
        receive_maximum=5,
        maximum_qos=1,
        retain_available=False,
        maximum_packet_size=300,
        topic_alias_maximum=4,
        reason_string="hello",
        user_properties=[("a", "1"), ("a", "2")],
        wildcard_subscription_available=False,
        subscription_identifier_available=False,
        shared_subscription_available=False,
        server_keep_alive=11,
        response_information="r",
        server_reference="other",
    )
    stage = offered(5, lasting(5, keep_alive=60))
    event = welcome(stage.accept(announce=announced))
    assert event.properties == announced
    assert event.limits == NegotiatedLimits(
        receive_maximum=5,
        maximum_packet_size=300,
        topic_alias_maximum=4,
        maximum_qos=QoS.AT_LEAST_ONCE,
        retain_available=False,
        wildcard_subscription_available=False,
        subscription_identifier_available=False,
        shared_subscription_available=False,
        keep_alive=11,
        session_expiry_interval=77,
    )
    assert stage.client.session.expiry_interval == 77


def test_what_is_announced_as_available_is_as_if_it_were_not_announced() -> None:
    announced = Properties(
        retain_available=True,
        wildcard_subscription_available=True,
        subscription_identifier_available=True,
        shared_subscription_available=True,
    )
    assert connected(announce=announced).client.limits == NegotiatedLimits()


def test_a_maximum_packet_size_beyond_that_of_mqtt_is_no_limit() -> None:
    stage = connected(announce=Properties(maximum_packet_size=0xFFFFFFFF))
    assert stage.client.limits == NegotiatedLimits()


@pytest.mark.parametrize("version", VERSIONS)
def test_what_comes_in_one_piece_with_connack_is_taken_behind_it(version: int) -> None:
    stage = offered(version)
    events = stage.receive(ConnAck(), Publish("a"), Publish("b", b"", 1, packet_id=1))
    assert [type(each) for each in events] == [Connected, MessageReceived, MessageReceived]
    assert stage.sent() == [PubAck(1)]


@pytest.mark.parametrize("version", VERSIONS)
def test_connack_may_come_byte_by_byte(version: int) -> None:
    stage = offered(version)
    data = stage.encoded(ConnAck())
    for index, byte in enumerate(data):
        events = stage.receive(bytes([byte]))
        assert len(events) == (index == len(data) - 1)
    assert stage.state() is ConnectionState.CONNECTED


def test_bits_that_3_1_does_not_use_say_nothing() -> None:
    stage = offered(3, lasting(3))
    (event,) = stage.receive(b"\x20\x02\xff\x00")
    assert welcome([event]).session_present is False


@pytest.mark.spec("5.0", "MQTT-3.2.0-2", role="client")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("code", [0, 5])
def test_a_second_connack_ends_the_connection(version: int, code: int) -> None:
    second = ConnAck(False, 0x87 if code and version == 5 else code)
    failed = failure(connected(version).receive(second))
    assert failed.reason_code is ReasonCode.PROTOCOL_ERROR
    assert failed.offset == len(encode(ConnAck(), version))
    expected = ("5.0", "MQTT-3.2.0-2") if version == 5 else ("3.1.1", "section 3.2")
    assert failed.statement == Statement(*expected)


# The client identifier.


@pytest.mark.spec("5.0", "MQTT-3.2.2-16", role="client")
@pytest.mark.spec("5.0", "MQTT-3.1.3-7", role="client")
def test_the_assigned_identifier_is_that_of_the_session_from_then_on() -> None:
    session = Session()
    lasts = Properties(session_expiry_interval=100)
    stage = offered(5, Connect("", False, 0, properties=lasts), session)
    event = welcome(stage.accept(announce=Properties(assigned_client_identifier="x")))
    assert event.client_id == session.client_id == "x"
    stage.cut()
    stage = Stage(5, session)
    assert stage.connect(Connect("", False, 0, properties=lasts)).client_id == "x"
    assert welcome(stage.accept(resume=True)).client_id == "x"


@pytest.mark.spec("5.0", "MQTT-3.2.2-16", role="client")
def test_a_server_that_assigns_no_identifier_is_left() -> None:
    stage = offered(5, Connect(""))
    failed = failure(stage.accept())
    assert failed.statement == Statement("5.0", "MQTT-3.2.2-16")
    assert farewell(stage) == 0x82
    assert stage.closed()


@pytest.mark.parametrize(
    ("version", "leniency"),
    [(4, Leniency.NONE), (5, Leniency.ASSIGNED_CLIENT_ID_MISSING), (5, ~Leniency.NONE)],
)
def test_no_identifier_may_be_assigned(version: int, leniency: Leniency) -> None:
    stage = offered(version, Connect(""), leniency=leniency)
    assert welcome(stage.accept()).client_id == ""
    assert stage.client.session.client_id == ""


def test_an_identifier_is_not_taken_from_a_client_that_has_one() -> None:
    stage = offered(5)
    event = welcome(stage.accept(announce=Properties(assigned_client_identifier="x")))
    assert event.client_id == stage.client.session.client_id == "c"


def test_an_identifier_that_was_missing_may_be_assigned_later() -> None:
    session = Session()
    lenient = Leniency.ASSIGNED_CLIENT_ID_MISSING
    connected(5, Connect("", keep_alive=0), session, leniency=lenient).cut()
    stage = offered(5, Connect("", keep_alive=0), session)
    stage.accept(announce=Properties(assigned_client_identifier="x"))
    assert session.client_id == "x"


# The session.


@pytest.mark.spec("5.0", "MQTT-3.1.2-23", role="client")
@pytest.mark.spec("3.1.1", "MQTT-3.1.2-4", role="client")
@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("times", [1, 3])
def test_an_idle_session_can_be_resumed(version: int, times: int) -> None:
    session = Session()
    for each in range(times + 1):
        stage = offered(version, lasting(version), session)
        event = welcome(stage.accept(resume=each > 0))
        assert event.session_present is (each > 0)
        stage.cut()
        assert session.established


@pytest.mark.spec("5.0", "MQTT-3.2.2-4", role="client")
@pytest.mark.parametrize("ended", [False, True])
def test_a_session_that_this_end_does_not_have_is_not_resumed(ended: bool) -> None:
    session = Session()
    if ended:
        connected(5, Connect("c", keep_alive=0), session).cut()
    stage = offered(5, lasting(5), session)
    failed = failure(stage.accept(resume=True))
    assert failed.statement == Statement("5.0", "MQTT-3.2.2-4")
    assert failed.reason_code is ReasonCode.PROTOCOL_ERROR
    assert failed.offset == 0
    assert farewell(stage) == 0x82
    assert stage.closed()
    assert not session.established


@pytest.mark.parametrize(
    ("version", "options", "session"),
    [
        (4, {}, Session()),
        (5, {"leniency": Leniency.UNKNOWN_SESSION_PRESENT}, Session()),
        (5, {}, Session("c", established=True)),
    ],
)
def test_a_session_that_the_server_alone_remembers_can_be_let_pass(
    version: int, options: dict[str, Leniency], session: Session
) -> None:
    stage = offered(version, lasting(version), session, **options)
    assert welcome(stage.accept(resume=True)).session_present
    assert session.established


@pytest.mark.spec("5.0", "MQTT-3.2.2-2", role="client")
@pytest.mark.spec("3.1.1", "MQTT-3.2.2-1", role="client")
@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("leniency", [Leniency.NONE, ~Leniency.NONE])
def test_a_new_session_cannot_be_present(version: int, leniency: Leniency) -> None:
    session = Session("c", established=True)
    stage = offered(version, Connect("c", True), session, leniency=leniency)
    failed = failure(stage.accept(resume=True))
    expected = ("5.0", "MQTT-3.2.2-2") if version == 5 else ("3.1.1", "MQTT-3.2.2-1")
    assert failed.statement == Statement(*expected)
    assert farewell(stage) == (0x82 if version == 5 else None)
    assert stage.closed()


@pytest.mark.spec("5.0", "MQTT-3.2.2-5", role="client")
@pytest.mark.spec("5.0", "MQTT-3.1.2-4", role="client")
@pytest.mark.spec("3.1.1", "MQTT-3.1.2-6", role="client")
@pytest.mark.parametrize(
    ("version", "clean"),
    # A CONNACK of 3.1 does not tell whether there was a session.
    [(3, True), (4, True), (4, False), (5, True), (5, False)],
)
def test_a_session_that_is_over_is_discarded_with_what_was_in_flight(
    version: int, clean: bool
) -> None:
    session = Session()
    stage = connected(version, lasting(version), session)
    lost = [stage.publish("a", 1), stage.publish("b", 2)]
    stage.receive(Publish("m", b"", 2, packet_id=9))
    stage.cut()
    connect = Connect("c", keep_alive=0) if clean else lasting(version)
    stage = offered(version, connect, session)
    assert stage.client.take_events() == []
    events = stage.accept()
    assert welcome(events).session_present is False
    assert events[1:] == [PublishDropped(each, DropReason.SESSION_ENDED) for each in lost]
    assert session.in_flight == 0
    assert stage.sent() == []
    # What it had received before is forgotten: the identifier is new.
    assert len(messages(stage.receive(Publish("m", b"", 2, packet_id=9)))) == 1
    # The handshakes of before are unknown.
    stage.sent()
    stage.receive(PubRel(8))
    assert stage.sent() == [PubComp(8, 0x92 if version == 5 else 0)]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_waits_outlives_a_session_that_is_discarded(version: int) -> None:
    session = Session()
    connected(version, lasting(version), session).cut()
    stage = offered(version, Connect("c", keep_alive=0), session)
    stage.publish("waits")
    assert welcome(stage.accept()).session_present is False
    assert stage.sent() == [Publish("waits", b"", 1, packet_id=1)]


def test_3_1_resumes_what_this_end_has() -> None:
    session = Session()
    stage = connected(3, lasting(3), session)
    stage.publish("a")
    stage.sent()
    stage.cut()
    stage = offered(3, lasting(3), session)
    assert welcome(stage.accept()).session_present is False
    assert stage.sent() == [Publish("a", b"", 1, dup=True, packet_id=1)]


@pytest.mark.spec("3.1.1", "MQTT-4.1.0-1", role="client")
@pytest.mark.spec("5.0", "MQTT-3.1.2-23", role="client")
@pytest.mark.parametrize(
    ("asked", "told", "interval"),
    [(None, None, 0), (0, None, 0), (50, None, 50), (50, 5, 5), (0, 5, 5), (NEVER, None, NEVER)],
)
def test_how_long_a_session_lasts_is_the_servers_word(
    asked: int | None, told: int | None, interval: int
) -> None:
    session = Session()
    connect = Connect("c", False, 0, properties=Properties(session_expiry_interval=asked))
    stage = connected(5, connect, session, announce=Properties(session_expiry_interval=told))
    assert stage.client.limits is not None
    assert stage.client.limits.session_expiry_interval == interval
    stage.now = 1_000.0
    assert not session.expired(stage.now)
    stage.cut()
    assert session.established is (interval > 0)
    if interval == NEVER:
        assert session.expires_at is None
    elif interval:
        assert session.expires_at == 1_000.0 + interval


@pytest.mark.parametrize("early", [True, False])
def test_a_session_that_has_expired_is_gone_when_its_client_comes_back(early: bool) -> None:
    session = Session()
    stage = connected(5, lasting(5), session)
    delivery = stage.publish("a")
    stage.sent()
    stage.cut()
    stage = Stage(5, session)
    stage.now = 99.9 if early else 100.0
    stage.connect(lasting(5))
    if early:
        assert stage.client.take_events() == []
        assert welcome(stage.accept(resume=True)).session_present
        assert stage.sent() == [Publish("a", b"", 1, dup=True, packet_id=1)]
        return
    dropped = PublishDropped(delivery, DropReason.SESSION_ENDED)
    assert stage.client.take_events() == [dropped]
    assert len(stage.accept()) == 1
    assert stage.sent() == []


@pytest.mark.parametrize("version", [3, 4])
def test_before_5_a_session_ends_with_its_connection_or_never(version: int) -> None:
    for clean in (True, False):
        session = Session()
        stage = connected(version, Connect("c", clean, 0), session)
        assert stage.client.limits is not None
        assert stage.client.limits.session_expiry_interval == (0 if clean else NEVER)
        stage.cut()
        assert session.established is not clean
        assert session.expires_at is None


# CONNACK that refuses.


@pytest.mark.spec("5.0", "MQTT-4.13.2-1", role="client")
@pytest.mark.spec("5.0", "MQTT-3.2.2-7", role="client")
@pytest.mark.parametrize("code", REASONS)
def test_every_refusal_of_5_is_told_and_ends_the_connection(code: int) -> None:
    stage = offered(5)
    why = EXPLAINED.replace(server_reference="other")
    assert stage.receive(ConnAck(False, code, why), Publish("a")) == [
        ConnectionRefused(ReasonCode(code), why)
    ]
    assert stage.client.limits is None
    assert stage.client.next_deadline() is None
    assert stage.client.handle_timeout(1_000.0) == []
    assert stage.receive(ConnAck()) == []
    assert stage.sent() == []
    assert stage.closed()


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("code", list(ConnectReturnCode)[1:])
def test_every_refusal_before_5_is_told_and_ends_the_connection(
    version: int, code: ConnectReturnCode
) -> None:
    stage = offered(version)
    (event,) = stage.receive(ConnAck(False, code))
    assert event == ConnectionRefused(code)
    assert isinstance(event, ConnectionRefused)
    assert type(event.reason_code) is ConnectReturnCode
    assert stage.sent() == []
    assert stage.closed()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_refusal_leaves_the_session_as_it_is(version: int) -> None:
    session = Session(queue_limits=QueueLimits(5))
    stage = connected(version, lasting(version), session)
    stage.publish("flying")
    stage.sent()
    stage.cut()
    stage = offered(version, lasting(version), session)
    stage.publish("waiting")
    (event,) = stage.receive(ConnAck(False, 0x89 if version == 5 else 3))
    assert isinstance(event, ConnectionRefused)
    assert session.connection is None
    assert session.established
    assert (session.in_flight, len(session.queue)) == (1, 1)
    stage = connected(version, lasting(version), session, resume=True)
    assert stage.sent() == [
        Publish("flying", b"", 1, dup=True, packet_id=1),
        Publish("waiting", b"", 1, packet_id=2),
    ]


def test_a_client_that_was_refused_had_no_session() -> None:
    session = Session()
    offered(5, lasting(5), session).receive(ConnAck(False, 0x89))
    assert not session.established
    failed = failure(offered(5, lasting(5), session).accept(resume=True))
    assert failed.statement == Statement("5.0", "MQTT-3.2.2-4")


# CONNACK that must not be.


@pytest.mark.spec("5.0", "MQTT-3.2.2-6", role="client")
@pytest.mark.spec("3.1.1", "MQTT-3.2.2-4", role="client")
@pytest.mark.parametrize("version", [4, 5])
def test_a_refusal_cannot_have_a_session(version: int) -> None:
    stage = offered(version, lasting(version), Session("c", established=True))
    failed = failure(stage.receive(b"\x20\x03\x01\x87\0" if version == 5 else b"\x20\x02\x01\x05"))
    expected = ("5.0", "MQTT-3.2.2-6") if version == 5 else ("3.1.1", "MQTT-3.2.2-4")
    assert failed.statement == Statement(*expected)
    assert farewell(stage) == (0x82 if version == 5 else None)


@pytest.mark.spec("5.0", "MQTT-3.2.2-1", role="client")
@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("flags", [0x02, 0x80, 0xFF])
def test_reserved_bits_in_connack_end_the_connection(version: int, flags: int) -> None:
    stage = offered(version)
    body = bytes([flags, 0, 0]) if version == 5 else bytes([flags, 0])
    failed = failure(stage.receive(bytes([0x20, len(body)]) + body))
    assert failed.reason_code is ReasonCode.MALFORMED_PACKET
    assert farewell(stage) == (0x81 if version == 5 else None)


@pytest.mark.spec("5.0", "MQTT-3.2.2-8", role="client")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("code", [0x06, 0x10, 0x8B, 0xFF])
def test_a_code_that_is_none_of_connack_ends_the_connection(version: int, code: int) -> None:
    stage = offered(version)
    body = bytes([0, code, 0]) if version == 5 else bytes([0, code])
    failed = failure(stage.receive(bytes([0x20, len(body)]) + body))
    assert failed.reason_code is ReasonCode.PROTOCOL_ERROR
    assert farewell(stage) == (0x82 if version == 5 else None)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_a_server_that_takes_no_answer_at_all_is_left(size: int) -> None:
    stage = offered(5)
    failed = failure(stage.accept(announce=Properties(maximum_packet_size=size)))
    assert failed.reason_code is ReasonCode.PACKET_TOO_LARGE
    # The farewell has three bytes, or is not sent.
    assert stage.client.data_to_send() == (b"\xe0\x01\x95" if size > 2 else b"")
    assert stage.closed()
    assert connected(5, announce=Properties(maximum_packet_size=5)).client.limits is not None


# What comes before CONNACK.


@pytest.mark.spec("5.0", "MQTT-3.2.0-1", role="client")
@pytest.mark.spec("3.1.1", "MQTT-3.2.0-1", role="client")
@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "packet",
    [
        Publish("a"),
        PubAck(1),
        PubRec(1),
        PubRel(1),
        PubComp(1),
        SubAck(1, [0]),
        UnsubAck(1),
        PingResp(),
    ],
    ids=lambda packet: type(packet).__name__,
)
def test_nothing_comes_before_connack(version: int, packet: Packet, new: bool) -> None:
    if isinstance(packet, UnsubAck) and version == 5:
        packet = UnsubAck(1, [0])
    stage = Stage(version) if new else offered(version)
    failed = failure(stage.receive(packet, ConnAck()))
    id = "MQTT-3.2.0-1"
    assert failed.statement == Statement("5.0" if version == 5 else "3.1.1", id)
    assert farewell(stage) == (None if new or version != 5 else 0x82)
    assert stage.closed()


@pytest.mark.spec("5.0", "MQTT-3.14.0-1", role="client")
@pytest.mark.spec("5.0", "MQTT-3.2.0-1", role="client")
def test_disconnect_does_not_come_before_connack() -> None:
    stage = offered(5)
    failed = failure(stage.receive(Disconnect(0x89)))
    assert failed.reason_code is ReasonCode.PROTOCOL_ERROR
    assert stage.closed() is False
    assert farewell(stage) == 0x82
    assert stage.closed()


@pytest.mark.parametrize("version", VERSIONS)
def test_connack_does_not_come_before_connect(version: int) -> None:
    stage = Stage(version)
    failure(stage.receive(ConnAck()))
    assert stage.sent() == []
    assert stage.closed()
    with pytest.raises(LocalProtocolError):
        stage.client.connect(Connect("c"), now=0.0)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "packet",
    [Connect("c"), Subscribe(1, [Subscription("a")]), Unsubscribe(1, ["a"]), PingReq()],
    ids=lambda packet: type(packet).__name__,
)
@pytest.mark.parametrize("where", ["new", "connecting", "connected"])
def test_what_only_clients_send_ends_the_connection(
    version: int, packet: Packet, where: str
) -> None:
    stage = connected(version) if where == "connected" else Stage(version)
    if where == "connecting":
        stage.connect(Connect("c"))
    failed = failure(stage.receive(encode(packet, version)))
    assert failed.reason_code is ReasonCode.PROTOCOL_ERROR
    expected = ("5.0", "section 2.1.2") if version == 5 else ("3.1.1", "section 2.2.1")
    assert failed.statement == Statement(*expected)
    assert farewell(stage) == (0x82 if version == 5 and where != "new" else None)


@pytest.mark.parametrize("version", [3, 4])
def test_before_5_there_is_no_auth_and_no_disconnect_from_a_server(version: int) -> None:
    for data in (encode(Auth()), encode(Disconnect())):
        for stage in (offered(version), connected(version)):
            failure(stage.receive(data))
            assert stage.sent() == []
            assert stage.closed()


@pytest.mark.spec("3.1.1", "MQTT-3.1.0-1", role="client")
@pytest.mark.spec("5.0", "MQTT-3.1.0-1", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_but_what_waits_can_be_asked_for_before_connack(version: int) -> None:
    stage = Stage(version)
    for state in (ConnectionState.NEW, ConnectionState.CONNECTING):
        assert stage.state() is state
        for call in (
            lambda: stage.client.subscribe(Subscription("a"), now=0.0),
            lambda: stage.client.unsubscribe("a", now=0.0),
            lambda: stage.client.ping(now=0.0),
            lambda: stage.client.publish("a", now=0.0),
            lambda: stage.client.authenticate(now=0.0),
            lambda: stage.client.reauthenticate(now=0.0),
        ):
            with pytest.raises(LocalProtocolError):
                call()
        stage.publish("a")
        assert stage.sent() == []
        if state is ConnectionState.NEW:
            stage.connect(Connect("c"))


# No answer.


@pytest.mark.spec("5.0", "MQTT-3.1.4-5", role="client")
@pytest.mark.spec("3.1.1", "MQTT-3.1.4-4", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_connack_has_a_deadline(version: int) -> None:
    stage = Stage(version, connect_timeout=7.5)
    assert stage.client.next_deadline() is None
    stage.now = 100.0
    stage.connect(Connect("c", keep_alive=1))
    assert stage.client.next_deadline() == 107.5
    assert stage.client.handle_timeout(107.4) == []
    failed = failure(stage.client.handle_timeout(107.5))
    expected = ("5.0", "MQTT-3.1.4-5") if version == 5 else ("3.1.1", "MQTT-3.1.4-4")
    assert failed.statement == Statement(*expected)
    assert failed.offset == 0
    # 0xA0 is the server's.
    assert farewell(stage) == (0x80 if version == 5 else None)
    assert stage.closed()
    assert stage.client.next_deadline() is None
    assert stage.receive(ConnAck()) == []


def test_a_part_of_connack_is_none() -> None:
    stage = offered(5, connect_timeout=1.0)
    assert stage.receive(encode(ConnAck())[:-1]) == []
    assert stage.client.next_deadline() == 1.0
    failure(stage.client.handle_timeout(1.0))


def test_by_default_connack_has_half_a_minute() -> None:
    assert offered(5).client.next_deadline() == 30.0


@pytest.mark.parametrize("version", VERSIONS)
def test_connack_in_time_ends_the_wait(version: int) -> None:
    stage = offered(version, connect_timeout=7.0)
    stage.now = 6.9
    stage.accept()
    assert stage.client.next_deadline() is None
    assert stage.client.handle_timeout(1_000.0) == []
    assert stage.state() is ConnectionState.CONNECTED


# One session, two connections.


@pytest.mark.parametrize("version", VERSIONS)
def test_the_session_goes_to_the_connection_that_connects(version: int) -> None:
    session = Session()
    first = connected(version, lasting(version), session)
    first.publish("a")
    first.sent()
    second = Stage(version, session)
    # To be made takes nothing over.
    assert session.connection is first.client
    second.now = 5.0
    second.connect(lasting(version))
    assert session.connection is second.client
    (event,) = first.client.take_events()
    assert isinstance(event, Disconnected)
    assert event.by is not Initiator.PEER
    assert first.state() is ConnectionState.CLOSED
    # It says nothing: the server has its own word for a client that comes twice.
    assert first.sent() == []
    assert first.closed()
    second.accept(resume=True)
    assert second.sent() == [Publish("a", b"", 1, dup=True, packet_id=1)]
    # The late end of the old one touches nothing.
    assert first.receive(PubAck(1)) == []
    assert first.client.connection_lost(6.0) == []
    assert first.client.disconnect(now=6.0) == []
    assert session.connection is second.client
    assert session.suspended_at is None
    assert session.in_flight == 1
    assert len(second.receive(PubAck(1))) == 1


def test_a_session_that_ends_with_its_connection_is_lost_when_it_is_taken() -> None:
    session = Session()
    first = connected(5, Connect("c", keep_alive=0), session)
    delivery = first.publish("a")
    second = offered(5, lasting(5), session)
    dropped, event = first.client.take_events()
    assert dropped == PublishDropped(delivery, DropReason.SESSION_ENDED)
    assert isinstance(event, Disconnected)
    assert not welcome(second.accept()).session_present


def test_connections_have_numbers_that_no_other_has() -> None:
    numbers = [ClientConnection().number for _ in range(3)]
    assert len({*numbers}) == 3
    assert numbers == sorted(numbers)


def test_what_is_no_connect_changes_nothing() -> None:
    client = Stage().client
    with pytest.raises(TypeError):
        client.connect("c", now=0.0)  # type: ignore[arg-type]
    assert client.data_to_send() == b""
    client.connect(Connect("c"), now=0.0)

"""What the standards ask of a client, on the wire: each test is a short story of packets."""

from collections.abc import Callable
from typing import Any, Final

import pytest

from mqttproto import (
    ClientConnection,
    ConnAck,
    Connect,
    Disconnect,
    LimitError,
    LocalProtocolError,
    PacketTooLargeError,
    PingReq,
    PingResp,
    Properties,
    PubAck,
    PubComp,
    Publish,
    PubRec,
    PubRel,
    ReasonCode,
    Session,
    Subscription,
)
from mqttproto.codec import Decoder, Packet, encode
from mqttproto.protocol import ConnectionState, Journal, Leniency
from mqttproto.protocol.events import (
    Connected,
    ConnectionFailed,
    ConnectionRefused,
    Disconnected,
    DropReason,
    Event,
    MessageReceived,
    PublishCompleted,
    PublishDropped,
)

LASTING: Final = Properties(session_expiry_interval=1_000)
EXPLAINED: Final = Properties(reason_string="r" * 60, user_properties=[("k", "v" * 60)])

every_version = pytest.mark.parametrize("version", [4, 5])


class Stage:
    """A client connection, and a server that is made of packets."""

    def __init__(self, version: int = 5, session: Session | None = None, **options: Any) -> None:
        self.version = version
        self.session = Session("c") if session is None else session
        self.client = ClientConnection(self.session, version=version, **options)
        self.decoder = Decoder(version, sender="client")
        self.now = 0.0

    def sent(self) -> list[Packet]:
        """What the client has put out since the last call, all of it legal."""
        packets = self.decoder.feed(self.client.data_to_send())
        assert self.decoder.error is None
        return packets

    def receive(self, *packets: Packet | bytes) -> list[Event]:
        """Let packets come from the server, in one piece."""
        data = b"".join(
            each if isinstance(each, bytes) else encode(each, self.version, "server")
            for each in packets
        )
        return self.client.receive_data(data, self.now)

    def publish(self, qos: int = 1, payload: bytes = b"x", **options: Any) -> Any:
        """Publish something."""
        return self.client.publish("plant/7", payload, qos, now=self.now, **options)

    def failure(self, events: list[Event]) -> ConnectionFailed:
        """The failure that ends these events."""
        failed = events[-1]
        assert isinstance(failed, ConnectionFailed)
        assert self.client.state is ConnectionState.CLOSED
        return failed


def connected(
    version: int = 5,
    announced: Properties | None = None,
    *,
    session: Session | None = None,
    connect: Connect | None = None,
    present: bool = False,
    now: float = 0.0,
    **options: Any,
) -> Stage:
    """A client that has its CONNACK; its session lasts."""
    stage = Stage(version, session, **options)
    stage.now = now
    lasting = LASTING if version == 5 else Properties()
    stage.client.connect(
        Connect("c", clean_start=False, keep_alive=0, properties=lasting)
        if connect is None
        else connect,
        now=now,
    )
    (first,) = stage.sent()
    assert isinstance(first, Connect)
    properties = Properties() if announced is None else announced
    events = stage.receive(ConnAck(present, 0, properties))
    assert isinstance(events[0], Connected)
    return stage


def again(stage: Stage, announced: Properties | None = None, **options: Any) -> Stage:
    """The session of ``stage``, resumed on a new connection after a cut."""
    stage.client.connection_lost(stage.now)
    return connected(
        stage.version, announced, session=stage.session, present=True, now=stage.now, **options
    )


def kinds(packets: list[Packet]) -> list[str]:
    """What packets are, with their identifiers."""
    return [f"{type(each).__name__} {getattr(each, 'packet_id', '')}".rstrip() for each in packets]


# Connecting.


@pytest.mark.spec("3.1.1", "MQTT-3.1.0-1", role="client")
@pytest.mark.spec("5.0", "MQTT-3.1.0-1", role="client")
@every_version
def test_connect_is_the_first_packet(version: int) -> None:
    stage = Stage(version)
    stage.publish()
    with pytest.raises(LocalProtocolError):
        stage.client.subscribe(Subscription("a"), now=0.0)
    with pytest.raises(LocalProtocolError):
        stage.client.ping(now=0.0)
    assert stage.sent() == []
    stage.client.connect(Connect("c"), now=0.0)
    assert kinds(stage.sent()) == ["Connect"]


@pytest.mark.spec("5.0", "MQTT-3.1.2-1", role="client")
def test_connect_has_the_protocol_name() -> None:
    stage = Stage()
    stage.client.connect(Connect("c"), now=0.0)
    assert stage.client.data_to_send()[2:9] == b"\0\4MQTT\5"


@pytest.mark.spec("5.0", "MQTT-3.2.2-4", role="client")
def test_a_session_that_the_client_does_not_have_ends_the_connection() -> None:
    stage = Stage()
    stage.client.connect(Connect("c", clean_start=False), now=0.0)
    stage.sent()
    failed = stage.failure(stage.receive(ConnAck(True)))
    assert failed.statement.id == "MQTT-3.2.2-4"
    assert failed.offset == 0
    assert kinds(stage.sent()) == ["Disconnect"]
    assert stage.client.close_expected()


def test_a_session_that_the_client_does_not_have_can_be_let_pass() -> None:
    for stage in (
        Stage(leniency=Leniency.UNKNOWN_SESSION_PRESENT),
        Stage(session=Session("c", established=True)),
        Stage(4),
    ):
        stage.client.connect(Connect("c", clean_start=False), now=0.0)
        stage.sent()
        (event,) = stage.receive(ConnAck(True))
        assert isinstance(event, Connected)
        assert event.session_present


@pytest.mark.spec("5.0", "MQTT-3.2.2-5", role="client")
@every_version
def test_a_session_that_the_server_does_not_have_is_discarded(version: int) -> None:
    stage = connected(version)
    lost = stage.publish(2)
    stage.client.connection_lost(0.0)
    stage = Stage(version, stage.session)
    lasting = LASTING if version == 5 else Properties()
    stage.client.connect(Connect("c", clean_start=False, properties=lasting), now=0.0)
    stage.sent()
    accepted, dropped = stage.receive(ConnAck(False))
    assert isinstance(accepted, Connected)
    assert dropped == PublishDropped(lost, DropReason.SESSION_ENDED)
    assert stage.sent() == []
    assert stage.session.in_flight == 0


@pytest.mark.spec("5.0", "MQTT-4.13.2-1", role="client")
@every_version
def test_a_refusal_ends_the_connection(version: int) -> None:
    stage = Stage(version)
    stage.client.connect(Connect("c"), now=0.0)
    stage.sent()
    code = 0x87 if version == 5 else 5
    (event,) = stage.receive(ConnAck(False, code))
    assert isinstance(event, ConnectionRefused)
    assert event.reason_code == code
    assert stage.client.close_expected()


@pytest.mark.spec("5.0", "MQTT-4.13.2-1", role="client")
def test_a_disconnect_with_a_failure_ends_the_connection() -> None:
    stage = connected()
    (event,) = stage.receive(Disconnect(0x89))
    assert isinstance(event, Disconnected)
    assert event.reason_code == ReasonCode.SERVER_BUSY
    assert stage.client.close_expected()


# Keep alive.


@pytest.mark.spec("3.1.1", "MQTT-3.1.2-23", role="client")
@pytest.mark.spec("5.0", "MQTT-3.1.2-20", role="client")
@every_version
def test_pingreq_goes_out_before_the_keep_alive_has_passed(version: int) -> None:
    stage = connected(version, connect=Connect("c", clean_start=False, keep_alive=10))
    assert stage.client.next_deadline() == 10.0
    assert stage.client.handle_timeout(9.9) == []
    assert stage.sent() == []
    assert stage.client.handle_timeout(10.0) == []
    assert stage.sent() == [PingReq()]
    stage.now = 10.5
    (answered,) = stage.receive(PingResp())
    assert answered.round_trip == 0.5  # type: ignore[attr-defined]
    stage.now = 12.0
    stage.publish(0)
    assert stage.client.next_deadline() == 20.5


@pytest.mark.spec("5.0", "MQTT-3.1.2-21", role="client")
@pytest.mark.spec("5.0", "MQTT-3.2.2-21", role="client")
def test_the_keep_alive_of_the_server_counts() -> None:
    ask = Connect("c", clean_start=False, keep_alive=100)
    stage = connected(5, Properties(server_keep_alive=7), connect=ask)
    assert stage.client.next_deadline() == 7.0
    stage = connected(5, Properties(server_keep_alive=0), connect=ask)
    assert stage.client.next_deadline() is None


# What the server takes.


@pytest.mark.spec("5.0", "MQTT-3.2.2-11", role="client")
def test_no_qos_above_the_maximum_is_sent() -> None:
    stage = connected(5, Properties(maximum_qos=1))
    with pytest.raises(LimitError):
        stage.publish(2)
    assert stage.sent() == []
    stage.publish(1)
    assert kinds(stage.sent()) == ["Publish 1"]


@pytest.mark.spec("5.0", "MQTT-3.2.2-14", role="client")
def test_no_retain_is_sent_to_a_server_that_retains_nothing() -> None:
    stage = connected(5, Properties(retain_available=False))
    for qos in (0, 1, 2):
        with pytest.raises(LimitError):
            stage.publish(qos, retain=True)
    assert stage.sent() == []


@pytest.mark.spec("5.0", "MQTT-3.2.2-15", role="client")
def test_no_packet_is_larger_than_the_server_takes() -> None:
    stage = connected(5, Properties(maximum_packet_size=30))
    small = Publish("plant/7", bytes(18), packet_id=None)
    assert len(encode(small)) == 30
    stage.publish(0, bytes(18))
    for qos, size in ((0, 19), (1, 17), (2, 17)):
        with pytest.raises(PacketTooLargeError):
            stage.publish(qos, bytes(size))
    with pytest.raises(PacketTooLargeError):
        stage.client.subscribe(Subscription("a" * 30), now=0.0)
    with pytest.raises(PacketTooLargeError):
        stage.client.unsubscribe("a" * 30, now=0.0)
    assert stage.sent() == [small]
    assert stage.session.in_flight == 0


@pytest.mark.spec("5.0", "MQTT-3.2.2-17", role="client")
@pytest.mark.spec("5.0", "MQTT-3.3.2-9", role="client")
def test_no_alias_is_above_what_the_server_takes() -> None:
    stage = connected(5, Properties(topic_alias_maximum=2), max_topic_aliases=10)
    for topic in ("aaaa", "bbbb", "cccc", "bbbb", "aaaa"):
        stage.client.publish(topic, now=0.0)
    told = [(each.topic, each.properties.topic_alias) for each in publishes(stage.sent())]
    assert told == [("aaaa", 1), ("bbbb", 2), ("cccc", 1), ("", 2), ("aaaa", 1)]


@pytest.mark.spec("5.0", "MQTT-3.2.2-18", role="client")
def test_no_alias_is_sent_to_a_server_that_takes_none() -> None:
    for announced in (Properties(), Properties(topic_alias_maximum=0)):
        stage = connected(5, announced, max_topic_aliases=10)
        stage.publish(0)
        stage.publish(0)
        assert stage.sent() == [Publish("plant/7", b"x")] * 2


@pytest.mark.spec("5.0", "MQTT-3.3.2-7", role="client")
def test_aliases_end_with_their_connection() -> None:
    announced = Properties(topic_alias_maximum=2)
    stage = connected(5, announced, max_topic_aliases=2)
    stage.publish(0)
    stage = again(stage, announced, max_topic_aliases=2)
    stage.publish(0)
    (publish,) = publishes(stage.sent())
    assert publish.topic == "plant/7"
    ask = Connect("c", False, 0, properties=LASTING.replace(topic_alias_maximum=1))
    stage = connected(5, connect=ask)
    stage.receive(Publish("a/b", properties=Properties(topic_alias=1)))
    stage.client.connection_lost(0.0)
    stage = connected(5, session=stage.session, connect=ask, present=True)
    failed = stage.failure(stage.receive(Publish("", properties=Properties(topic_alias=1))))
    assert failed.reason_code == ReasonCode.PROTOCOL_ERROR


@pytest.mark.spec("5.0", "MQTT-3.3.2-10", role="client")
def test_every_alias_up_to_the_own_maximum_is_taken() -> None:
    ask = Connect("c", False, 0, properties=LASTING.replace(topic_alias_maximum=3))
    stage = connected(5, connect=ask)
    for alias in (1, 2, 3):
        stage.receive(Publish(f"t/{alias}", properties=Properties(topic_alias=alias)))
    for alias in (1, 2, 3):
        (event,) = stage.receive(Publish("", properties=Properties(topic_alias=alias)))
        assert isinstance(event, MessageReceived)
        assert event.topic == f"t/{alias}"
        assert event.properties == Properties()
    failed = stage.failure(stage.receive(Publish("t", properties=Properties(topic_alias=4))))
    assert failed.reason_code == ReasonCode.TOPIC_ALIAS_INVALID
    assert failed.statement.id == "MQTT-3.3.2-11"


@pytest.mark.spec("5.0", "MQTT-3.3.4-7", role="client")
@pytest.mark.spec("5.0", "MQTT-4.9.0-1", role="client")
@pytest.mark.spec("5.0", "MQTT-4.9.0-2", role="client")
def test_no_more_messages_are_in_flight_than_the_server_takes() -> None:
    stage = connected(5, Properties(receive_maximum=2))
    for qos in (1, 2, 1, 2):
        stage.publish(qos)
    assert kinds(stage.sent()) == ["Publish 1", "Publish 2"]
    stage.receive(PubRec(2))
    assert kinds(stage.sent()) == ["PubRel 2"]
    stage.receive(PubComp(2))
    assert kinds(stage.sent()) == ["Publish 3"]
    stage.receive(PubAck(1, 0x97))
    assert kinds(stage.sent()) == ["Publish 4"]
    stage.receive(PubRec(4, 0x97))
    assert stage.client.in_flight == 1


@pytest.mark.spec("5.0", "MQTT-3.3.4-8", role="client")
@pytest.mark.spec("5.0", "MQTT-4.9.0-3", role="client")
def test_a_used_up_quota_holds_up_nothing_but_messages() -> None:
    stage = connected(5, Properties(receive_maximum=1))
    stage.publish(2)
    stage.publish(1)
    stage.sent()
    stage.publish(0)
    stage.client.subscribe(Subscription("a"), now=0.0)
    stage.client.unsubscribe("a", now=0.0)
    stage.client.ping(now=0.0)
    stage.receive(PubRec(1), Publish("b", b"", 1, packet_id=9), Publish("b", b"", 2, packet_id=8))
    assert sorted(kinds(stage.sent())) == [
        "PingReq",
        "PubAck 9",
        "PubRec 8",
        "PubRel 1",
        "Publish None",
        "Subscribe 2",
        "Unsubscribe 3",
    ]


# Sending.


@pytest.mark.spec("3.1.1", "MQTT-4.3.1-1", role="client")
@pytest.mark.spec("5.0", "MQTT-4.3.1-1", role="client")
@every_version
def test_qos_0_is_sent_once_without_dup(version: int) -> None:
    stage = connected(version)
    assert stage.publish(0) is None
    assert stage.sent() == [Publish("plant/7", b"x")]
    assert again(stage).sent() == []


@pytest.mark.spec("3.1.1", "MQTT-4.3.2-1", role="client")
@pytest.mark.spec("5.0", "MQTT-4.3.2-1", role="client")
@pytest.mark.spec("5.0", "MQTT-4.3.2-2", role="client")
@pytest.mark.spec("5.0", "MQTT-4.3.2-3", role="client")
@every_version
def test_qos_1_goes_from_publish_to_puback(version: int) -> None:
    stage = connected(version)
    first, second = stage.publish(1), stage.publish(1)
    assert stage.sent() == [
        Publish("plant/7", b"x", 1, packet_id=1),
        Publish("plant/7", b"x", 1, packet_id=2),
    ]
    assert stage.receive(PubAck(2)) == [PublishCompleted(second)]
    assert stage.session.deliveries == [first]
    stage.publish(1)
    assert kinds(stage.sent()) == ["Publish 3"]


@pytest.mark.spec("3.1.1", "MQTT-4.3.3-1", role="client")
@pytest.mark.spec("3.1.1", "MQTT-2.3.1-6", role="client")
@pytest.mark.spec("5.0", "MQTT-2.2.1-5", role="client")
@pytest.mark.spec("5.0", "MQTT-4.3.3-1", role="client")
@pytest.mark.spec("5.0", "MQTT-4.3.3-2", role="client")
@pytest.mark.spec("5.0", "MQTT-4.3.3-3", role="client")
@pytest.mark.spec("5.0", "MQTT-4.3.3-4", role="client")
@pytest.mark.spec("5.0", "MQTT-4.3.3-5", role="client")
@every_version
def test_qos_2_goes_from_publish_to_pubcomp(version: int) -> None:
    stage = connected(version)
    stage.publish(1)
    delivery = stage.publish(2)
    assert stage.sent()[1] == Publish("plant/7", b"x", 2, packet_id=2)
    assert stage.receive(PubRec(2)) == []
    assert stage.sent() == [PubRel(2)]
    assert delivery in stage.session.deliveries
    assert stage.receive(PubComp(2)) == [PublishCompleted(delivery)]
    assert delivery not in stage.session.deliveries


@pytest.mark.spec("3.1.1", "MQTT-2.3.1-3", role="client")
@pytest.mark.spec("3.1.1", "MQTT-3.3.1-1", role="client")
@pytest.mark.spec("5.0", "MQTT-3.3.1-1", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.6.0-1", role="client")
@pytest.mark.spec("5.0", "MQTT-4.6.0-1", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.1.0-1", role="client")
@pytest.mark.spec("5.0", "MQTT-3.1.2-23", role="client")
@every_version
def test_what_is_unacknowledged_is_sent_again_in_order(version: int) -> None:
    stage = connected(version)
    for qos in (1, 2, 1, 2):
        stage.publish(qos)
    stage.receive(PubAck(1))
    stage.publish(1)
    stage = again(stage)
    assert stage.sent() == [
        Publish("plant/7", b"x", qos, dup=True, packet_id=packet_id)
        for packet_id, qos in ((2, 2), (3, 1), (4, 2), (5, 1))
    ]


@pytest.mark.spec("3.1.1", "MQTT-4.6.0-1", role="client")
@pytest.mark.spec("5.0", "MQTT-4.6.0-1", role="client")
@every_version
def test_the_order_is_that_of_sending_and_not_of_identifiers(version: int) -> None:
    session = Session("c")
    stage = connected(version, session=session)
    for _ in range(65_534):
        packet_id = stage.publish(1).packet_id
        stage.receive(PubAck(packet_id))
    stage.sent()
    stage.publish(1)
    stage.publish(1)
    assert kinds(stage.sent()) == ["Publish 65535", "Publish 1"]
    assert kinds(again(stage).sent()) == ["Publish 65535", "Publish 1"]


@pytest.mark.spec("3.1.1", "MQTT-4.6.0-4", role="client")
@pytest.mark.spec("5.0", "MQTT-4.6.0-4", role="client")
@every_version
def test_pubrels_follow_the_order_of_pubrecs_now_and_later(version: int) -> None:
    stage = connected(version)
    for _ in range(3):
        stage.publish(2)
    stage.sent()
    stage.receive(PubRec(3), PubRec(1), PubRec(2))
    assert kinds(stage.sent()) == ["PubRel 3", "PubRel 1", "PubRel 2"]
    assert kinds(again(stage).sent()) == ["PubRel 3", "PubRel 1", "PubRel 2"]


@pytest.mark.spec("5.0", "MQTT-4.4.0-2", role="client")
def test_what_was_refused_is_not_sent_again() -> None:
    stage = connected()
    first, second = stage.publish(1), stage.publish(2)
    assert stage.receive(PubAck(1, 0x87), PubRec(2, 0x87)) == [
        PublishCompleted(first, ReasonCode.NOT_AUTHORIZED),
        PublishCompleted(second, ReasonCode.NOT_AUTHORIZED),
    ]
    assert kinds(stage.sent()) == ["Publish 1", "Publish 2"]
    assert again(stage).sent() == []


@pytest.mark.spec("5.0", "MQTT-4.3.3-7", role="client")
def test_what_was_sent_does_not_expire() -> None:
    stage = connected()
    expiring = Properties(message_expiry_interval=10)
    stage.publish(2, properties=expiring)
    stage.publish(1, properties=expiring)
    assert all(each.properties == expiring for each in publishes(stage.sent()))
    stage.now = 60.0
    left = [each.properties.message_expiry_interval for each in publishes(again(stage).sent())]
    assert left == [0, 0]


def test_what_waits_is_sent_with_what_is_left_of_its_lifetime() -> None:
    stage = connected(5, Properties(receive_maximum=1))
    stage.publish(1)
    stage.publish(1, properties=Properties(message_expiry_interval=100))
    gone = stage.publish(1, properties=Properties(message_expiry_interval=10))
    stage.sent()
    stage.now = 30.0
    stage.receive(PubAck(1))
    (publish,) = publishes(stage.sent())
    assert publish.properties.message_expiry_interval == 70
    events = stage.receive(PubAck(2))
    assert events[1] == PublishDropped(gone, DropReason.EXPIRED)


# Receiving.


@pytest.mark.spec("3.1.1", "MQTT-3.3.4-1", role="client")
@pytest.mark.spec("5.0", "MQTT-3.3.4-1", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.5.0-2", role="client")
@pytest.mark.spec("5.0", "MQTT-4.5.0-2", role="client")
@pytest.mark.spec("5.0", "MQTT-4.3.2-4", role="client")
@pytest.mark.spec("5.0", "MQTT-4.3.3-8", role="client")
@every_version
def test_every_message_is_answered_as_its_qos_asks(version: int) -> None:
    stage = connected(version)
    events = stage.receive(
        Publish("a"), Publish("a", b"", 1, packet_id=5), Publish("a", b"", 2, packet_id=6)
    )
    assert [type(each) for each in events] == [MessageReceived] * 3
    assert stage.sent() == [PubAck(5), PubRec(6)]


@pytest.mark.spec("3.1.1", "MQTT-4.3.2-2", role="client")
@pytest.mark.spec("5.0", "MQTT-4.3.2-5", role="client")
@every_version
def test_after_puback_the_identifier_is_new(version: int) -> None:
    stage = connected(version)
    for payload in (b"1", b"2"):
        (event,) = stage.receive(Publish("a", payload, 1, dup=True, packet_id=5))
        assert isinstance(event, MessageReceived)
        assert event.payload == payload
        assert stage.sent() == [PubAck(5)]


@pytest.mark.spec("3.1.1", "MQTT-4.3.3-2", role="client")
@pytest.mark.spec("5.0", "MQTT-4.3.3-10", role="client")
@pytest.mark.spec("5.0", "MQTT-4.3.3-11", role="client")
@pytest.mark.spec("5.0", "MQTT-4.3.3-12", role="client")
@every_version
def test_a_qos_2_message_is_delivered_once(version: int) -> None:
    stage = connected(version)
    message = Publish("a", b"", 2, packet_id=6)
    assert len(stage.receive(message)) == 1
    assert stage.receive(Publish("a", b"", 2, dup=True, packet_id=6)) == []
    assert stage.sent() == [PubRec(6)] * 2
    stage = again(stage)
    assert stage.receive(Publish("a", b"", 2, dup=True, packet_id=6)) == []
    assert stage.receive(PubRel(6)) == []
    assert stage.sent() == [PubRec(6), PubComp(6)]
    assert len(stage.receive(message)) == 1


@pytest.mark.spec("5.0", "MQTT-4.3.3-9", role="client")
def test_after_a_refusal_the_identifier_is_new() -> None:
    stage = connected(manual_acknowledgement=True)
    for _ in range(2):
        (event,) = stage.receive(Publish("a", b"", 2, packet_id=6))
        assert isinstance(event, MessageReceived)
        stage.client.acknowledge(event, 0x97, now=0.0)
        assert stage.sent() == [PubRec(6, 0x97)]


@pytest.mark.spec("5.0", "MQTT-4.3.3-13", role="client")
def test_an_exchange_is_finished_though_its_message_has_expired() -> None:
    stage = connected(manual_acknowledgement=True)
    expiring = Properties(message_expiry_interval=1)
    (event,) = stage.receive(Publish("a", b"", 2, packet_id=6, properties=expiring))
    assert isinstance(event, MessageReceived)
    stage.now = 100.0
    stage.client.acknowledge(event, now=100.0)
    stage.receive(PubRel(6))
    assert stage.sent() == [PubRec(6), PubComp(6)]


@pytest.mark.spec("3.1.1", "MQTT-4.6.0-2", role="client")
@pytest.mark.spec("5.0", "MQTT-4.6.0-2", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.6.0-3", role="client")
@pytest.mark.spec("5.0", "MQTT-4.6.0-3", role="client")
@pytest.mark.parametrize(("qos", "answer"), [(1, PubAck), (2, PubRec)])
@every_version
def test_answers_follow_the_order_of_receipt(
    version: int, qos: int, answer: Callable[[int], Packet]
) -> None:
    stage = connected(version, manual_acknowledgement=True)
    events = stage.receive(*(Publish("a", b"", qos, packet_id=each) for each in (7, 3, 5)))
    for event in reversed(events):
        assert stage.sent() == []
        assert isinstance(event, MessageReceived)
        stage.client.acknowledge(event, now=0.0)
    assert stage.sent() == [answer(7), answer(3), answer(5)]


def test_a_handle_knows_its_connection() -> None:
    stage = connected(manual_acknowledgement=True)
    one, two = stage.receive(Publish("a", b"", 1, packet_id=1), Publish("a", b"", 2, packet_id=2))
    assert isinstance(one, MessageReceived)
    assert isinstance(two, MessageReceived)
    stage = again(stage, manual_acknowledgement=True)
    (new,) = stage.receive(Publish("a", b"", 1, dup=True, packet_id=1))
    stage.client.acknowledge(one, now=0.0)
    assert stage.sent() == []
    assert stage.receive(Publish("a", b"", 2, dup=True, packet_id=2)) == []
    stage.client.acknowledge(two, now=0.0)
    assert stage.sent() == [PubRec(2)]
    assert isinstance(new, MessageReceived)
    stage.client.acknowledge(new, now=0.0)
    assert stage.sent() == [PubAck(1)]


# What is left out.


@pytest.mark.spec("5.0", "MQTT-3.4.2-2", role="client")
@pytest.mark.spec("5.0", "MQTT-3.4.2-3", role="client")
@pytest.mark.spec("5.0", "MQTT-3.5.2-2", role="client")
@pytest.mark.spec("5.0", "MQTT-3.5.2-3", role="client")
@pytest.mark.parametrize(("qos", "answer"), [(1, PubAck), (2, PubRec)])
@pytest.mark.parametrize("limit", [None, 40])
def test_explanations_are_left_out_where_they_do_not_fit(
    qos: int, answer: Callable[[int, int, Properties], Packet], limit: int | None
) -> None:
    announced = Properties(maximum_packet_size=limit)
    stage = connected(5, announced, manual_acknowledgement=True)
    (event,) = stage.receive(Publish("a", b"", qos, packet_id=1))
    assert isinstance(event, MessageReceived)
    stage.client.acknowledge(event, 0x97, EXPLAINED, now=0.0)
    assert stage.sent() == [answer(1, 0x97, Properties() if limit else EXPLAINED)]


@pytest.mark.spec("5.0", "MQTT-3.6.2-2", role="client")
@pytest.mark.spec("5.0", "MQTT-3.6.2-3", role="client")
@pytest.mark.spec("5.0", "MQTT-3.7.2-2", role="client")
@pytest.mark.spec("5.0", "MQTT-3.7.2-3", role="client")
def test_pubrel_and_pubcomp_have_no_explanations_at_all() -> None:
    stage = connected(5, Properties(maximum_packet_size=30))
    stage.publish(2)
    stage.sent()
    stage.receive(PubRec(1, 0, EXPLAINED), PubRec(9), PubRel(7))
    sent = stage.sent()
    assert sent == [PubRel(1), PubRel(9, 0x92), PubComp(7, 0x92)]
    assert all(len(encode(each)) <= 30 for each in sent)


@pytest.mark.spec("5.0", "MQTT-3.14.2-3", role="client")
@pytest.mark.spec("5.0", "MQTT-3.14.2-4", role="client")
@pytest.mark.parametrize("limit", [None, 40])
def test_disconnect_has_no_explanation_that_does_not_fit(limit: int | None) -> None:
    stage = connected(5, Properties(maximum_packet_size=limit))
    stage.client.disconnect(0x04, EXPLAINED, now=0.0)
    assert stage.sent() == [Disconnect(0x04, Properties() if limit else EXPLAINED)]


# The end.


@pytest.mark.spec("3.1.1", "MQTT-3.14.4-1", role="client")
@pytest.mark.spec("3.1.1", "MQTT-3.14.4-2", role="client")
@pytest.mark.spec("5.0", "MQTT-3.14.4-1", role="client")
@pytest.mark.spec("5.0", "MQTT-3.14.4-2", role="client")
@every_version
def test_nothing_follows_disconnect(version: int) -> None:
    stage = connected(version)
    stage.publish(1)
    stage.client.disconnect(now=0.0)
    assert not stage.client.close_expected()
    assert kinds(stage.sent()) == ["Publish 1", "Disconnect"]
    assert stage.client.close_expected()
    assert stage.receive(PubAck(1), Publish("a", b"", 1, packet_id=1)) == []
    with pytest.raises(LocalProtocolError):
        stage.publish(0)
    assert stage.sent() == []


@pytest.mark.spec("5.0", "MQTT-3.14.1-1", role="client")
@pytest.mark.spec("3.1.1", "MQTT-2.2.2-2", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.8.0-1", role="client")
@every_version
def test_wrong_flags_end_the_connection(version: int) -> None:
    stage = connected(version)
    failed = stage.failure(stage.receive(b"\xe1\0" if version == 5 else b"\xd1\0"))
    assert failed.reason_code == ReasonCode.MALFORMED_PACKET
    explained = Properties(reason_string=failed.error.rule)
    farewell = [Disconnect(0x81, explained)] if version == 5 else []
    assert stage.sent() == farewell
    assert stage.client.close_expected()


@pytest.mark.spec("3.1.1", "MQTT-4.8.0-2", role="client")
def test_who_cannot_handle_a_packet_closes_the_connection() -> None:
    stage = connected(4, manual_acknowledgement=True)
    stage.receive(Publish("a", b"", 1, packet_id=1))
    stage.client.disconnect(now=0.0)
    assert stage.sent() == [Disconnect()]
    assert stage.client.close_expected()


@pytest.mark.spec("3.1.1", "MQTT-4.1.0-2", role="client")
@pytest.mark.spec("5.0", "MQTT-4.1.0-1", role="client")
@every_version
def test_a_session_does_not_end_before_its_connection(version: int) -> None:
    lasting = Properties(session_expiry_interval=1) if version == 5 else Properties()
    ask = Connect("c", False, 0, properties=lasting)
    stage = connected(version, connect=ask)
    delivery = stage.publish(1)
    stage.now = 1_000_000.0
    assert not stage.session.expired(stage.now)
    assert stage.receive(PubAck(1)) == [PublishCompleted(delivery)]


def publishes(packets: list[Packet]) -> list[Publish]:
    """The messages among packets."""
    return [each for each in packets if isinstance(each, Publish)]


# Changes before bytes.


def test_what_the_peer_must_not_see_before_it_is_stored_waits() -> None:
    session = Session("c", journal=Journal())
    stage = connected(session=session)
    stage.client.committed(stage.client.take_changes().last)
    stage.publish(0)
    stage.publish(1)
    assert kinds(stage.sent()) == ["Publish None", "Publish 1"]
    stage.publish(2)
    stage.publish(0)
    stage.client.ping(now=0.0)
    assert kinds(stage.sent()) == ["PingReq"]
    stage.client.committed(stage.client.take_changes().last)
    assert kinds(stage.sent()) == ["Publish 2", "Publish None"]
    stage.receive(Publish("a", b"", 2, packet_id=7), PubRec(2))
    assert stage.sent() == []
    batch = stage.client.take_changes()
    stage.client.committed(batch.last)
    assert kinds(stage.sent()) == ["PubRec 7", "PubRel 2"]
    stage.receive(PubRel(7))
    assert stage.sent() == []
    stage.client.committed(stage.client.take_changes().last)
    assert kinds(stage.sent()) == ["PubComp 7"]


def test_what_another_connection_has_committed_is_committed() -> None:
    journal = Journal()
    one = connected(session=Session("c", journal=journal))
    two = connected(session=Session("c", journal=journal))
    two.publish(2)
    assert two.sent() == []
    one.client.committed(one.client.take_changes().last)
    assert not two.client.take_changes()
    assert kinds(two.sent()) == ["Publish 1"]

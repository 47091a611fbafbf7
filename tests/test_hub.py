"""The small server, with clients that are joined to it in memory."""

from itertools import count
from random import Random
from typing import Any, Final

import pytest

from mqttproto import (
    ClientConnection,
    Connect,
    ConnectReturnCode,
    Properties,
    ReasonCode,
    RetainHandling,
    Session,
    Subscribe,
    Subscription,
    Will,
)
from mqttproto.cli.hub import Hub
from mqttproto.codec import encode
from mqttproto.protocol.events import (
    Connected,
    ConnectionFailed,
    ConnectionRefused,
    Disconnected,
    Initiator,
    MessageReceived,
    PublishCompleted,
    Subscribed,
    Unsubscribed,
)
from mqttproto.testing.network import Network

VERSIONS: Final = (3, 4, 5)
QOS: Final = (0, 1, 2)

every_version = pytest.mark.parametrize("version", VERSIONS)


class Guest:
    """A client of the hub, connected."""

    def __init__(self, house: "House", connection: ClientConnection, connect: Connect) -> None:
        self.house = house
        self.connection = connection
        network = house.network
        self.server = house.hub.open(network.now)
        self.link = network.connect(connection, self.server)
        self.link.server.on_event = self._serve
        connection.connect(connect, now=network.now)
        network.run_until_quiet()

    def _serve(self, event: Any) -> None:
        self.house.hub.handle(self.server, [event], self.house.network.now)

    def told(self, kind: type[Any]) -> list[Any]:
        """The events of a kind so far."""
        return [event for event in self.link.client.events if isinstance(event, kind)]

    @property
    def session_present(self) -> bool:
        (connected,) = self.told(Connected)
        return bool(connected.session_present)

    @property
    def messages(self) -> list[MessageReceived]:
        """The messages since the last look."""
        found = self.told(MessageReceived)
        self.link.client.events.clear()
        return found

    @property
    def payloads(self) -> list[bytes]:
        """What the messages since the last look have said."""
        return [message.payload for message in self.messages]

    def subscribe(self, *subscriptions: Subscription | str, **properties: Any) -> list[ReasonCode]:
        wanted = [
            Subscription(each, 2) if isinstance(each, str) else each for each in subscriptions
        ]
        self.connection.subscribe(wanted, Properties(**properties), now=self.house.network.now)
        self.house.network.run_until_quiet()
        codes: list[ReasonCode] = self.told(Subscribed)[-1].reason_codes
        return codes

    def unsubscribe(self, *topic_filters: str) -> list[ReasonCode]:
        self.connection.unsubscribe(topic_filters, now=self.house.network.now)
        self.house.network.run_until_quiet()
        codes: list[ReasonCode] = self.told(Unsubscribed)[-1].reason_codes
        return codes

    def publish(
        self, topic: str, payload: bytes, qos: int = 0, *, retain: bool = False, **properties: Any
    ) -> None:
        self.connection.publish(
            topic,
            payload,
            qos,
            retain,
            properties=Properties(**properties),
            now=self.house.network.now,
        )
        self.house.network.run_until_quiet()

    def leave(self, reason_code: int = 0) -> None:
        """Say goodbye."""
        self.connection.disconnect(reason_code, now=self.house.network.now)
        self.house.network.run_until_quiet()

    def cut(self) -> None:
        """Lose the network connection."""
        self.link.cut()


class House:
    """A hub, and the network before it."""

    def __init__(self, **options: Any) -> None:
        self.network = Network()
        self.hub = Hub(random=Random(7), **options)

    def guest(
        self,
        client_id: str = "c",
        version: int = 5,
        *,
        session: Session | None = None,
        lasting: int = 0,
        clean_start: bool | None = None,
        **fields: Any,
    ) -> Guest:
        """Connect a client.

        :param session: what it has kept.
        :param lasting: seconds that its session is to outlive the connection; before 5.0 any
            number but 0 is for ever.
        """
        properties = Properties()
        if version == 5 and lasting:
            properties = Properties(session_expiry_interval=lasting)
        if clean_start is None:
            clean_start = not lasting
        connection = ClientConnection(session, version=version)
        connect = Connect(
            client_id, clean_start=clean_start, keep_alive=0, properties=properties, **fields
        )
        return Guest(self, connection, connect)


@pytest.fixture
def house() -> House:
    return House()


# --- messages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("receiver", VERSIONS)
@every_version
def test_a_message_goes_from_any_version_to_any(house: House, version: int, receiver: int) -> None:
    one, other = house.guest("one", version), house.guest("other", receiver)
    other.subscribe("a/+")
    for qos in QOS:
        one.publish("a/b", b"%d" % qos, qos)
    one.publish("b", b"elsewhere", 1)
    messages = other.messages
    assert [message.payload for message in messages] == [b"0", b"1", b"2"]
    assert [message.qos for message in messages] == [0, 1, 2]
    assert not any(message.retain for message in messages)
    assert len(one.told(PublishCompleted)) == 3


@pytest.mark.parametrize("granted", QOS)
@pytest.mark.parametrize("qos", QOS)
def test_the_lower_qos_is_that_of_the_delivery(house: House, qos: int, granted: int) -> None:
    guest = house.guest()
    assert guest.subscribe(Subscription("t", granted)) == [ReasonCode(granted)]
    guest.publish("t", b"x", qos)
    assert [message.qos for message in guest.messages] == [min(qos, granted)]


def test_an_acknowledgement_says_whether_anybody_listens(house: House) -> None:
    guest = house.guest()
    guest.publish("t", b"x", 1)
    guest.subscribe("t")
    guest.publish("t", b"x", 2)
    codes = [event.reason_code for event in guest.told(PublishCompleted)]
    assert codes == [ReasonCode.NO_MATCHING_SUBSCRIBERS, ReasonCode.SUCCESS]


def test_an_acknowledgement_leaves_behind_the_routing(house: House) -> None:
    one, other = house.guest("one"), house.guest("other")
    other.subscribe("t")
    other.link.to_client.stalled = True
    one.publish("t", b"x", 1)
    assert one.told(PublishCompleted)
    # It is under way to the other client already.
    assert other.link.to_client.under_way


def test_properties_pass_unaltered_and_aliases_do_not(house: House) -> None:
    sent: dict[str, Any] = {
        "payload_format_indicator": 1,
        "content_type": "text/plain",
        "response_topic": "r",
        "correlation_data": b"\0\1",
        "user_properties": (("b", "2"), ("a", "1"), ("b", "2")),
    }
    guest = house.guest()
    guest.subscribe("t")
    guest.publish("t", b"x", **sent)
    (message,) = guest.messages
    assert dict(message.properties) == sent


def test_wildcards_do_not_reach_into_system_topics(house: House) -> None:
    guest = house.guest()
    guest.subscribe("#", "+/a")
    guest.publish("$x/a", b"hidden", 1)
    guest.publish("/a", b"seen", 1)
    assert guest.payloads == [b"seen"]


def test_a_client_that_takes_nothing_is_spared_qos_0(house: House) -> None:
    guest = house.guest()
    guest.subscribe("t")
    house.hub.congested.add(guest.server)
    guest.publish("t", b"0")
    guest.publish("t", b"1", 1)
    house.hub.congested.clear()
    guest.publish("t", b"2")
    assert guest.payloads == [b"1", b"2"]


# --- subscriptions -----------------------------------------------------------------------------


def test_overlapping_subscriptions_get_one_copy(house: House) -> None:
    guest = house.guest()
    guest.subscribe(Subscription("a/#", 0), subscription_identifiers=[7])
    guest.subscribe(Subscription("a/b", 2), subscription_identifiers=[9])
    guest.subscribe(Subscription("+/b", 1))
    guest.publish("a/b", b"x", 2)
    (message,) = guest.messages
    assert message.qos == 2
    assert sorted(message.properties.subscription_identifiers) == [7, 9]


def test_a_subscription_is_replaced(house: House) -> None:
    guest = house.guest()
    guest.subscribe(Subscription("t", 2), subscription_identifiers=[7])
    guest.subscribe(Subscription("t", 1), subscription_identifiers=[8])
    guest.publish("t", b"x", 2)
    (message,) = guest.messages
    assert message.qos == 1
    assert message.properties.subscription_identifiers == (8,)


def test_unsubscribing_says_what_there_was(house: House) -> None:
    guest = house.guest()
    guest.subscribe("t", "u")
    codes = guest.unsubscribe("t", "v")
    assert codes == [ReasonCode.SUCCESS, ReasonCode.NO_SUBSCRIPTION_EXISTED]
    guest.publish("t", b"gone", 1)
    guest.publish("u", b"there", 1)
    assert guest.payloads == [b"there"]


def test_who_wants_nothing_of_its_own_gets_nothing_of_its_own(house: House) -> None:
    one, other = house.guest("one"), house.guest("other")
    one.subscribe(Subscription("t", no_local=True))
    one.publish("t", b"own")
    other.publish("t", b"other's")
    assert one.payloads == [b"other's"]


def test_a_request_behind_the_end_is_not_answered(house: House) -> None:
    guest = house.guest()
    house.network.settle()
    subscribe = encode(Subscribe(1, [Subscription("t")]))
    events = guest.server.receive_data(subscribe + b"\xe0\0", now=0.0)
    house.hub.handle(guest.server, events, now=0.0)
    assert guest.server.data_to_send() == b""
    assert house.hub.client_ids == []


def test_an_unsubscribe_behind_the_end_is_not_answered(house: House) -> None:
    guest = house.guest()
    events = guest.server.receive_data(bytes.fromhex("a206 0001 00 0001 74 e000"), now=0.0)
    house.hub.handle(guest.server, events, now=0.0)
    assert guest.server.data_to_send() == b""


def test_shared_subscriptions_take_turns(house: House) -> None:
    guests = [house.guest(name) for name in ("one", "two", "three")]
    for guest in guests:
        guest.subscribe("$share/g/t/+", subscription_identifiers=[5])
    for number in range(6):
        guests[0].publish("t/x", b"%d" % number, 1)
    received = [guest.messages for guest in guests]
    assert [len(messages) for messages in received] == [2, 2, 2]
    assert {m.properties.subscription_identifiers for each in received for m in each} == {(5,)}


def test_groups_and_ordinary_subscriptions_each_get_the_message(house: House) -> None:
    guest = house.guest()
    guest.subscribe("$share/g/t", "$share/h/t", "t")
    guest.publish("t", b"x", 1)
    assert guest.payloads == [b"x"] * 3


def test_a_shared_message_goes_to_who_is_there(house: House) -> None:
    away, here = house.guest("away", lasting=60), house.guest("here")
    for guest in (away, here):
        guest.subscribe("$share/g/t")
    away.cut()
    for _ in range(4):
        here.publish("t", b"x", 1)
    assert here.payloads == [b"x"] * 4


def test_a_shared_message_waits_if_nobody_is_there(house: House) -> None:
    session = Session("away")
    away = house.guest("away", session=session, lasting=60)
    away.subscribe("$share/g/t")
    away.cut()
    house.guest("other").publish("t", b"x", 1)
    assert house.guest("away", session=session, lasting=60).payloads == [b"x"]


def test_before_5_a_shared_subscription_is_any_other(house: House) -> None:
    guest = house.guest(version=4)
    guest.subscribe("$share/g/t")
    guest.publish("t", b"not", 1)
    guest.publish("$share/g/t", b"this", 1)
    assert guest.payloads == [b"this"]


# --- retained messages -------------------------------------------------------------------------


@every_version
def test_the_last_retained_message_waits_for_subscribers(house: House, version: int) -> None:
    one = house.guest("one", version)
    one.publish("t/1", b"old", 1, retain=True)
    one.publish("t/1", b"new", 2, retain=True)
    one.publish("t/2", b"other", 0, retain=True)
    one.publish("t/3", b"passing", 1)
    one.publish("u/1", b"elsewhere", 1, retain=True)
    other = house.guest("other", version)
    other.subscribe(Subscription("t/+", 1))
    received = [(m.payload, m.qos, m.retain) for m in other.messages]
    assert received == [(b"new", 1, True), (b"other", 0, True)]


def test_an_empty_retained_message_clears_and_is_passed_on(house: House) -> None:
    guest = house.guest()
    guest.publish("t", b"x", retain=True)
    guest.subscribe("t")
    guest.publish("t", b"", retain=True)
    assert [(m.payload, m.retain) for m in guest.messages] == [(b"x", True), (b"", False)]
    guest.subscribe("t")
    assert guest.messages == []


def test_a_retained_message_keeps_its_flag_for_who_wants_it(house: House) -> None:
    guest = house.guest()
    guest.subscribe(Subscription("t", retain_as_published=True))
    guest.publish("t", b"kept", retain=True)
    guest.publish("t", b"not kept")
    assert [m.retain for m in guest.messages] == [True, False]


@pytest.mark.parametrize(
    ("handling", "times"),
    [
        (RetainHandling.SEND, (1, 1)),
        (RetainHandling.SEND_IF_NEW, (1, 0)),
        (RetainHandling.DO_NOT_SEND, (0, 0)),
    ],
)
def test_whether_retained_messages_are_wanted(
    house: House, handling: RetainHandling, times: tuple[int, int]
) -> None:
    guest = house.guest()
    guest.publish("t", b"x", retain=True)
    wanted = Subscription("t", retain_handling=handling)
    found = []
    for _ in times:
        guest.subscribe(wanted)
        found.append(len(guest.messages))
    assert tuple(found) == times


def test_retained_messages_are_not_for_shared_subscriptions(house: House) -> None:
    guest = house.guest()
    guest.publish("t", b"x", retain=True)
    guest.subscribe("$share/g/t")
    assert guest.messages == []


def test_a_retained_message_names_the_subscription(house: House) -> None:
    guest = house.guest()
    guest.publish("t", b"x", retain=True)
    guest.subscribe("#", subscription_identifiers=[3])
    (message,) = guest.messages
    assert message.properties.subscription_identifiers == (3,)


def test_a_retained_message_expires(house: House) -> None:
    guest = house.guest()
    guest.publish("t", b"x", 1, retain=True, message_expiry_interval=10)
    house.network.run(3.5)
    guest.subscribe("t")
    (message,) = guest.messages
    assert message.properties.message_expiry_interval == 7
    house.network.run(7)
    guest.subscribe("t")
    assert guest.messages == []


# --- sessions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [4, 5])
def test_a_session_outlives_its_connection(house: House, version: int) -> None:
    session = Session("c")
    guest = house.guest("c", version, session=session, lasting=60)
    assert not guest.session_present
    guest.subscribe("t")
    guest.cut()
    other = house.guest("other")
    for qos in QOS:
        other.publish("t", b"%d" % qos, qos)
    guest = house.guest("c", version, session=session, lasting=60)
    assert guest.session_present
    assert guest.payloads == [b"1", b"2"]
    other.publish("t", b"again")
    assert guest.payloads == [b"again"]


@every_version
def test_a_clean_session_ends_with_its_connection(house: House, version: int) -> None:
    guest = house.guest("c", version)
    guest.subscribe("t")
    guest.leave()
    assert house.hub.client_ids == []
    guest = house.guest("c", version)
    assert not guest.session_present
    guest.publish("t", b"x", 1)
    assert guest.messages == []


def test_a_clean_start_forgets_the_session(house: House) -> None:
    guest = house.guest(lasting=60)
    guest.subscribe("t")
    guest.cut()
    house.guest("other").publish("t", b"x", 1)
    guest = house.guest(lasting=60, clean_start=True)
    assert not guest.session_present
    guest.publish("t", b"y", 1)
    assert guest.messages == []


def test_a_session_expires(house: House) -> None:
    guest = house.guest(lasting=60)
    guest.subscribe("t")
    guest.cut()
    house.network.run(59)
    other = house.guest("other")
    other.publish("t", b"x", 1)
    assert other.told(PublishCompleted)[-1].reason_code == ReasonCode.SUCCESS
    house.network.run(1)
    other.publish("t", b"x", 1)
    assert other.told(PublishCompleted)[-1].reason_code == ReasonCode.NO_MATCHING_SUBSCRIBERS
    assert house.hub.client_ids == ["other"]


def test_an_expired_session_is_not_resumed(house: House) -> None:
    session = Session("c")
    house.guest(session=session, lasting=60).cut()
    house.network.run(60)
    assert not house.guest(session=session, lasting=60).session_present


def test_a_message_that_waits_counts_down(house: House) -> None:
    session = Session("c")
    guest = house.guest(session=session, lasting=60)
    guest.subscribe("t")
    guest.cut()
    other = house.guest("other")
    other.publish("t", b"short", 1, message_expiry_interval=5)
    other.publish("t", b"long", 1, message_expiry_interval=20)
    house.network.run(8)
    (message,) = house.guest(session=session, lasting=60).messages
    assert (message.payload, message.properties.message_expiry_interval) == (b"long", 12)


@pytest.mark.parametrize("version", [4, 5])
def test_a_second_connection_takes_the_session(house: House, version: int) -> None:
    session = Session("c")
    first = house.guest("c", version, session=session, lasting=60)
    first.subscribe("t")
    second = house.guest("c", version, session=Session("c", established=True), lasting=60)
    assert second.session_present
    assert not first.link.server.open
    if version == 5:
        (end,) = first.told(Disconnected)
        assert (end.by, end.reason_code) == (Initiator.PEER, ReasonCode.SESSION_TAKEN_OVER)
    house.guest("other").publish("t", b"x", 2)
    assert second.payloads == [b"x"]


def test_a_second_connection_replaces_what_ends_with_the_first(house: House) -> None:
    first = house.guest()
    first.subscribe("t")
    second = house.guest(clean_start=False)
    assert not second.session_present
    assert first.told(Disconnected)[0].reason_code == ReasonCode.SESSION_TAKEN_OVER
    second.publish("t", b"x", 1)
    assert second.messages == []
    assert house.hub.client_ids == ["c"]


def test_a_client_without_a_name_gets_one(house: House) -> None:
    named = [house.guest("").told(Connected)[0].client_id for _ in range(2)]
    assert named == house.hub.client_ids
    assert len(set(named)) == 2
    house.guest("", 4)
    assert len(house.hub.client_ids) == 3


def test_names_cannot_be_guessed_unless_that_is_asked_for() -> None:
    names = set()
    for _ in range(2):
        house = House()
        house.hub = Hub()
        names.add(house.guest("").told(Connected)[0].client_id)
    assert len(names) == 2


def test_what_connack_says_can_be_chosen() -> None:
    house = House(properties=Properties(receive_maximum=3, topic_alias_maximum=9))
    (connected,) = house.guest().told(Connected)
    assert connected.limits.receive_maximum == 3
    assert connected.limits.topic_alias_maximum == 9


def test_enhanced_authentication_is_refused(house: House) -> None:
    connection = ClientConnection(version=5)
    properties = Properties(authentication_method="m")
    guest = Guest(house, connection, Connect("c", properties=properties))
    (refused,) = guest.told(ConnectionRefused)
    assert refused.reason_code == ReasonCode.BAD_AUTHENTICATION_METHOD
    assert house.hub.client_ids == []


def test_a_connect_that_is_refused_leaves_nothing() -> None:
    house = House(properties=Properties(retain_available=False))
    guest = house.guest(will=Will("w", b"x", retain=True))
    assert guest.told(ConnectionRefused)
    assert house.hub.client_ids == []


def test_nonsense_ends_a_connection_and_no_other(house: House) -> None:
    guest = house.guest()
    stranger = house.hub.open(0.0)
    events = stranger.receive_data(b"GET / HTTP/1.1\r\n\r\n", 0.0)
    assert isinstance(events[0], ConnectionFailed)
    house.hub.handle(stranger, events, 0.0)
    assert stranger.close_expected()
    guest.subscribe("t")
    guest.publish("t", b"x", 1)
    assert guest.payloads == [b"x"]


def test_too_low_a_version_of_a_client_is_told(house: House) -> None:
    stranger = house.hub.open(0.0)
    connect = bytes.fromhex("100d 0004 4d515454 02 02 0000 0001 63")
    house.hub.handle(stranger, stranger.receive_data(connect, 0.0), 0.0)
    code = ConnectReturnCode.UNACCEPTABLE_PROTOCOL_VERSION
    assert stranger.data_to_send() == bytes((0x20, 2, 0, code))


# --- wills -------------------------------------------------------------------------------------

WILL: Final = Will("w", b"gone", 1)


@every_version
def test_a_will_is_published_when_the_network_fails(house: House, version: int) -> None:
    heir = house.guest("heir", version)
    heir.subscribe("w")
    house.guest("c", version, will=WILL).cut()
    house.network.run_until_quiet()
    assert [(m.payload, m.qos) for m in heir.messages] == [(b"gone", 1)]


@pytest.mark.parametrize(("reason_code", "published"), [(0x00, 0), (0x04, 1)])
def test_a_normal_end_removes_the_will(house: House, reason_code: int, published: int) -> None:
    heir = house.guest("heir")
    heir.subscribe("w")
    house.guest(will=WILL).leave(reason_code)
    assert len(heir.messages) == published


def test_a_will_is_published_when_a_peer_breaks_a_rule(house: House) -> None:
    heir = house.guest("heir")
    heir.subscribe("w")
    guest = house.guest(will=WILL)
    house.hub.handle(guest.server, guest.server.receive_data(b"\0\0", 0.0), 0.0)
    house.network.run_until_quiet()
    assert heir.payloads == [b"gone"]


@pytest.mark.parametrize("lasting", [0, 60])
def test_a_will_is_published_when_another_connection_takes_over(house: House, lasting: int) -> None:
    heir = house.guest("heir")
    heir.subscribe("w")
    house.guest(lasting=lasting, will=WILL)
    house.guest(lasting=lasting, session=Session("c", established=True))
    assert heir.payloads == [b"gone"]
    assert sorted(house.hub.client_ids) == ["c", "heir"]


def test_a_will_may_be_retained_and_its_delay_is_ignored(house: House) -> None:
    properties = Properties(will_delay_interval=5, content_type="text/plain")
    will = Will("w", b"gone", retain=True, properties=properties)
    house.guest(lasting=60, will=will).cut()
    heir = house.guest("heir")
    heir.subscribe("w")
    (message,) = heir.messages
    assert message.retain
    assert dict(message.properties) == {"content_type": "text/plain"}


# --- connections -------------------------------------------------------------------------------


def test_what_has_something_to_send_is_named_once(house: House) -> None:
    one, other = house.guest("one"), house.guest("other")
    other.subscribe("t")
    house.hub.take_active()
    one.publish("t", b"x", 1)
    assert house.hub.take_active() == [one.server, other.server]
    assert house.hub.take_active() == []


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("version", [4, 5])
def test_cuts_lose_nothing_and_double_nothing_at_qos_2(version: int, seed: int) -> None:
    chance = Random(seed)
    house = House()
    sessions = {name: Session(name) for name in ("sender", "receiver")}
    numbers = count()
    sent: dict[int, list[bytes]] = {1: [], 2: []}
    received: dict[int, list[bytes]] = {1: [], 2: []}

    def life(name: str) -> Guest:
        guest = house.guest(name, version, session=sessions[name], lasting=60)
        guest.link.to_client.chunk = guest.link.to_server.chunk = lambda n: chance.randint(1, n)
        return guest

    receiver = life("receiver")
    receiver.subscribe("t")
    for _ in range(40):
        sender = life("sender")
        for _ in range(chance.randint(0, 12)):
            qos = chance.randint(1, 2)
            sent[qos].append(b"%d" % next(numbers))
            sender.connection.publish("t", sent[qos][-1], qos, now=house.network.now)
        for _ in range(chance.randint(0, 60)):
            house.network.step()
        sender.link.cut(to_server=chance.randint(0, 200))
        if chance.random() < 0.5:
            receiver.link.cut(to_client=chance.randint(0, 200))
            for message in receiver.messages:
                received[message.qos].append(message.payload)
            receiver = life("receiver")
    life("sender")
    house.network.run_until_quiet()
    for message in receiver.messages:
        received[message.qos].append(message.payload)
    assert received[2] == sent[2]
    assert list(dict.fromkeys(received[1])) == sent[1]

"""What a command says of its connection."""

from mqttproto import ProtocolVersion, Publish, ReasonCode, Subscription, TransportError
from mqttproto.cli.notices import Notices
from mqttproto.engine.events import (
    ClientEvent,
    MessageDropped,
    Offline,
    Online,
    Reconnecting,
    SessionLost,
    SubscriptionLost,
)
from mqttproto.protocol.limits import NegotiatedLimits

ONLINE = Online(None, ProtocolVersion.MQTT5, False, "c", NegotiatedLimits(60))
LOST = Offline(TransportError("it is gone", "mqtt://h"))


def said(*events: ClientEvent) -> list[str]:
    notices = Notices()
    return [notice for event in events if (notice := notices.notice(event)) is not None]


def test_what_goes_well_needs_no_words() -> None:
    assert said(ONLINE, Offline(None)) == []


def test_a_first_connection_that_takes_several_attempts_needs_none() -> None:
    assert said(LOST, Reconnecting(0.0, 1), ONLINE) == []


def test_a_lost_connection_and_the_next() -> None:
    assert said(ONLINE, LOST, Reconnecting(1.26, 1), LOST, Reconnecting(2.0, 2), ONLINE) == [
        "mqtt://h: it is gone; trying again in 1.3 seconds",
        "mqtt://h: it is gone; trying again in 2.0 seconds",
        "connected again",
    ]


def test_a_lost_session_matters_to_subscribers() -> None:
    assert said(SessionLost(())) == []
    assert said(SessionLost((Subscription("a"),))) == [
        "the server has lost the session, and with it what it had not sent yet"
    ]


def test_a_lost_subscription() -> None:
    [notice] = said(SubscriptionLost(Subscription("a/\x1b"), ReasonCode.NOT_AUTHORIZED))
    assert notice == (r'the server refused to subscribe to "a/\x1b" again: NOT_AUTHORIZED(0x87)')


def test_lost_messages_are_said_once_and_counted() -> None:
    notices = Notices()
    event = MessageDropped(Publish("a"))
    assert [notices.notice(event) for _ in range(3)] == [
        "the output is too slow, and messages of QoS 0 are lost",
        None,
        None,
    ]
    assert notices.dropped == 3

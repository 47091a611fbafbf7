"""The error tree: what its members hold, say, and keep through copy and pickle."""

import copy
import pickle
from collections.abc import Callable

import pytest

from mqttproto import errors
from mqttproto.codec.block import Properties
from mqttproto.codec.reasons import REASON_CODES
from mqttproto.constants import ConnectReturnCode, PacketType, ReasonCode, Sender
from mqttproto.errors import (
    ClientClosedError,
    ConnectRefusedError,
    DeliveryUncertainError,
    InvalidTopicError,
    InvalidValueError,
    LimitError,
    LocalProtocolError,
    MalformedPacketError,
    MessageDroppedError,
    MissingExtraError,
    MQTTError,
    PacketError,
    PacketIdsExhaustedError,
    PacketTooLargeError,
    ProtocolViolationError,
    PublishRefusedError,
    QueueFullError,
    RequestTimeoutError,
    Statement,
    SubscribeRefusedError,
    TransportError,
)
from mqttproto.protocol.events import DropReason

ALIAS_ZERO = Statement("5.0", "MQTT-3.3.2-8")

every_copy = pytest.mark.parametrize(
    "duplicate",
    [
        copy.copy,
        copy.deepcopy,
        *(
            lambda value, protocol=protocol: pickle.loads(pickle.dumps(value, protocol))
            for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
        ),
    ],
    ids=["copy", "deepcopy", *(f"pickle-{n}" for n in range(2, pickle.HIGHEST_PROTOCOL + 1))],
)
packet_errors = pytest.mark.parametrize(
    "error", [PacketError, MalformedPacketError, ProtocolViolationError]
)
value_errors = pytest.mark.parametrize(
    "error", [InvalidValueError, InvalidTopicError, PacketTooLargeError]
)
local_errors = pytest.mark.parametrize(
    "error", [LocalProtocolError, LimitError, QueueFullError, PacketIdsExhaustedError]
)

Duplicate = Callable[[object], object]


def packet_error(error: type[PacketError] = PacketError, offset: int = 7) -> PacketError:
    return error(
        "a Topic Alias must be 1 to 65,535",
        reason_code=ReasonCode.TOPIC_ALIAS_INVALID,
        offset=offset,
        statement=ALIAS_ZERO,
        fault=32,
    )


@pytest.mark.parametrize(
    ("error", "bases"),
    [
        (MQTTError, (Exception,)),
        (PacketError, (MQTTError,)),
        (MalformedPacketError, (PacketError,)),
        (ProtocolViolationError, (PacketError,)),
        (InvalidValueError, (MQTTError, ValueError)),
        (InvalidTopicError, (InvalidValueError,)),
        (PacketTooLargeError, (InvalidValueError,)),
        (LocalProtocolError, (MQTTError,)),
        (LimitError, (LocalProtocolError,)),
        (QueueFullError, (LocalProtocolError,)),
        (PacketIdsExhaustedError, (LocalProtocolError,)),
        (MissingExtraError, (MQTTError, ImportError)),
        (TransportError, (MQTTError,)),
        (ConnectRefusedError, (MQTTError,)),
        (PublishRefusedError, (MQTTError,)),
        (SubscribeRefusedError, (MQTTError,)),
        (MessageDroppedError, (MQTTError,)),
        (DeliveryUncertainError, (MQTTError,)),
        (ClientClosedError, (MQTTError,)),
        (RequestTimeoutError, (MQTTError, TimeoutError)),
    ],
)
def test_the_tree(error: type[Exception], bases: tuple[type, ...]) -> None:
    assert error.__bases__ == bases
    assert error.__name__ in (errors.__doc__ or "")


# --- statements ------------------------------------------------------------------------------


def test_a_statement_says_version_and_id() -> None:
    assert ALIAS_ZERO.version == "5.0"
    assert ALIAS_ZERO.id == "MQTT-3.3.2-8"
    assert str(ALIAS_ZERO) == "MQTT 5.0 [MQTT-3.3.2-8]"
    assert repr(ALIAS_ZERO) == "Statement('5.0', 'MQTT-3.3.2-8')"


def test_equal_statements_agree_in_both() -> None:
    assert Statement("5.0", "MQTT-3.3.2-8") == ALIAS_ZERO
    assert hash(Statement("5.0", "MQTT-3.3.2-8")) == hash(ALIAS_ZERO)
    assert Statement("3.1.1", "MQTT-3.3.2-8") != ALIAS_ZERO
    assert Statement("5.0", "MQTT-3.3.2-9") != ALIAS_ZERO
    assert ALIAS_ZERO != ("5.0", "MQTT-3.3.2-8")
    assert ALIAS_ZERO != "MQTT 5.0 [MQTT-3.3.2-8]"


@every_copy
def test_a_statement_can_be_copied(duplicate: Duplicate) -> None:
    assert duplicate(ALIAS_ZERO) == ALIAS_ZERO


# --- errors about a peer's bytes -------------------------------------------------------------


@packet_errors
def test_a_packet_error_holds_what_happened(error: type[PacketError]) -> None:
    held = packet_error(error)
    assert held.rule == "a Topic Alias must be 1 to 65,535"
    assert held.reason_code is ReasonCode.TOPIC_ALIAS_INVALID
    assert held.offset == 7
    assert held.statement == ALIAS_ZERO
    assert held.fault == 32
    assert str(held) == (
        "a Topic Alias must be 1 to 65,535 (at byte 7; MQTT 5.0 [MQTT-3.3.2-8]; reason code 0x94)"
    )


def test_a_short_reason_code_is_printed_in_two_digits() -> None:
    held = PacketError(
        "rule", reason_code=ReasonCode.SUCCESS, offset=0, statement=ALIAS_ZERO, fault=1
    )
    assert str(held).endswith("reason code 0x00)")


@packet_errors
@every_copy
def test_a_packet_error_can_be_copied(duplicate: Duplicate, error: type[PacketError]) -> None:
    held = packet_error(error)
    other = duplicate(held)
    assert type(other) is error
    assert vars(other) == vars(held)
    assert isinstance(other, PacketError)
    assert other.reason_code is ReasonCode.TOPIC_ALIAS_INVALID
    assert str(other) == str(held)


# --- errors about the caller's values --------------------------------------------------------


@value_errors
def test_a_value_error_names_field_rule_and_statement(error: type[InvalidValueError]) -> None:
    raised = error("Publish.topic_alias", "must be 1 to 65,535", ALIAS_ZERO)
    assert raised.field == "Publish.topic_alias"
    assert raised.rule == "must be 1 to 65,535"
    assert raised.statement == ALIAS_ZERO
    assert str(raised) == ("Publish.topic_alias: must be 1 to 65,535 (MQTT 5.0 [MQTT-3.3.2-8])")


@value_errors
def test_a_rule_of_the_library_has_no_statement(error: type[InvalidValueError]) -> None:
    raised = error("Publish.topic", "must have at most 128 levels")
    assert raised.statement is None
    assert str(raised) == "Publish.topic: must have at most 128 levels"


@value_errors
@every_copy
@pytest.mark.parametrize("statement", [ALIAS_ZERO, None])
def test_a_value_error_can_be_copied(
    duplicate: Duplicate, error: type[InvalidValueError], statement: Statement | None
) -> None:
    raised = error("Publish.topic_alias", "must be 1 to 65,535", statement)
    other = duplicate(raised)
    assert type(other) is error
    assert vars(other) == vars(raised)
    assert str(other) == str(raised)


# --- errors about what the caller asks for ---------------------------------------------------


@local_errors
def test_a_local_error_says_what_must_be_and_where(error: type[LocalProtocolError]) -> None:
    raised = error("the server keeps no messages", Statement("5.0", "MQTT-3.2.2-14"))
    assert raised.rule == "the server keeps no messages"
    assert raised.statement == Statement("5.0", "MQTT-3.2.2-14")
    assert str(raised) == "the server keeps no messages (MQTT 5.0 [MQTT-3.2.2-14])"


@local_errors
def test_a_local_error_may_be_about_the_library_alone(error: type[LocalProtocolError]) -> None:
    raised = error("the connection is over: publish on the next one")
    assert raised.statement is None
    assert str(raised) == raised.rule == "the connection is over: publish on the next one"


@local_errors
@every_copy
@pytest.mark.parametrize("statement", [ALIAS_ZERO, None])
def test_a_local_error_can_be_copied(
    duplicate: Duplicate, error: type[LocalProtocolError], statement: Statement | None
) -> None:
    raised = error("wait", statement)
    other = duplicate(raised)
    assert type(other) is error
    assert vars(other) == vars(raised)
    assert str(other) == str(raised)


@local_errors
def test_a_local_error_is_not_the_fault_of_a_value(error: type[LocalProtocolError]) -> None:
    assert not issubclass(error, (ValueError, PacketError))


# --- errors about what did not come about ----------------------------------------------------

outcomes = pytest.mark.parametrize(
    "error",
    [
        MissingExtraError("WebSocket", "ws"),
        TransportError("nobody answers"),
        TransportError("nobody answers", "mqtt://broker.test:1883"),
        ConnectRefusedError(ConnectReturnCode.NOT_AUTHORIZED),
        ConnectRefusedError(ReasonCode.BANNED, Properties(reason_string="go away")),
        PublishRefusedError(ReasonCode.QUOTA_EXCEEDED, "enough for today"),
        SubscribeRefusedError([ReasonCode.NOT_AUTHORIZED], ["a/#"]),
        MessageDroppedError("expired", "a"),
        DeliveryUncertainError("a"),
        ClientClosedError("its context was left"),
        RequestTimeoutError("a", 2.5),
    ],
    ids=lambda error: type(error).__name__,
)


@outcomes
@every_copy
def test_an_outcome_can_be_copied(duplicate: Duplicate, error: MQTTError) -> None:
    other = duplicate(error)
    assert type(other) is type(error)
    assert vars(other) == vars(error)
    assert str(other) == str(error)


@outcomes
def test_an_outcome_is_said_in_one_line_that_has_its_attributes(error: MQTTError) -> None:
    assert str(error).isprintable()
    assert all(value in str(error) for value in vars(error).values() if isinstance(value, str)) or (
        isinstance(error, MessageDroppedError)  # its reason is said in more words
    )


def test_a_missing_extra_says_how_to_install_it() -> None:
    held = MissingExtraError("WebSocket", "ws")
    assert held.feature == "WebSocket"
    assert held.extra == "ws"
    assert str(held) == "WebSocket is not installed: pip install 'mqttproto[ws]'"


def test_a_transport_error_says_whom_it_is_about() -> None:
    held = TransportError("nobody answers: is it running?", "mqtt://broker.test:1883")
    assert held.reason == "nobody answers: is it running?"
    assert held.address == "mqtt://broker.test:1883"
    assert str(held) == "mqtt://broker.test:1883: nobody answers: is it running?"
    assert str(TransportError("nobody answers")) == "nobody answers"


def test_a_refused_connection_says_what_the_server_says() -> None:
    properties = Properties(reason_string="moved", server_reference="b.test:1884")
    held = ConnectRefusedError(ReasonCode.SERVER_MOVED, properties)
    assert held.reason_code is ReasonCode.SERVER_MOVED
    assert held.properties == properties
    assert held.reason_string == "moved"
    assert held.server_reference == "b.test:1884"
    assert str(held) == (
        "the server refused the connection: server moved (0x9d); it says 'moved'; "
        "from now on, connect to another server; it names 'b.test:1884'"
    )


def test_a_refused_connection_before_5_0_has_a_return_code_alone() -> None:
    held = ConnectRefusedError(ConnectReturnCode.IDENTIFIER_REJECTED)
    assert held.reason_code is ConnectReturnCode.IDENTIFIER_REJECTED
    assert held.properties is held.reason_string is held.server_reference is None
    assert str(held) == (
        "the server refused the connection: identifier rejected (0x02); "
        "use another client identifier"
    )


@pytest.mark.parametrize(
    "code",
    [*sorted(REASON_CODES[PacketType.CONNACK, Sender.SERVER])[1:], *list(ConnectReturnCode)[1:]],
)
def test_every_refusal_of_a_connection_says_what_to_do(
    code: ReasonCode | ConnectReturnCode,
) -> None:
    assert str(ConnectRefusedError(code)).count("; ") == 1


def test_a_refused_message_says_why() -> None:
    held = PublishRefusedError(ReasonCode.NOT_AUTHORIZED)
    assert held.reason_code is ReasonCode.NOT_AUTHORIZED
    assert held.reason_string is None
    assert str(held) == (
        "the server refused the message: not authorized (0x87); "
        "ask whoever runs the server for leave to publish to this topic"
    )
    other = PublishRefusedError(ReasonCode.UNSPECIFIED_ERROR, "disk\nfull")
    assert other.reason_string == "disk\nfull"
    assert str(other) == (
        "the server refused the message: unspecified error (0x80); it says 'disk\\nfull'; "
        "the server's log may say more"
    )


def test_a_refused_subscription_names_those_that_were_refused() -> None:
    codes = [ReasonCode.GRANTED_QOS_1, ReasonCode.NOT_AUTHORIZED, ReasonCode.UNSPECIFIED_ERROR]
    held = SubscribeRefusedError(codes, ["a", "b/#", "c"])
    assert held.reason_codes == tuple(codes)
    assert held.filters == ("a", "b/#", "c")
    assert held.refused == {"b/#": codes[1], "c": codes[2]}
    assert str(held) == (
        "the server refused to subscribe to 'b/#': not authorized (0x87), "
        "'c': unspecified error (0x80); 1 granted and in force; "
        "check the topic filters, and what this client may read"
    )
    assert "granted" not in str(SubscribeRefusedError(codes[1:2], ["b/#"]))


@pytest.mark.parametrize("reason", DropReason)
def test_every_reason_to_drop_a_message_says_what_to_do(reason: DropReason) -> None:
    held = MessageDroppedError(reason.value, "a/b")
    assert held.reason == reason.value
    assert held.topic == "a/b"
    assert str(held).startswith("the message to 'a/b' was dropped: it ") or (
        str(held).startswith("the message to 'a/b' was dropped: the server ")
        or reason is DropReason.EXPIRED
    )
    assert str(held).count(": ") == 2


def test_another_reason_to_drop_a_message_stands_for_itself() -> None:
    assert str(MessageDroppedError("no more")) == "the message was dropped: no more"


def test_an_uncertain_delivery_leaves_the_choice() -> None:
    assert DeliveryUncertainError("a/b").topic == "a/b"
    assert str(DeliveryUncertainError("a/b")).startswith(
        "the session ended while the message to 'a/b' was in flight, and the server may have it "
    )
    assert "while a message of QoS 2 was in flight" in str(DeliveryUncertainError())


def test_a_closed_client_says_why() -> None:
    held = ClientClosedError("its context was left")
    assert held.reason == "its context was left"
    assert str(held) == "the client has ended: its context was left; connect anew to go on"


def test_a_request_that_nobody_answers_is_a_timeout() -> None:
    held = RequestTimeoutError("a/b", 2.5)
    assert held.topic == "a/b"
    assert held.timeout == 2.5
    assert held.errno is None
    assert "the request to 'a/b' came within 2.5 seconds" in str(held)


def test_everything_is_exported() -> None:
    classes = {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and value.__module__ == errors.__name__
    }
    assert set(errors.__all__) == set(classes)

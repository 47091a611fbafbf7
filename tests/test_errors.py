"""The error tree: what its members hold, say, and keep through copy and pickle."""

import copy
import pickle
from collections.abc import Callable

import pytest

from mqttproto import errors
from mqttproto.constants import ReasonCode
from mqttproto.errors import (
    InvalidTopicError,
    InvalidValueError,
    LimitError,
    LocalProtocolError,
    MalformedPacketError,
    MQTTError,
    PacketError,
    PacketIdsExhaustedError,
    PacketTooLargeError,
    ProtocolViolationError,
    QueueFullError,
    Statement,
)

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


def test_everything_is_exported() -> None:
    classes = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert set(errors.__all__) == classes - {"ReasonCode"}

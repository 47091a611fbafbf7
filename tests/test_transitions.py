"""What a connection does in which state: the tables, against rows typed from the standards."""

from itertools import product

import pytest

from mqttproto.codec.faults import FAULTS, Fault
from mqttproto.constants import PacketType, Sender
from mqttproto.protocol.transitions import (
    LIFE,
    RECEPTION,
    ConnectionState,
    Reaction,
    Reception,
    Trigger,
)

# Where each trigger (across) leads from each state (down); a dot cannot happen.
LIVES = """
    from        CONNECT     ACCEPTED   REFUSED  DISCONNECT  FAULT   LOST
    NEW         CONNECTING  .          .        CLOSED      CLOSED  CLOSED
    CONNECTING  .           CONNECTED  CLOSED   CLOSED      CLOSED  CLOSED
    CONNECTED   .           .          .        CLOSED      CLOSED  CLOSED
    CLOSED      .           .          .        .           .       .
"""

# What comes of each packet in each state. A tick: it is taken. A letter: the connection fails.
CLIENT = """
    packet        NEW  CONNECTING  CONNECTED  CLOSED
    CONNECT       e    e           e          .
    CONNACK       a    ok          2          .
    PUBLISH       a    a           ok         .
    PUBACK        a    a           ok         .
    PUBREC        a    a           ok         .
    PUBREL        a    a           ok         .
    PUBCOMP       a    a           ok         .
    SUBSCRIBE     e    e           e          .
    SUBACK        a    a           ok         .
    UNSUBSCRIBE   e    e           e          .
    UNSUBACK      a    a           ok         .
    PINGREQ       e    e           e          .
    PINGRESP      a    a           ok         .
    DISCONNECT    a    a           ok         .
    AUTH          a    ok          ok         .
"""
CLIENT_FAILS = {
    "a": Fault.NOT_BEFORE_CONNACK,
    "e": Fault.SENDER,
    "2": Fault.SECOND_CONNACK,
}
SERVER = """
    packet        NEW  CONNECTING  CONNECTED  CLOSED
    CONNECT       ok   2           2          .
    CONNACK       f    e           e          .
    PUBLISH       f    w           ok         .
    PUBACK        f    w           ok         .
    PUBREC        f    w           ok         .
    PUBREL        f    w           ok         .
    PUBCOMP       f    w           ok         .
    SUBSCRIBE     f    w           ok         .
    SUBACK        f    e           e          .
    UNSUBSCRIBE   f    w           ok         .
    UNSUBACK      f    e           e          .
    PINGREQ       f    w           ok         .
    PINGRESP      f    e           e          .
    DISCONNECT    f    ok          ok         .
    AUTH          f    ok          ok         .
"""
SERVER_FAILS = {
    "f": Fault.FIRST_NOT_CONNECT,
    "e": Fault.SENDER,
    "2": Fault.SECOND_CONNECT,
    "w": Fault.ONLY_AUTH_BEFORE_CONNACK,
}
ANSWERS = {PacketType.PUBACK, PacketType.PUBREC, PacketType.PUBCOMP}


def cells(table: str) -> list[tuple[str, str, str]]:
    """The cells of a typed table, each with its row and its column."""
    head, *rows = (line.split() for line in table.strip().splitlines())
    return [
        (row, column, entry)
        for row, *entries in rows
        for column, entry in zip(head[1:], entries, strict=True)
    ]


@pytest.mark.parametrize(("state", "trigger", "following"), cells(LIVES))
def test_the_life_of_a_connection(state: str, trigger: str, following: str) -> None:
    expected = None if following == "." else ConnectionState[following]
    assert LIFE.get((ConnectionState[state], Trigger[trigger])) is expected


def test_the_life_has_no_other_rows() -> None:
    typed = [(ConnectionState[row], Trigger[column]) for row, column, _ in cells(LIVES)]
    assert typed == list(product(ConnectionState, Trigger))
    assert set(LIFE) <= set(typed)


def test_a_connection_never_goes_back() -> None:
    assert all(following > state for (state, _), following in LIFE.items())


def reception(packet: PacketType, entry: str, fails: dict[str, Fault]) -> Reception:
    if entry == ".":
        return Reception(Reaction.IGNORE)
    if entry != "ok":
        return Reception(Reaction.FAIL, fails[entry])
    return Reception(Reaction.ACKNOWLEDGEMENT if packet in ANSWERS else Reaction[packet.name])


@pytest.mark.parametrize(("packet", "state", "entry"), cells(CLIENT))
def test_what_a_client_makes_of_a_packet(packet: str, state: str, entry: str) -> None:
    row = RECEPTION[Sender.CLIENT][ConnectionState[state]][PacketType[packet]]
    assert row == reception(PacketType[packet], entry, CLIENT_FAILS)


@pytest.mark.parametrize(("packet", "state", "entry"), cells(SERVER))
def test_what_a_server_makes_of_a_packet(packet: str, state: str, entry: str) -> None:
    row = RECEPTION[Sender.SERVER][ConnectionState[state]][PacketType[packet]]
    assert row == reception(PacketType[packet], entry, SERVER_FAILS)


@pytest.mark.parametrize("table", [CLIENT, SERVER])
def test_the_typed_rows_are_the_whole_product(table: str) -> None:
    typed = [(PacketType[row], ConnectionState[column]) for row, column, _ in cells(table)]
    assert typed == list(product(PacketType, ConnectionState))


@pytest.mark.parametrize("role", Sender)
def test_each_role_has_a_row_for_every_packet_in_every_state(role: Sender) -> None:
    assert set(RECEPTION) == set(Sender)
    assert set(RECEPTION[role]) == set(ConnectionState)
    for rows in RECEPTION[role].values():
        assert set(rows) == set(PacketType)


@pytest.mark.parametrize("role", Sender)
def test_what_fails_names_a_fault_and_nothing_else_does(role: Sender) -> None:
    for rows in RECEPTION[role].values():
        for row in rows.values():
            assert (row.fault in FAULTS) == (row.reaction is Reaction.FAIL)
            assert row.fault in FAULTS or row.fault is Fault.NONE


def test_every_reaction_is_that_of_some_packet() -> None:
    found = {
        row.reaction
        for states in RECEPTION.values()
        for rows in states.values()
        for row in rows.values()
    }
    assert found == set(Reaction)


def test_the_numbers_that_the_hot_paths_spell_out() -> None:
    names = "NEW CONNECTING CONNECTED CLOSED"
    assert [state.name for state in ConnectionState] == names.split()
    for numbers in (ConnectionState, Trigger, Reaction):
        assert [int(member) for member in numbers] == list(range(len(numbers)))

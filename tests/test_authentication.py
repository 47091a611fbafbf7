"""Whose turn it is in enhanced authentication, against rows typed from 5.0 section 4.12."""

from itertools import product

import pytest

from mqttproto.protocol.authentication import (
    AUTHENTICATION,
    AuthenticationState,
    AuthenticationStep,
)

# Where each packet (across) leads from each state (down); a dot is out of turn.
#             C:18: AUTH 0x18 of the client; S: of the server
TABLE = """
    from    C:18    C:19    S:18    S:00    CONNACK
    none    .       .       .       .       none
    server  .       .       client  .       done
    client  server  .       .       .       .
    done    .       server2 .       .       .
    server2 .       .       client2 done    .
    client2 server2 .       .       .       .
"""
STATES = {
    "none": AuthenticationState.NONE,
    "server": AuthenticationState.SERVERS_TURN,
    "client": AuthenticationState.CLIENTS_TURN,
    "done": AuthenticationState.AUTHENTICATED,
    "server2": AuthenticationState.SERVERS_TURN_AGAIN,
    "client2": AuthenticationState.CLIENTS_TURN_AGAIN,
}
STEPS = {
    "C:18": AuthenticationStep.CLIENT_CONTINUES,
    "C:19": AuthenticationStep.CLIENT_STARTS_AGAIN,
    "S:18": AuthenticationStep.SERVER_CONTINUES,
    "S:00": AuthenticationStep.SERVER_SUCCEEDS,
    "CONNACK": AuthenticationStep.CONNACK,
}


def cells() -> list[tuple[str, str, str]]:
    head, *rows = (line.split() for line in TABLE.strip().splitlines())
    return [
        (row, column, entry)
        for row, *entries in rows
        for column, entry in zip(head[1:], entries, strict=True)
    ]


@pytest.mark.parametrize(("state", "step", "following"), cells())
def test_what_follows_a_step(state: str, step: str, following: str) -> None:
    expected = None if following == "." else STATES[following]
    assert AUTHENTICATION.get((STATES[state], STEPS[step])) is expected


def test_the_typed_rows_are_the_whole_product() -> None:
    typed = [(STATES[row], STEPS[column]) for row, column, _ in cells()]
    assert typed == list(product(AuthenticationState, AuthenticationStep))
    assert set(AUTHENTICATION) <= set(typed)


def test_without_a_method_nobody_may_send_auth() -> None:
    allowed = [step for state, step in AUTHENTICATION if state is AuthenticationState.NONE]
    assert allowed == [AuthenticationStep.CONNACK]


def test_only_the_client_starts_again_and_only_behind_connack() -> None:
    states = [
        state for state, step in AUTHENTICATION if step is AuthenticationStep.CLIENT_STARTS_AGAIN
    ]
    assert states == [AuthenticationState.AUTHENTICATED]
    behind_connack = {state for state in AuthenticationState if state >= states[0]}
    entered = {
        step
        for (state, step), following in AUTHENTICATION.items()
        if state not in behind_connack and following in behind_connack
    }
    assert entered == {AuthenticationStep.CONNACK}


def test_no_state_is_out_of_reach() -> None:
    reached = {AuthenticationState.NONE, AuthenticationState.SERVERS_TURN}
    for _ in AuthenticationState:
        reached |= {
            following for (state, _), following in AUTHENTICATION.items() if state in reached
        }
    assert reached == set(AuthenticationState)

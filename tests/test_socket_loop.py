"""The adapter of the documentation, where no foreign program is needed to see that it works."""

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mqttproto import (
    ClientConnection,
    Connect,
    Properties,
    ReasonCode,
    ServerConnection,
    Session,
)
from mqttproto.protocol import Batch, Journal
from mqttproto.protocol.events import (
    Connected,
    ConnectionFailed,
    ConnectReceived,
    Disconnected,
    Initiator,
    MessageReceived,
    PublishCompleted,
)
from recording import TIMEOUT
from socket_loop import MOST_UNSENT, SocketLoop

Ends = tuple[socket.socket, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """Two sockets that are joined; the client's first."""
    client, server = socket.socketpair()
    with client, server:
        yield client, server


def now() -> float:
    return time.monotonic()


def client_loop(
    sock: socket.socket,
    store: Callable[[Batch], None] | None = None,
    session: Session | None = None,
) -> SocketLoop:
    """A client that has sent its CONNECT."""
    connection = ClientConnection(session)
    lasting = Properties(session_expiry_interval=60)
    connection.connect(Connect("c", properties=lasting), now=now())
    loop = SocketLoop(connection, sock, store)
    loop.turn(0)
    return loop


def server_loop(sock: socket.socket) -> tuple[SocketLoop, ServerConnection]:
    """A server that has let its client in."""
    connection = ServerConnection(now=now())
    loop = SocketLoop(connection, sock)
    (event,) = loop.turn(TIMEOUT)
    assert isinstance(event, ConnectReceived)
    assert connection.accept(now=now()) == []
    loop.turn(0)
    return loop, connection


def run_out(loop: SocketLoop) -> None:
    """Let a loop run to its end."""
    while not loop.closed:
        loop.turn(TIMEOUT)


def test_the_page_shows_this_very_loop() -> None:
    tests = Path(__file__).parent
    shown = (tests.parent / "docs" / "adapter.md").read_text(encoding="utf-8")
    code = (tests / "socket_loop.py").read_text(encoding="utf-8")
    assert f"\n```python\n{code}```\n" in shown


def test_both_ends_meet(ends: Ends) -> None:
    client = client_loop(ends[0])
    server, accepted = server_loop(ends[1])
    (connected,) = client.turn(TIMEOUT)
    assert isinstance(connected, Connected)
    client.connection.publish("t", b"x", 2, now=now())
    assert client.turn(0) == []
    (message,) = server.turn(TIMEOUT)
    assert isinstance(message, MessageReceived)
    accepted.acknowledge(message, now=now())
    ended = threading.Thread(target=run_out, args=(server,))
    ended.start()
    (completed,) = client.turn(TIMEOUT)
    assert isinstance(completed, PublishCompleted)
    assert isinstance(client.connection, ClientConnection)
    client.connection.disconnect(now=now())
    assert client.turn(TIMEOUT) == []
    assert client.closed
    ended.join()


def test_events_that_a_call_has_left_come_at_once(ends: Ends) -> None:
    client = client_loop(ends[0])
    assert isinstance(client.connection, ClientConnection)
    client.connection.detach(now())
    (event,) = client.turn(TIMEOUT)
    assert isinstance(event, Disconnected)


def test_patience_ends_a_turn(ends: Ends) -> None:
    client = client_loop(ends[0])
    start = now()
    assert client.turn(0.05) == []
    assert not client.closed
    assert 0.05 <= now() - start < TIMEOUT


def test_a_deadline_ends_the_wait(ends: Ends) -> None:
    server = SocketLoop(ServerConnection(now=now(), connect_timeout=0.05), ends[1])
    (event,) = server.turn(TIMEOUT)
    assert isinstance(event, ConnectionFailed)


def test_changes_are_stored_before_what_depends_on_them_is_sent(ends: Ends) -> None:
    stored: list[Batch] = []

    def store(batch: Batch) -> None:
        # What was to be sent is not there yet.
        assert not select.select([ends[1]], [], [], 0)[0]
        stored.append(batch)

    client = client_loop(ends[0], store, Session("c", journal=Journal()))
    server_loop(ends[1])
    client.turn(TIMEOUT)
    client.connection.publish("t", b"x", 2, now=now())
    client.turn(0)
    assert stored
    assert ends[1].recv(100)[0] == 0x34


def test_without_a_store_what_depends_on_one_is_not_sent(ends: Ends) -> None:
    client = client_loop(ends[0], session=Session("c", journal=Journal()))
    server_loop(ends[1])
    client.turn(TIMEOUT)
    client.connection.publish("t", b"x", 2, now=now())
    client.turn(0)
    assert not select.select([ends[1]], [], [], 0)[0]


def test_what_the_socket_does_not_take_is_sent_later(ends: Ends) -> None:
    client = client_loop(ends[0])
    server, _ = server_loop(ends[1])
    client.turn(TIMEOUT)
    payload = bytes(3 * MOST_UNSENT)
    client.connection.publish("t", payload, now=now())
    received: list[bytes] = []
    give_up = now() + TIMEOUT
    while not received and now() < give_up:
        client.turn(0)
        received += [each.payload for each in server.turn(0) if isinstance(each, MessageReceived)]
    assert received == [payload]


def test_the_end_of_the_network_is_told_once(ends: Ends) -> None:
    client = client_loop(ends[0])
    ends[1].close()
    (event,) = client.turn(TIMEOUT)
    assert isinstance(event, Disconnected)
    assert event.by is Initiator.NETWORK
    assert client.turn(TIMEOUT) == []
    assert client.closed


def test_what_a_peer_said_before_it_left_is_heard(ends: Ends) -> None:
    client = client_loop(ends[0])
    server, accepted = server_loop(ends[1])
    client.turn(TIMEOUT)
    accepted.disconnect(ReasonCode.SERVER_SHUTTING_DOWN, now=now())
    server.turn(0)
    ends[1].close()
    # It does not know yet, and has something to say itself.
    client.connection.publish("t", b"x", 1, now=now())
    events = client.turn(TIMEOUT)
    (last,) = [each for each in events if isinstance(each, Disconnected)]
    assert (last.by, last.reason_code) == (Initiator.PEER, ReasonCode.SERVER_SHUTTING_DOWN)


def test_a_socket_is_closed_behind_a_peer_that_stays(ends: Ends) -> None:
    server = SocketLoop(ServerConnection(now=now()), ends[1])
    ends[0].send(b"GET / HTTP/1.1\r\n\r\n")
    (event,) = server.turn(TIMEOUT)
    assert isinstance(event, ConnectionFailed)
    start = now()
    assert server.turn(TIMEOUT) == []
    assert server.closed
    assert now() - start < TIMEOUT
    assert ends[1].fileno() == -1

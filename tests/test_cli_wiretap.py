"""The packets of a connection of ours, on standard error."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameProtocol

from mqttproto import ConnAck, Connect, Publish
from mqttproto.cli.tapped_connections import Listener, tapped_connections
from mqttproto.cli.wiretap import Wiretap
from mqttproto.codec import encode
from mqttproto.constants import Sender

CLIENT, SERVER = Sender
CONNECT = encode(Connect("c", user_name="me", password=b"secret"))
CONNACK = encode(ConnAck())

SHOWN = """\
mqttproto: -> CONNECT     version=5.0 client_id="c" clean_start keep_alive=60 user_name="me" \
password=(6 bytes)
mqttproto: <- CONNACK     reason_code=SUCCESS(0x00)
mqttproto: -> PUBLISH     topic="a" qos=0 payload=(4 bytes)
"""


def test_packets_are_shown_without_what_is_in_them(capsys: pytest.CaptureFixture[str]) -> None:
    tap = Wiretap(websocket=False)
    tap.said(CLIENT, CONNECT)
    tap.said(SERVER, CONNACK)
    tap.said(CLIENT, encode(Publish("a", b"data")))
    output = capsys.readouterr()
    assert (output.out, output.err) == ("", SHOWN)


def test_faults_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    Wiretap(websocket=False).said(CLIENT, b"\xff")
    assert capsys.readouterr().err.startswith("mqttproto: !! fault at byte 0, in the packet at")


def websocket(sender: Sender, *payloads: bytes) -> bytes:
    """What one end of a WebSocket sends: its head, and the payloads of one message."""
    protocol = FrameProtocol(client=sender is CLIENT, extensions=[])
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
    frames = [protocol.send_data(each, fin=False) for each in payloads]
    return b"".join([head, *frames, protocol.ping(b"\xc0\0"), protocol.send_data(b"", fin=True)])


@given(sizes=st.lists(st.integers(1, 50), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_frames_are_taken_off_wherever_they_are_cut(
    sizes: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    tap = Wiretap(websocket=True)
    publish = encode(Publish("a", b"data"))
    said = websocket(CLIENT, CONNECT[:5], CONNECT[5:])
    answer = websocket(SERVER, CONNACK)
    more = FrameProtocol(client=True, extensions=[]).send_data(publish, fin=True)
    for sender, data in ((CLIENT, said), (SERVER, answer), (CLIENT, more)):
        rest, turn = bytes(data), 0
        while rest:
            size = sizes[turn % len(sizes)]
            tap.said(sender, rest[:size])
            rest = rest[size:]
            turn += 1
    assert capsys.readouterr().err == SHOWN


def test_frames_that_are_none_are_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    tap = Wiretap(websocket=True)
    tap.said(CLIENT, b"\r\n\r\n\xff\xff\xff\xff\xff\xff")
    tap.said(CLIENT, b"\xff\xff")
    assert capsys.readouterr().err == ""


def test_a_listener_hears_both_ends_of_each_connection_while_the_block_lasts() -> None:
    heard: list[list[tuple[Sender, bytes]]] = []

    def listener() -> Listener:
        notes: list[tuple[Sender, bytes]] = []
        heard.append(notes)
        return lambda sender, data: notes.append((sender, data))

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        writer.close()

    async def ask(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"a")
        writer.writelines([b"b", b"c"])
        assert not writer.is_closing()
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with tapped_connections(asyncio.get_running_loop(), listener):
            assert await ask(port) == await ask(port) == b"ABC"
        assert await ask(port) == b"ABC"
        server.close()

    asyncio.run(main())
    assert heard == [
        [(CLIENT, b"a"), (CLIENT, b"bc"), (SERVER, b"ABC")],
        [(CLIENT, b"a"), (CLIENT, b"bc"), (SERVER, b"ABC")],
    ]


def test_a_loop_without_unix_sockets_will_do() -> None:
    class Loop(asyncio.SelectorEventLoop):
        create_unix_connection = property()  # as on Windows

    with asyncio.Runner(loop_factory=Loop) as runner:
        loop = runner.get_loop()
        with tapped_connections(loop, lambda: lambda *_: None):
            assert "create_connection" in vars(loop)
        assert "create_connection" not in vars(loop)

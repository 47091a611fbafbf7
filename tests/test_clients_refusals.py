"""Clients whose server does not let them in, or sends them elsewhere."""

from collections.abc import Callable
from typing import Any

import pytest

from clients_stage import QUICK, Stage, on_every_loop
from mqttproto import (
    ConnAck,
    ConnectRefusedError,
    Disconnect,
    InvalidValueError,
    PacketError,
    Properties,
    ProtocolVersion,
    ReasonCode,
    SubAck,
    SubscribeRefusedError,
    TransportError,
)
from mqttproto.codec import encode
from mqttproto.constants import ConnectReturnCode
from mqttproto.engine.events import Offline, Online
from mqttproto.engine.options import Credentials
from scripted_server import CLOSE, scripted_server


def connack(code: int = 0, version: int = 5, **properties: Any) -> bytes:
    return encode(ConnAck(False, code, Properties(**properties)), version)


YES = connack(assigned_client_identifier="me")
BUSY = connack(ReasonCode.SERVER_BUSY)
WRONG = connack(ReasonCode.BAD_USER_NAME_OR_PASSWORD)
OLD_YES = connack(version=4)
OLD_NO = connack(ConnectReturnCode.UNACCEPTABLE_PROTOCOL_VERSION, 4)
NO_5 = connack(ReasonCode.UNSUPPORTED_PROTOCOL_VERSION)


@on_every_loop
async def test_a_refusal_is_raised(stage: Stage) -> None:
    for answer in (BUSY, WRONG):
        with scripted_server([answer]) as (port, heard):
            with pytest.raises(ConnectRefusedError):
                async with stage.connect(f"mqtt://127.0.0.1:{port}"):
                    raise AssertionError
            await stage.no_sockets_to(port)
        assert len(heard) == 1


@on_every_loop
async def test_a_server_may_refuse_first_and_accept_then(stage: Stage) -> None:
    with scripted_server([BUSY], [CLOSE], [YES]) as (port, heard):
        url = f"mqtt://127.0.0.1:{port}"
        async with stage.connect(url, retry_first=True, **QUICK) as client:
            assert client.client_id == "me"
        assert len(heard) == 3


@on_every_loop
async def test_a_refusal_for_good_is_not_tried_again(stage: Stage) -> None:
    for code in (ReasonCode.BANNED, ReasonCode.BAD_USER_NAME_OR_PASSWORD):
        with scripted_server([connack(code)]) as (port, heard):
            with pytest.raises(ConnectRefusedError):
                async with stage.connect(f"mqtt://127.0.0.1:{port}", retry_first=True, **QUICK):
                    raise AssertionError
            assert len(heard) == 1


@on_every_loop
async def test_a_server_that_breaks_the_protocol_is_left(stage: Stage) -> None:
    with scripted_server([b"HTTP/1.1 400 Bad Request\r\n\r\n"]) as (port, _):
        with pytest.raises(PacketError):
            async with stage.connect(f"mqtt://127.0.0.1:{port}"):
                raise AssertionError
        await stage.no_sockets_to(port)
    stage.faults.clear()


@on_every_loop
async def test_a_refused_subscription_is_raised(stage: Stage) -> None:
    codes = [ReasonCode.GRANTED_QOS_1, ReasonCode.NOT_AUTHORIZED]
    with scripted_server([YES, encode(SubAck(1, codes), 5)]) as (port, _):
        async with stage.connect(f"mqtt://127.0.0.1:{port}") as client:
            with pytest.raises(SubscribeRefusedError, match="not authorized"):
                await client.subscribe(["a", "b"], qos=1)


# --- versions ----------------------------------------------------------------------------------


@on_every_loop
@pytest.mark.parametrize("first", [OLD_NO, NO_5, CLOSE], ids=["3.1.1", "5.0", "silence"])
async def test_a_server_that_knows_only_3_1_1_is_spoken_to_so(stage: Stage, first: bytes) -> None:
    with scripted_server([first], [OLD_YES]) as (port, heard):
        async with stage.connect(f"mqtt://127.0.0.1:{port}", mqtt_version="auto") as client:
            assert client.version is ProtocolVersion.MQTT311
        assert [each[2:9] for each in heard] == [b"\0\4MQTT\5", b"\0\4MQTT\4"]
    stage.faults.clear()


@on_every_loop
async def test_a_server_that_knows_5_0_is_spoken_to_so(stage: Stage) -> None:
    async with stage.connect(stage.url, mqtt_version="auto") as client:
        assert client.version is ProtocolVersion.MQTT5


@on_every_loop
async def test_another_version_is_not_tried_unasked(stage: Stage) -> None:
    for answer in (OLD_NO, NO_5):
        with scripted_server([answer], [OLD_YES]) as (port, heard):
            with pytest.raises((ConnectRefusedError, PacketError)):
                async with stage.connect(f"mqtt://127.0.0.1:{port}"):
                    raise AssertionError
            assert len(heard) == 1
    stage.faults.clear()


# --- credentials -------------------------------------------------------------------------------


@on_every_loop
@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_credentials_are_asked_for_each_time(stage: Stage, kind: str) -> None:
    asked = 0

    def now() -> Credentials:
        nonlocal asked
        asked += 1
        return "user", f"token-{asked}"

    async def later() -> Credentials:
        await stage.sleep(0)
        return now()

    ask: Callable[[], Any] = now if kind == "sync" else later
    with scripted_server([WRONG], [YES, CLOSE], [YES]) as (port, heard):
        url = f"mqtt://127.0.0.1:{port}"
        async with stage.connect(url, credentials=ask, retry_first=True, **QUICK) as client:
            events = client.events()
            client.publish_nowait("a")
            while not isinstance(await anext(events), Online):
                pass
            await stage.until(lambda: len(heard) == 3)
            await stage.until(lambda: client.connected)
        for number, each in enumerate(heard, 1):
            assert b"user" in each
            assert f"token-{number}".encode() in each


@on_every_loop
async def test_credentials_that_cannot_be_had_are_told(stage: Stage) -> None:
    class Expired(Exception):
        pass

    asked = 0

    async def ask() -> Credentials:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise Expired
        return "user", b"token"

    with pytest.raises(Expired):
        async with stage.connect(stage.url, credentials=ask):
            raise AssertionError
    async with stage.connect(stage.url, credentials=ask, retry_first=True, **QUICK) as client:
        offline = await anext(client.events())
        assert isinstance(offline, Offline)
        assert isinstance(offline.error, Expired)
        await client.ping()


@on_every_loop
async def test_credentials_may_stand_in_the_url(stage: Stage) -> None:
    with scripted_server([YES]) as (port, heard):
        async with stage.connect(f"mqtt://meter:p%40ss@127.0.0.1:{port}"):
            pass
        assert b"\x00\x05meter\x00\x04p@ss" in heard[0]
    with pytest.raises(InvalidValueError):
        async with stage.connect(stage.url, user_name="a", credentials=lambda: ("a", "b")):
            raise AssertionError


# --- other servers -----------------------------------------------------------------------------


@on_every_loop
@pytest.mark.parametrize("code", [ReasonCode.USE_ANOTHER_SERVER, ReasonCode.SERVER_MOVED])
async def test_a_server_may_send_a_client_elsewhere(stage: Stage, code: ReasonCode) -> None:
    there = f"127.0.0.1:{stage.server.port}"
    with scripted_server([connack(code, server_reference=there)]) as (port, heard):
        url = f"mqtt://127.0.0.1:{port}"
        async with stage.connect(url, follow_server_reference=True, **QUICK) as client:
            events = client.events()
            while not isinstance(online := await anext(events), Online):
                pass
            assert str(online.address) == stage.url
            await client.ping()
        with pytest.raises(ConnectRefusedError):
            async with stage.connect(url):
                raise AssertionError
        assert len(heard) == 2


@on_every_loop
async def test_a_server_may_send_a_client_elsewhere_later(stage: Stage) -> None:
    there = Properties(server_reference=f"127.0.0.1:{stage.server.port}")
    goodbye = encode(Disconnect(ReasonCode.SERVER_MOVED, there), 5)
    with scripted_server([YES, goodbye]) as (port, heard):
        url = f"mqtt://127.0.0.1:{port}"
        async with stage.connect(url, follow_server_reference=True, **QUICK) as client:
            handle = client.publish_nowait("a", b"", qos=1)
            await handle.wait()
            assert client.connected
            await stage.until(lambda: stage.server.connections)
        assert len(heard) == 1


@on_every_loop
async def test_a_server_that_shuts_down_is_come_back_to(stage: Stage) -> None:
    async with stage.connect(stage.url, **QUICK) as client:
        events = client.events()
        assert isinstance(await anext(events), Online)
        stage.dismiss()
        offline = await anext(events)
        assert isinstance(offline, Offline)
        assert isinstance(offline.error, TransportError)
        assert "SERVER_SHUTTING_DOWN" in str(offline.error)
        await stage.until(lambda: client.connected)
        await client.ping()

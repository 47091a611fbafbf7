"""What ``mqttproto decode`` says about real connections, against what another reader says."""

import base64
import json
import zlib
from collections.abc import Iterable
from typing import Any

import pytest

from mqttproto.cli import main
from recordings import FOLDER, Recording, recordings

RECORDINGS = recordings()

every_recording = pytest.mark.parametrize(
    "recording", [pytest.param(recording, id=recording.file) for recording in RECORDINGS]
)


def decode(recording: Recording, capsys: pytest.CaptureFixture[str], *options: str) -> list[str]:
    """The lines for a recording; a client's tells its version itself."""
    told = () if recording.sender == "client" else ("--mqtt-version", recording.version)
    path = FOLDER / recording.file
    assert main(["decode", *told, "--from", recording.sender, *options, str(path)]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    return output.out.splitlines()


def binary(data: dict[str, Any]) -> bytes:
    """The bytes that a record tells."""
    return data["text"].encode() if "text" in data else base64.b64decode(data["base64"])


def message(told: dict[str, Any]) -> None:
    """Tell a payload as the index does."""
    payload = binary(told.pop("payload"))
    told |= {"payload_length": len(payload), "payload_crc32": zlib.crc32(payload)}


def by_name(properties: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The properties of the index, as a record has them."""
    named: dict[str, Any] = {}
    for name, value in properties:
        if name == "user_property":
            named.setdefault("user_properties", []).append(value)
        elif name == "subscription_identifier":
            named.setdefault("subscription_identifiers", []).append(value)
        else:
            named[name] = value
    return named


def retold(record: dict[str, Any], version: str) -> dict[str, Any]:
    """A record as the index tells the packet."""
    told = dict(record)
    kind = told["name"] = told.pop("packet")
    told["length"] = told.pop("size")
    if kind == "CONNECT":
        assert told.pop("version") == version
        told["password"] = told["password"] and binary(told["password"]).hex()
        if told["will"] is not None:
            told["will"] = retold_properties(told["will"], version)
            message(told["will"])
    if kind == "PUBLISH":
        message(told)
    if kind == "SUBSCRIBE":
        told["filters"] = [
            [
                each["topic_filter"],
                each["qos"]
                | each["no_local"] << 2
                | each["retain_as_published"] << 3
                | each["retain_handling"] << 4,
            ]
            for each in told.pop("subscriptions")
        ]
    if kind == "UNSUBSCRIBE":
        told["filters"] = told.pop("topic_filters")
    if "reason_codes" in told:
        told["reason_codes"] = [reason["code"] for reason in told["reason_codes"]]
    if "reason_code" in told:
        told["reason_code"] = told["reason_code"]["code"]
    if version != "5.0":  # records have what the version has not, for there is one form for all
        if kind == "UNSUBACK":
            assert told.pop("reason_codes") == []
        elif kind != "CONNACK":
            assert told.pop("reason_code", 0) == 0
    return retold_properties(told, version)


def retold_properties(record: dict[str, Any], version: str) -> dict[str, Any]:
    """A record, or its will, with its properties as :func:`by_name` gives them."""
    told = dict(record)
    if version != "5.0":
        assert told.pop("properties", {}) == {}
    elif "properties" in told:
        told["properties"] = {
            name: binary(value).hex() if isinstance(value, dict) else value
            for name, value in told["properties"].items()
        }
    return told


def expected(packet: dict[str, Any]) -> dict[str, Any]:
    """A packet of the index, without what a record leaves to its other fields."""
    kept = {
        name: value
        for name, value in packet.items()
        if name not in ("flags", "protocol_name", "protocol_level")
    }
    if "properties" in kept:
        kept["properties"] = by_name(kept["properties"])
    if kept.get("will") is not None:
        kept["will"] = expected(kept["will"])
    return kept


@every_recording
def test_records_say_what_another_reader_says(
    recording: Recording, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [json.loads(line) for line in decode(recording, capsys, "--json")]
    found = [retold(record, recording.version) for record in records]
    assert found == [expected(dict(packet)) for packet in recording.packets]


@every_recording
def test_lines_say_what_another_reader_says(
    recording: Recording, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = decode(recording, capsys)
    for line, packet in zip(lines, recording.packets, strict=True):
        offset, name, *fields = line.split(maxsplit=2)
        assert (int(offset), name) == (packet["offset"], packet["name"])
        if packet.get("packet_id") is not None:
            assert f" packet_id={packet['packet_id']} " in f" {fields[0]} "
        if name == "PUBLISH":
            assert fields[0].startswith(f'topic="{packet["topic"]}" qos={packet["qos"]} ')
            size = packet["payload_length"]
            assert fields[0].endswith(f" ({size} byte{'' if size == 1 else 's'})")
        if name == "CONNECT":
            assert f"version={recording.version} " in fields[0]


def test_there_are_recordings_of_every_version_and_nearly_every_packet() -> None:
    assert {recording.version for recording in RECORDINGS} == {"3.1", "3.1.1", "5.0"}
    names = {packet["name"] for recording in RECORDINGS for packet in recording.packets}
    assert len(names) == 14  # no AUTH: no server at hand knows a method of authentication

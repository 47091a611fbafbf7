"""``mqttproto decode``."""

import io
import json
import os
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cli_process import Running
from mqttproto import (
    ConnAck,
    Connect,
    ConnectReturnCode,
    Packet,
    PingReq,
    Properties,
    Publish,
)
from mqttproto.cli import main
from mqttproto.codec import Decoder, encode
from mqttproto.testing import strategies as mqtt

CONNECT = encode(Connect("c"), 4)
CONNECT_5 = encode(Connect("c", properties=Properties(receive_maximum=9)), 5)
PUBLISH = encode(Publish("a/b", b"21.5", 1, packet_id=1), 4)
PUBLISH_5 = encode(Publish("a/b", b"21.5", 1, packet_id=1, properties=Properties(topic_alias=2)), 5)

CONNECT_LINE = '       0  CONNECT     version=3.1.1 client_id="c" clean_start keep_alive=60\n'
PUBLISH_FIELDS = 'topic="a/b" qos=1 packet_id=1 payload="21.5" (4 bytes)'
PUBLISH_LINE = f"      15  PUBLISH     {PUBLISH_FIELDS}\n"

# The status, what was printed, and the lines on standard error.
Outcome = tuple[int, str, list[str]]
Decode = Callable[..., Outcome]


@pytest.fixture
def decode(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Decode:
    """Runs the command on a file of bytes, called ``input``."""

    def run_it(data: bytes, *options: str) -> Outcome:
        path = tmp_path / "input"
        path.write_bytes(data)
        status = main(["decode", *options, str(path)])
        output = capsys.readouterr()
        errors = output.err.replace(str(path), "input").splitlines()
        assert all(error.startswith("mqttproto: ") for error in errors)
        return status, output.out, [error.removeprefix("mqttproto: ") for error in errors]

    return run_it


def records(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_a_connection_is_a_line_for_each_packet(decode: Decode) -> None:
    assert decode(CONNECT + PUBLISH) == (0, CONNECT_LINE + PUBLISH_LINE, [])


def test_a_connection_is_an_object_for_each_packet(decode: Decode) -> None:
    status, output, errors = decode(CONNECT + PUBLISH, "--json")
    assert (status, errors) == (0, [])
    first, second = records(output)
    assert (first["offset"], first["size"], first["packet"]) == (0, 15, "CONNECT")
    assert (second["offset"], second["size"], second["packet"]) == (15, 13, "PUBLISH")
    assert first["version"] == "3.1.1"
    assert second["payload"] == {"length": 4, "text": "21.5"}


def test_nothing_in_is_nothing_out(decode: Decode) -> None:
    assert decode(b"") == (0, "", [])
    assert decode(b" \n", "--hex") == (0, "", [])


@pytest.mark.parametrize(("version", "label"), [(3, "3.1"), (4, "3.1.1"), (5, "5"), (5, "5.0")])
def test_the_version_may_be_told(version: int, label: str, decode: Decode) -> None:
    data = encode(Publish("a", b"", 1, packet_id=7), version)
    assert decode(data, "--mqtt-version", label)[:2] == (
        0,
        '       0  PUBLISH     topic="a" qos=1 packet_id=7 payload="" (0 bytes)\n',
    )
    assert decode(encode(Connect("c"), version), "--mqtt-version", label)[0] == 0


def test_the_version_is_that_of_connect(decode: Decode) -> None:
    status, output, errors = decode(CONNECT_5 + PUBLISH_5)
    assert (status, errors) == (0, [])
    assert "version=5.0" in output
    assert "receive_maximum=9" in output
    assert "topic_alias=2" in output


def test_a_connect_of_another_version_than_told_is_a_fault(decode: Decode) -> None:
    status, output, [error, advice] = decode(CONNECT, "--mqtt-version", "5")
    assert (status, output) == (1, "")
    assert "MQTT-3.1.2-2" in error
    assert advice == "a CONNECT tells its version: leave out --mqtt-version"


def test_a_second_connection_of_another_version_is_recognized(decode: Decode) -> None:
    assert decode(CONNECT + CONNECT_5)[2][1:] == [
        "this is another connection: decode each of them by itself"
    ]


@pytest.mark.parametrize("version", ["4", "3", "v5", "3.11", "", "\x1b[2J"])
def test_no_other_version_is_taken(version: str, decode: Decode) -> None:
    status, output, [error] = decode(CONNECT, "--mqtt-version", version)
    assert (status, output) == (2, "")
    assert error == (
        f"argument --mqtt-version: {version!r} is not 3.1, 3.1.1 or 5 (see mqttproto decode --help)"
    )


def test_both_senders(decode: Decode) -> None:
    connack = encode(ConnAck(False, ConnectReturnCode.ACCEPTED), 4)
    line = "       0  CONNACK     reason_code=ACCEPTED(0x00)\n"
    told = ("--mqtt-version", "3.1.1")
    assert decode(connack, *told, "--from", "server") == (0, line, [])
    assert decode(connack, *told) == (0, line, [])
    assert decode(CONNECT + PUBLISH, "--from", "client")[0] == 0
    assert decode(connack + CONNECT, *told)[0] == 0


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (b"\x20\2\0\0", ("--mqtt-version", "3.1.1", "--from", "client")),
        (CONNECT, ("--mqtt-version", "3.1.1", "--from", "server")),
        # Only a client sends CONNECT, so what follows is from a client, too.
        (CONNECT + b"\x20\2\0\0", ()),
    ],
)
def test_what_the_sender_must_not_send_is_a_fault(
    data: bytes, options: tuple[str, ...], decode: Decode
) -> None:
    status, _, [error, advice] = decode(data, *options)
    assert status == 1
    assert "must not send this packet" in error
    assert advice == "the input must be one direction of one connection; --from names its sender"


def test_a_server_without_a_version_cannot_be_read(decode: Decode) -> None:
    assert decode(b"\x20\2\0\0", "--from", "server") == (
        2,
        "",
        [
            "decode --from server: a server's bytes do not tell the version of MQTT: name the"
            " version with --mqtt-version 3.1, 3.1.1 or 5"
        ],
    )


def test_a_stream_without_connect_needs_to_be_told(decode: Decode) -> None:
    assert decode(PUBLISH) == (
        1,
        "",
        [
            "input: fault at byte 0, in the packet at byte 0: the first packet from a client must"
            " be CONNECT; MQTT 5.0 [MQTT-3.1.0-1]; reason code 0x82 PROTOCOL_ERROR",
            "only a CONNECT tells the version of MQTT, and this input does not begin with one:"
            " name the version with --mqtt-version 3.1, 3.1.1 or 5",
        ],
    )


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_fault_comes_behind_the_packets_before_it(
    options: tuple[str, ...], decode: Decode
) -> None:
    status, output, errors = decode(CONNECT + PUBLISH + b"\x36\1\0" + PUBLISH, *options)
    assert status == 1
    assert len(output.splitlines()) == 2
    assert errors == [
        "input: fault at byte 28, in the packet at byte 28: the QoS of a PUBLISH must be 0, 1 or"
        " 2; MQTT 3.1.1 [MQTT-3.3.1-4]; reason code 0x81 MALFORMED_PACKET"
    ]


def test_a_fault_is_found_where_it_is_in_a_packet(decode: Decode) -> None:
    status, output, [error] = decode(CONNECT + b"\x40\2\0\0")
    assert (status, output) == (1, CONNECT_LINE)
    assert error.startswith("input: fault at byte 17, in the packet at byte 15: ")
    assert error.endswith(" MQTT 3.1.1 [MQTT-2.3.1-6]; reason code 0x82 PROTOCOL_ERROR")


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (PUBLISH[:1], "PUBLISH at byte 15, after 1 byte"),
        (PUBLISH[:2], "PUBLISH at byte 15, after 2 bytes of 13"),
        (PUBLISH[:-1], "PUBLISH at byte 15, after 12 bytes of 13"),
        (b"\x32\xff\xff", "PUBLISH at byte 15, after 3 bytes"),
        (b"\x32\xff\xff\xff\x7f\0\1a", "PUBLISH at byte 15, after 8 bytes of 268435460"),
        (b"\x32\x8b\0\0", "PUBLISH at byte 15, after 4 bytes of 14"),  # a longer length than needed
        (b"\x82\x0a\0\1", "SUBSCRIBE at byte 15, after 4 bytes of 12"),
    ],
)
@pytest.mark.parametrize("as_hex", [False, True])
def test_an_end_inside_of_a_packet_is_no_success(
    data: bytes, end: str, as_hex: bool, decode: Decode
) -> None:
    data = CONNECT + data
    outcome = decode(data.hex().encode(), "--hex") if as_hex else decode(data)
    assert outcome == (1, CONNECT_LINE, [f"input: the input ends inside of the {end}"])


def test_an_end_inside_of_a_packet_of_many_chunks(decode: Decode) -> None:
    data = encode(Publish("a", bytes(1 << 20)), 4)
    assert decode(data[:-1], "--mqtt-version", "3.1.1")[2] == [
        f"input: the input ends inside of the PUBLISH at byte 0, after {len(data) - 1} bytes of"
        f" {len(data)}"
    ]


def test_the_end_of_a_stream_that_comes_byte_by_byte() -> None:
    """The fixed header of the last packet is not in its last chunk."""
    with Running("decode", "--mqtt-version", "3.1.1") as running:
        running.send(encode(PingReq(), 4))
        assert b"PINGREQ" in running.line()
        for byte in PUBLISH[:-1]:
            running.send(bytes((byte,)))
        status, output, error = running.end()
    assert (status, output) == (1, b"")
    assert error.endswith(b"inside of the PUBLISH at byte 2, after 12 bytes of 13\n")


def test_hex_text_is_decoded(decode: Decode) -> None:
    text = b":".join(b"0x%02x" % byte for byte in CONNECT) + b"\n" + PUBLISH.hex(" ").encode()
    assert decode(text, "--hex") == (0, CONNECT_LINE + PUBLISH_LINE, [])


def test_junk_in_hex_text_comes_behind_the_packets_before_it(decode: Decode) -> None:
    text = CONNECT.hex().encode() + b"\n" + PUBLISH.hex(" ").encode() + b"  |2...a/b|\n"
    assert decode(text, "--hex") == (
        1,
        CONNECT_LINE + PUBLISH_LINE,
        ["input: line 2, column 41: '|' is not hex"],
    )


def test_hex_text_must_not_end_inside_of_a_byte(decode: Decode) -> None:
    assert decode(CONNECT.hex().encode() + b"3", "--hex") == (
        1,
        CONNECT_LINE,
        ["input: line 1, column 32: a second hex digit is missing"],
    )


def test_hex_text_without_the_option_is_recognized(decode: Decode) -> None:
    advice = "the input looks like hex text, which --hex reads"
    text = CONNECT.hex().encode()
    assert decode(text)[2][-1] == advice
    assert decode(text, "--mqtt-version", "5")[2] == [
        "input: the input ends inside of the PUBLISH at byte 0, after 30 bytes of 50",
        advice,
    ]
    assert advice not in decode(text[:3])[2]
    assert advice not in decode(PUBLISH)[2]
    assert advice not in decode(text, "--hex", "--mqtt-version", "3.1")[2]
    # Later it is not: a stream that began well is one of bytes.
    assert len(decode(CONNECT + text)[2]) == 1


def test_a_dump_with_offsets_is_recognized(decode: Decode) -> None:
    assert decode(b"00000000: 1000", "--hex")[2][-1] == (
        "--hex reads bytes only: leave out the offsets and the text of a dump"
    )


def test_missing_files_and_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path, reason in (
        (tmp_path / "no\nsuch", "No such file or directory"),
        (tmp_path, "Is a directory"),
    ):
        assert main(["decode", str(path)]) == 2
        output = capsys.readouterr()
        shown = str(path).replace("\n", "\\n")
        assert (output.out, output.err) == ("", f"mqttproto: {shown}: {reason}\n")


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_standard_input_is_the_default(
    arguments: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "input"
    path.write_bytes(CONNECT + PUBLISH[:-1])
    with path.open("rb") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert main(["decode", *arguments]) == 1
    output = capsys.readouterr()
    assert output.out == CONNECT_LINE
    assert output.err.startswith("mqttproto: standard input: the input ends inside of the PUBLISH")


@pytest.mark.parametrize("as_hex", [False, True])
def test_a_live_stream_prints_as_it_goes(as_hex: bool) -> None:
    def form(data: bytes) -> bytes:
        return data.hex().encode() if as_hex else data

    with Running("decode", *(["--hex"] if as_hex else [])) as running:
        running.send(form(CONNECT + PUBLISH[:5]))
        assert running.line().decode() == CONNECT_LINE
        assert running.line(0.1) == b""
        running.send(form(PUBLISH[5:]))
        assert running.line().decode() == PUBLISH_LINE
        assert running.end() == (0, b"", b"")


def test_a_fault_ends_a_live_stream() -> None:
    with Running("decode") as running:
        running.send(CONNECT)
        assert running.line().decode() == CONNECT_LINE
        running.send(b"\xf0")
        assert running.process.wait(60) == 1
        _, output, error = running.end()
    assert output == b""
    assert b"fault at byte 15" in error


def test_large_input_takes_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        for _ in range(16):
            file.write(encode(Publish("a", bytes(1000)), 4) * 1000)
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        monkeypatch.setattr(sys, "stdout", nowhere)
        tracemalloc.start()
        try:
            assert main(["decode", "--mqtt-version", "3.1.1", str(path)]) == 0
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < path.stat().st_size / 8


def outcome_of(data: bytes, *options: str) -> Outcome:
    """What the command does with these bytes, for tests that run it many times."""
    output, errors = io.StringIO(), io.StringIO()
    with tempfile.NamedTemporaryFile() as file, redirect_stdout(output), redirect_stderr(errors):
        file.write(data)
        file.flush()
        status = main(["decode", *options, file.name])
    return status, output.getvalue(), errors.getvalue().splitlines()


def columns(output: str) -> list[tuple[int, str]]:
    """The offset and the name in each line."""
    rows = [line.split(maxsplit=2) for line in output.splitlines()]
    return [(int(row[0]), row[1]) for row in rows]


def names_of(packets: list[Packet]) -> list[str]:
    return [packet.packet_type.name for packet in packets]


@given(stream=mqtt.wire_bytes())
def test_lines_and_records_agree_on_any_stream(stream: mqtt.Stream) -> None:
    options = ("--mqtt-version", stream.version.label, "--from", stream.sender.value)
    wanted = list(zip(stream.offsets, names_of(stream.packets), strict=True))
    status, output, errors = outcome_of(stream.data, *options)
    assert (status, columns(output), errors) == (0, wanted, [])
    status, output, errors = outcome_of(stream.data.hex().encode(), "--json", "--hex", *options)
    found = records(output)
    assert (status, errors) == (0, [])
    assert [(record["offset"], record["packet"]) for record in found] == wanted
    assert [record["offset"] + record["size"] for record in found] == [
        *stream.offsets[1:],
        len(stream.data),
    ]


@given(broken=mqtt.malformed())
def test_any_fault_is_named_behind_the_packets_before_it(broken: mqtt.Malformed) -> None:
    decoder = Decoder(broken.version, sender=broken.sender)
    packets = decoder.feed(broken.data)
    error = decoder.error
    assume(error is not None)  # it may be one of size, for which there is no option
    assert error is not None
    options = () if broken.version is None else ("--mqtt-version", broken.version.label)
    status, output, errors = outcome_of(broken.data, *options, "--from", broken.sender.value)
    assert status == 1
    assert columns(output) == list(zip(decoder.offsets, names_of(packets), strict=True))
    assert f" fault at byte {error.offset}, in the packet at byte {decoder.offset}: " in errors[0]
    assert errors[0].endswith(
        f": {error.rule}; {error.statement}; reason code {error.reason_code:#04x}"
        f" {error.reason_code.name}"
    )


@given(
    data=mqtt.wire_bytes().flatmap(lambda stream: mqtt.mutations(stream.data)) | st.binary(),
    told=st.sampled_from([(), *(("--mqtt-version", each) for each in ("3.1", "3.1.1", "5"))]),
    more=st.sets(st.sampled_from(["--hex", "--json"])),
)
def test_whatever_comes_in_what_goes_out_is_plain(
    data: bytes, told: tuple[str, ...], more: set[str]
) -> None:
    status, output, errors = outcome_of(data, *told, *sorted(more))
    assert status == (1 if errors else 0)
    assert all(line.isprintable() for line in [*output.split("\n"), *errors])

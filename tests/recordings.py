"""The recordings in ``tests/data/recordings``: to read them, and to make them again."""

import inspect
import json
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

import independent
from recorded_sessions import SESSIONS, Session
from recording_stage import CONFIGURATION, Take, program

__all__ = ["FOLDER", "Recording", "main", "recordings"]

FOLDER: Final = Path(__file__).parent / "data" / "recordings"

TOOLS: Final = ("mosquitto", "mosquitto_passwd", "mosquitto_pub", "mosquitto_sub", "mosquitto_rr")

README: Final = """\
# Recordings

What mosquitto {mosquitto}, its tools and paho-mqtt {paho} said to each other, byte by byte. One
connection is two files: `<name>.client.bin` has what the client sent, `<name>.server.bin` has what
mosquitto sent; the name is made of the client, the protocol version and a label.

`index.json` tells every packet of every file, as `tests/independent.py` reads it, which shares no
code with mqttproto: a list of objects with `file`, `version` (`3.1`, `3.1.1` or `5.0`), `sender`
(`client` or `server`), `peer` (the client) and `packets`.

`python tests/recording.py` makes everything in this folder again, this page included. It needs
mosquitto, its tools and paho-mqtt. While it records, it checks the names of all packets against
what each client was told to do. The same versions give the same bytes again, except for

- the client id that the server assigns in `paho-5.0-nameless`,
- a Message Expiry Interval in a PUBLISH of the server, if a second passes meanwhile.

Every session below has a mosquitto of its own, with two listeners and this configuration. Alice's
password is `wonderland`; `{{settings}}` is nothing, unless the session names any:

```
{configuration}
```

The command lines of mosquitto's tools lack the host and port (`-h`, `-p`). What paho was told is
put into words; every detail of it stands in `tests/recorded_sessions.py`.
"""


@dataclass(frozen=True)
class Recording:
    """What one end of one connection has sent, and what it means.

    ``peer`` names the client, also where ``sender`` is ``"server"``; ``packets`` are as
    :func:`independent.decode` tells them.
    """

    file: str
    version: str
    sender: str
    peer: str
    packets: list[independent.PacketDict]

    @property
    def data(self) -> bytes:
        """The bytes."""
        return (FOLDER / self.file).read_bytes()


def recordings() -> list[Recording]:
    """Return all recordings, in the order of the index."""
    entries = json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))
    return [Recording(**entry) for entry in entries]


def streams(take: Take) -> dict[str, tuple[str, bytes]]:
    """Return the two files of a take: the name of each, its sender, and its bytes."""
    return {
        f"{take.name}.{sender}.bin": (sender, take.stream(sender))
        for sender in ("client", "server")
    }


def index(takes: list[Take]) -> str:
    """Tell every packet of every file, as JSON with one packet in a line."""
    entries = []
    for take in takes:
        for file, (sender, stream) in streams(take).items():
            about = {"file": file, "version": take.version, "sender": sender, "peer": take.peer}
            packets = [
                json.dumps(packet, ensure_ascii=False)
                for packet in independent.decode(stream, take.version)
            ]
            lines = ",\n    ".join(packets)
            entries.append(f'{json.dumps(about)[:-1]}, "packets": [\n    {lines}\n  ]}}')
    return "[\n  " + ",\n  ".join(entries) + "\n]\n"


def readme(played: list[tuple[Session, list[Take]]]) -> str:
    """Tell how each recording was made, as Markdown."""
    version = subprocess.run(
        [program("mosquitto"), "-h"], capture_output=True, text=True, check=False
    )
    text = README.format(
        mosquitto=version.stdout.split()[2],
        paho=metadata.version("paho-mqtt"),
        configuration=CONFIGURATION.strip(),
    )
    for session, takes in played:
        text += f"\n## {session.play.__name__.replace('_', ' ').capitalize()}\n\n"
        text += f"{inspect.getdoc(session.play)}\n".replace("``", "`")
        if session.settings:
            text += f"\nIts settings:\n\n```\n{session.settings}\n```\n"
        text += "\n"
        for take in takes:
            told = take.told if take.peer == "paho" else f"`{take.told}`"
            text += f"- `{take.name}`: {told}\n"
    return text


def main() -> int:
    """Make all recordings again; return the exit status."""
    try:
        for tool in TOOLS:
            program(tool)
        import paho.mqtt.client  # noqa: F401
    except FileNotFoundError as error:
        print(error)
        return 2
    except ModuleNotFoundError:
        print("recording needs paho-mqtt: pip install paho-mqtt")
        return 2
    played = [(session, session.record()) for session in SESSIONS]
    takes = [take for _, takes in played for take in takes]
    files = {file: stream for take in takes for file, (_, stream) in streams(take).items()}
    if len(files) < 2 * len(takes):
        raise ValueError("two recordings have one name")

    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.bin"):
        old.unlink()
    for file, stream in files.items():
        (FOLDER / file).write_bytes(stream)
    (FOLDER / "index.json").write_text(index(takes), encoding="utf-8")
    (FOLDER / "README.md").write_text(readme(played), encoding="utf-8")
    print(f"{len(files)} files with {sum(map(len, files.values()))} bytes in {FOLDER.name}")
    return 0

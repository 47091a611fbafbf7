"""What is compiled, and when; everything else about the build stands in pyproject.toml.

A normal build makes the C scanner and compiles the core modules. An editable one makes the scanner
only, so that an edit takes effect. With ``MQTTPROTO_PURE=1``, or without a C compiler, neither is
made, and the wheel runs on any machine.
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from setuptools import Distribution, Extension, setup

SCANNER = "mqttproto/codec/_scan_build.py:ffibuilder"

COMPILED = [
    "mqttproto/topics.py",
    "mqttproto/codec/wire.py",
    "mqttproto/codec/reasons.py",
    "mqttproto/codec/properties.py",
    "mqttproto/codec/values.py",
    "mqttproto/codec/block.py",
    "mqttproto/codec/packet.py",
    "mqttproto/codec/connect.py",
    "mqttproto/codec/publish.py",
    "mqttproto/codec/subscribe.py",
    "mqttproto/codec/pyscan.py",
    "mqttproto/codec/scanner.py",
    "mqttproto/codec/decoder.py",
    "mqttproto/codec/encoder.py",
    "mqttproto/protocol/delivery.py",
    "mqttproto/protocol/changes.py",
    "mqttproto/protocol/message_queue.py",
    "mqttproto/protocol/packet_ids.py",
    "mqttproto/protocol/receipts.py",
    "mqttproto/protocol/aliases.py",
    "mqttproto/protocol/output.py",
    "mqttproto/protocol/export.py",
    "mqttproto/protocol/journal.py",
    "mqttproto/protocol/session.py",
    "mqttproto/protocol/limits.py",
    "mqttproto/protocol/events.py",
    "mqttproto/protocol/greeting.py",
    "mqttproto/protocol/requests.py",
    "mqttproto/protocol/endpoint.py",
    "mqttproto/protocol/receiving.py",
    "mqttproto/protocol/sending.py",
    "mqttproto/protocol/connection.py",
    "mqttproto/protocol/client.py",
    "mqttproto/protocol/server.py",
    "mqttproto/engine/completion.py",
    "mqttproto/engine/inbox.py",
    "mqttproto/engine/publishing.py",
    "mqttproto/engine/requests.py",
    "mqttproto/engine/subscriptions.py",
    "mqttproto/engine/base.py",
    "mqttproto/engine/receiving.py",
    "mqttproto/engine/sending.py",
    "mqttproto/engine/asking.py",
    "mqttproto/engine/machine.py",
]


def why_not_compiled() -> str:
    """Return why this machine compiles nothing, or an empty string if it does."""
    if os.environ.get("MQTTPROTO_PURE", "0") not in ("", "0"):
        return "MQTTPROTO_PURE is set"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text(
            "#include <Python.h>\nPyMODINIT_FUNC PyInit_probe(void) { return NULL; }\n"
        )
        probe = Distribution({"ext_modules": [Extension("probe", [str(source)])]})
        command = probe.get_command_obj("build_ext")
        command.build_lib = command.build_temp = folder
        try:
            command.ensure_finalized()
            command.run()
        except Exception:  # which one depends on the platform and on setuptools
            return "no C compiler works here"
    return ""


def compiled_parts() -> dict[str, Any]:
    """Return the arguments of ``setup()`` for what this command has to compile."""
    if not {"bdist_wheel", "build", "build_ext", "editable_wheel"}.intersection(sys.argv):
        return {}  # metadata or an sdist
    if reason := why_not_compiled():
        print(f"mqttproto: building pure Python: {reason}", file=sys.stderr)
        return {}
    if "editable_wheel" in sys.argv:
        return {"cffi_modules": [SCANNER]}

    from mypyc.build import mypycify

    modules = mypycify(
        # No configuration file: a stricter checker than today's must not break a user's build.
        ["--config-file=", *COMPILED],
        opt_level="3",
        debug_level="0",
        group_name="mqttproto._compiled",
    )
    return {"cffi_modules": [SCANNER], "ext_modules": modules}


setup(**compiled_parts())

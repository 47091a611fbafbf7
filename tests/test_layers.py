"""The architecture: which module may import which."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mqttproto

# From bottom to top: a module may import what stands above it in this list. Modules of one line
# that are joined by | are strangers. A package stands for everything in it that has no line of its
# own; ``codec.__init__`` is what ``import mqttproto.codec`` runs, after the modules it gathers.
# ``blocking`` has no way of waiting of its own: in its thread it runs the client for asyncio.
LAYERS = """
    constants
    errors
    topics
    codec.faults | codec.hints
    codec.headers | codec.reasons | codec.wire
    codec.properties
    codec.values
    codec.block
    codec.packet
    codec.connect | codec.publish | codec.subscribe
    codec.pyscan
    codec._scan | codec._scan_build
    codec.scanner
    codec.decoder | codec.encoder
    codec.__init__
    protocol.handshakes | protocol.leniency | protocol.limits | protocol.aliases | protocol.output
    protocol.authentication | protocol.transitions | protocol.receipts | protocol.requests
    protocol.delivery
    protocol.changes | protocol.message_queue | protocol.packet_ids
    protocol.export | protocol.journal
    protocol.session
    protocol.events | protocol.greeting
    protocol.endpoint
    protocol.receiving
    protocol.sending
    protocol.connection
    protocol.client | protocol.server
    protocol.__init__
    broker
    __init__
    storage
    transport
    engine
    tls
    asyncio | trio | auth
    blocking
    testing
    testing.live
    cli
    __main__
"""

# testing is used beside anything, and so is high up; but this is all that it sees.
CEILING = {"testing": "broker"}

# What reads a clock, waits, or is not the same twice: nothing up to the engine does, nor testing.
IMPURE = {"asyncio", "random", "select", "selectors", "socket", "ssl", "threading", "time", "trio"}

RANKS = {
    name.strip(): rank
    for rank, line in enumerate(LAYERS.strip().splitlines())
    for name in line.split("|")
}

ROOT = Path(mqttproto.__file__).parent
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for suffix in ("py", "pyi")
    for path in ROOT.rglob(f"*.{suffix}")
}


def layer(module: str) -> str:
    """The name in LAYERS that stands for a module: its own or that of a package around it."""
    parts = [module] if module in RANKS else module.removesuffix(".__init__").split(".")
    names = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    ranked = [name for name in names if name in RANKS]
    assert ranked, f"give {module} a place in LAYERS"
    return ranked[0]


def imported(module: str) -> Iterator[str]:
    """The dotted name of everything that a module imports, wherever in the file it does so."""
    for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}, line {node.lineno}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def home(name: str) -> str:
    """The module in FILES that a dotted name belongs to: ``mqttproto.a.b.C`` is at home in a.b."""
    parts = name.split(".")[1:]
    prefixes = [parts[:length] for length in range(len(parts), -1, -1)]
    modules = [".".join([*prefix, *end]) for prefix in prefixes for end in ([], ["__init__"])]
    return next(module for module in modules if module in FILES)


every_module = pytest.mark.parametrize("module", sorted(FILES))


@every_module
def test_imports_point_down(module: str) -> None:
    here = layer(module)
    highest = RANKS[CEILING[here]] if here in CEILING else RANKS[here] - 1
    for name in imported(module):
        if name.split(".")[0] == "mqttproto":
            there = layer(home(name))
            assert there == here or RANKS[there] <= highest, f"{module} imports {name}"


@every_module
def test_the_core_is_pure(module: str) -> None:
    here = layer(module)
    if RANKS[here] <= RANKS["engine"] or here == "testing":
        assert not IMPURE.intersection(name.split(".")[0] for name in imported(module))

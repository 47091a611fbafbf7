"""Say whether an sdist and the compiled wheel that was built from it hold what they should.

Both hold every module of the checkout.

Usage: ``python check_dist.py FOLDER``, where the folder holds one of each.
"""

import fnmatch
import sys
import tarfile
import zipfile
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]

SDIST_HOLDS = """
    LICENSE README.md CHANGELOG.md CONTRIBUTING.md pyproject.toml setup.py MANIFEST.in PKG-INFO
    mqttproto/__init__.py mqttproto/__main__.py mqttproto/py.typed mqttproto/topics.py
    mqttproto/codec/_scan.c mqttproto/codec/_scan.h mqttproto/codec/_scan.pyi
    mqttproto/codec/_scan_build.py mqttproto/codec/pyscan.py mqttproto/cli/__init__.py
    mqttproto/testing/strategies*
    tests/conftest.py tests/test_layers.py tests/data/* tests/fuzz/* tests/mutants/*.patch
    benchmarks/codec.py docs/conf.py docs/*.md .ci/run
"""
SDIST_HOLDS_NOT = "*.so *.o *.py[cod] *_scan_tables.h build/* dist/* docs/_build/* */.git/*"

WHEEL_HOLDS = """
    mqttproto/__init__.py mqttproto/__main__.py mqttproto/py.typed mqttproto/_compiled__mypyc.*.so
    mqttproto/topics.py mqttproto/topics.*.so mqttproto/cli/__init__.py
    mqttproto/testing/strategies* mqttproto/codec/_scan.*so mqttproto/codec/_scan.pyi
    mqttproto/codec/pyscan.py mqttproto/codec/pyscan.*.so
    mqttproto/codec/decoder.py mqttproto/codec/decoder.*.so
    mqttproto/protocol/connection.py mqttproto/protocol/connection.*.so
    mqttproto-*.dist-info/METADATA mqttproto-*.dist-info/entry_points.txt
    mqttproto-*.dist-info/licenses/LICENSE
"""
WHEEL_HOLDS_NOT = "*.c *.h *.o *.py[cod] tests/* benchmarks/* docs/* setup.py"
WHEEL_ROOTS = {"mqttproto", "mqttproto-*.dist-info"}


def modules() -> list[str]:
    """Return the path of every module of the checkout."""
    files = (CHECKOUT / "mqttproto").rglob("*.py")
    return sorted(path.relative_to(CHECKOUT).as_posix() for path in files)


def complaints(names: list[str], wanted: str, unwanted: str) -> list[str]:
    """Return what is wrong with the names in an archive, given two lists of patterns."""
    missing = [
        f"lacks {pattern}"
        for pattern in dict.fromkeys([*wanted.split(), *modules()])
        if not fnmatch.filter(names, pattern)
    ]
    excess = [
        f"holds {name}"
        for name in names
        if any(fnmatch.fnmatch(name, pattern) for pattern in unwanted.split())
    ]
    return missing + excess


def check_sdist(path: Path) -> list[str]:
    """Return what is wrong with an sdist; its one folder does not count as part of a name."""
    with tarfile.open(path) as archive:
        files = [member.name for member in archive.getmembers() if member.isfile()]
    return complaints([name.split("/", 1)[1] for name in files], SDIST_HOLDS, SDIST_HOLDS_NOT)


def check_wheel(path: Path) -> list[str]:
    """Return what is wrong with a compiled wheel."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    roots = {name.split("/")[0] for name in names}
    strangers = [
        f"installs {root}"
        for root in sorted(roots)
        if not any(fnmatch.fnmatch(root, pattern) for pattern in WHEEL_ROOTS)
    ]
    return complaints(names, WHEEL_HOLDS, WHEEL_HOLDS_NOT) + strangers


def main(folder: Path) -> int:
    """Print every complaint about the two archives; return the exit status."""
    (sdist,) = folder.glob("*.tar.gz")
    (wheel,) = folder.glob("*.whl")
    wrong = [f"{sdist.name} {what}" for what in check_sdist(sdist)]
    wrong += [f"{wheel.name} {what}" for what in check_wheel(wheel)]
    print("\n".join(wrong) or f"{sdist.name} and {wheel.name} hold what they should")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

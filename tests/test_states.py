"""The state diagrams of the documentation show the tables as they are."""

import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def draw(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script."""
    command = [sys.executable, "-P", str(DOCS / "states.py"), *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False)


def test_the_page_is_up_to_date() -> None:
    run = draw("--check")
    assert run.returncode == 0, run.stderr


def test_a_page_that_is_not_is_found_and_mended(tmp_path: Path) -> None:
    page = tmp_path / "states.md"
    text = (DOCS / "states.md").read_text(encoding="utf-8")
    page.write_text(text.replace("AWAITS_PUBACK", "SOMEWHERE_ELSE"), encoding="utf-8")
    assert "is stale" in draw("--check", str(page)).stderr
    assert draw(str(page)).returncode == 0
    assert page.read_text(encoding="utf-8") == text


def test_a_page_without_a_place_for_a_drawing_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "states.md"
    page.write_text("# Nothing\n", encoding="utf-8")
    run = draw(str(page))
    assert run.returncode == 1
    assert "no place for authentication" in run.stderr

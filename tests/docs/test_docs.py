"""The docs say what is so: their commands run, their links lead somewhere, their tables follow the types."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from controller.core.sensor_truth import KINDS
from firmware_bridge.drivers import DRIVERS
from simulators.fault_scripts import library, load
from tests.docs import payloads

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)

ROW = """# exercise: row
time_s,left_position_m,left_force_n
""" + "".join(
    f"{k / 50:.2f},{0.5 * max(0.0, min(t, 2.0 - t)) if (t := k / 50 - 1.0) > 0 else 0.0:.4f},"
    f"{200.0 if 0.0 < k / 50 - 1.0 < 2.0 else 0.0}\n"
    for k in range(250)
)


def commands() -> list[tuple[str, str]]:
    return [
        (page.name, line)
        for page in PAGES
        for block in BLOCK.findall(page.read_text(encoding="utf-8"))
        for line in block.splitlines()
        if line.strip()
    ]


@pytest.mark.parametrize(("page", "line"), commands())
def test_every_command_of_a_shell_block_runs(page: str, line: str, tmp_path: Path) -> None:
    (tmp_path / "row.csv").write_text(ROW, encoding="utf-8")
    (tmp_path / "labels.csv").write_text("side,reps\nleft,1\n", encoding="utf-8")
    shutil.copy(ROOT / "docs" / "examples" / "station.toml", tmp_path)
    program, *arguments = line.split()
    module = {"cable-station": "controller.cli", "cable-station-sim": "simulators.cli"}[program]
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{page}: {line}: {done.stderr}"


def anchors(page: Path) -> set[str]:
    """What a page's headings are reached by."""
    headings = HEADING.findall(FENCED.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_to_a_file_and_to_a_heading_in_it(page: Path) -> None:
    for name, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        target = page.parent / name if name else page
        assert target.exists(), f"{page.name} links to {name}"
        assert not anchor or anchor in anchors(target), f"{page.name} links to {name}#{anchor}"


def test_every_page_and_example_is_linked_from_another() -> None:
    linked = {
        (page.parent / name).resolve()
        for page in PAGES
        for name, _ in LINK.findall(page.read_text(encoding="utf-8"))
        if name and (page.parent / name).resolve() != page
    }
    within = [folder for folder in linked if folder.is_dir()]
    files = [*(ROOT / "docs").rglob("*.md"), *(path for path in (ROOT / "docs/examples").rglob("*") if path.is_file())]
    assert not [path.name for path in files if path not in linked and not any(path.is_relative_to(f) for f in within)]


def test_the_front_page_leads_to_every_page() -> None:
    front = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not [page.name for page in (ROOT / "docs").glob("*.md") if f"](docs/{page.name})" not in front]


def test_nothing_stands_twice_in_the_changelog() -> None:
    entries = re.split(r"^- ", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    begins = [" ".join(entry.split()[:5]) for entry in entries]
    assert len(begins) == len(set(begins))


def test_the_field_tables_follow_the_payload_types() -> None:
    assert payloads.PAGE.read_text(encoding="utf-8") == payloads.render(), "run python -m tests.docs.payloads"


def test_the_list_of_fault_scripts_follows_the_library() -> None:
    page = (ROOT / "docs" / "hil.md").read_text(encoding="utf-8")
    table = page.split("| script | what happens |\n")[1].split("\n\n")[0]
    listed = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", table, re.MULTILINE))
    assert listed == {name: load(name).about for name in library()}


def test_every_driver_stands_in_the_page_of_drivers() -> None:
    page = (ROOT / "docs" / "drivers.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([\w-]+)` \|", page, re.MULTILINE)) == set(DRIVERS)


def test_every_fault_of_a_sensor_stands_in_the_operators_table() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = text.split("## Sensors that cannot be right")[1].split("\n## ")[0]
    assert {line.split("`")[1] for line in section.splitlines() if line.startswith("| `")} == set(KINDS)

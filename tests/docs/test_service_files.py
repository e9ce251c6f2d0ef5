"""What an installation copies out of docs/examples: unit, account, rules for ports; and the steps that do it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.test_backup import PAGE, shell

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
UNIT = EXAMPLES / "systemd" / "cable-station.service"
RULES = EXAMPLES / "udev" / "70-cable-station.rules"
PROGRAM = Path(sys.executable).with_name("cable-station")
RULE = re.compile(
    r'(SUBSYSTEM|ENV\{ID_(VENDOR_ID|SERIAL_SHORT|USB_INTERFACE_NUM|PATH)\})=="[^"]+"'
    r'|SYMLINK\+="(?P<name>cable/[a-z0-9-]+)"|ENV\{ID_MM_PORT_IGNORE\}="1"'
)


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def settings() -> dict[str, list[str]]:
    """The unit's keys and what they are set to."""
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


def block(section: str) -> str:
    """The first shell block of a section of the page."""
    text = PAGE.read_text(encoding="utf-8").partition(f"\n## {section}\n")[2]
    return text.split("```bash\n", 1)[1].split("```", 1)[0]


def here(text: str, folder: Path) -> str:
    """Steps for a whole machine as steps for a folder, whose owner we are already."""
    text = text.replace("sudo systemctl", "true").replace("sudo ", "").replace("-o cable-station -g cable-station ", "")
    text = text.replace("systemd-sysusers", f"systemd-sysusers --root={folder}")
    text = text.replace(" docs/", f" {ROOT}/docs/")
    return re.sub(r" /(etc|var|opt|usr/local)/", rf" {folder}/\1/", text)


@needs("systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    command = settings()["ExecStart"][0].split()[0]
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text(encoding="utf-8").replace(command, str(PROGRAM)), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@needs("systemd-sysusers")
def test_the_steps_of_the_page_put_all_of_it_where_the_unit_looks_for_it(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "station.toml", tmp_path / "gym.toml")
    shell(here(block("As a service"), tmp_path), tmp_path)
    unit = settings()
    (folder,), (command,) = unit["WorkingDirectory"], unit["ExecStart"]
    program, *arguments = command.split()
    assert f" {program} " in block("Installing")
    assert folder == f"/var/lib/{unit['StateDirectory'][0]}"
    said = shell(f"cable-station {' '.join(arguments)} --check", tmp_path / folder[1:])
    assert "gym.toml: right" in said
    assert (tmp_path / "etc/systemd/system" / UNIT.name).read_text(encoding="utf-8") == UNIT.read_text(encoding="utf-8")
    users = (tmp_path / "etc/passwd").read_text(encoding="utf-8").splitlines()
    assert [line.split(":")[5:] for line in users if line.startswith(f"{unit['User'][0]}:")] == [
        [folder, "/usr/sbin/nologin"]
    ]
    groups = (tmp_path / "etc/group").read_text(encoding="utf-8").splitlines()
    members = {line.split(":")[0] for line in groups if line.endswith(f":{unit['User'][0]}")}
    assert members == set(unit["SupplementaryGroups"][0].split())


def test_every_rule_is_one_that_names_a_port_or_keeps_others_away() -> None:
    names = []
    for line in RULES.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        parts = [RULE.fullmatch(part) for part in line.split(", ")]
        assert all(parts), line
        names += [part["name"] for part in parts if part is not None and part["name"]]
    assert len(names) == len(set(names)) == 4
    assert f"serial:///dev/{names[0]}?" in PAGE.read_text(encoding="utf-8")


@needs("udevadm")
def test_udev_finds_nothing_wrong_with_the_rules() -> None:
    done = subprocess.run(["udevadm", "verify", RULES], capture_output=True, text=True, check=False, timeout=60)
    if "Unknown command verb" in done.stderr:
        pytest.skip("this udevadm is older than 254")
    assert done.returncode == 0, done.stderr

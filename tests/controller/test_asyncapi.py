"""The AsyncAPI document says what is so, and its schemas judge what is published."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from controller.asyncapi import EVENTS, document, schemas
from controller.mqtt import RETAINED, TELEMETRY_EXPIRES
from protocols.events import UNITS
from tests.contract import BROKEN, CONTRACT, Contract, ContractError

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "asyncapi.json"
MODULES = ROOT / ".node" / "node_modules"
needs_parser = pytest.mark.skipif(
    not (MODULES / "@asyncapi").is_dir() or shutil.which("node") is None, reason="make .node/asyncapi was not run"
)
ONE = "cable/v1/test/one"
TELEMETRY: dict[str, Any] = {
    "v": 1, "ts": 5, "force_left_n": 1.5, "force_right_n": None, "position_left_m": None, "position_right_m": None,
    "velocity_left_m_per_s": None, "velocity_right_m_per_s": None, "phase_left": "rest", "phase_right": None,
}  # fmt: skip
JUDGE = """
const { Parser } = require("@asyncapi/parser");
const text = require("fs").readFileSync(process.argv[1], "utf8");
new Parser().parse(text).then(({ document, diagnostics }) => {
  const bad = diagnostics.filter((each) => each.severity <= 1);
  console.log(JSON.stringify(bad));
  process.exit(document && bad.length === 0 ? 0 : 1);
});
"""


def judged_by_asyncapi(file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["node", "-e", JUDGE, file], capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "NODE_PATH": str(MODULES)},
    )  # fmt: skip


def test_the_document_in_docs_is_what_the_command_prints() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "controller.cli", "schema"], capture_output=True, text=True, check=True, timeout=60
    )
    assert PAGE.read_text(encoding="utf-8") == printed.stdout, "run cable-station schema > docs/asyncapi.json"


@pytest.mark.node
@needs_parser
def test_asyncapis_own_parser_finds_nothing_wrong_with_it() -> None:
    judged = judged_by_asyncapi(PAGE)
    assert judged.returncode == 0, judged.stdout + judged.stderr


@pytest.mark.node
@needs_parser
def test_asyncapis_own_parser_would_find_a_channel_that_is_missing(tmp_path: Path) -> None:
    wrong = document()
    del wrong["channels"]["repEvent"]
    (tmp_path / "wrong.json").write_text(json.dumps(wrong), encoding="utf-8")
    judged = judged_by_asyncapi(tmp_path / "wrong.json")
    assert judged.returncode == 1
    assert "repEvent" in judged.stdout


def test_every_schema_is_one_and_every_reference_leads_somewhere() -> None:
    whole = document()
    for name, schema in whole["components"]["schemas"].items():
        Draft7Validator.check_schema(schema)
        assert schema["description"], name
    for path in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(whole)):
        found = whole
        for part in path.split("/"):
            found = found[part]


def test_every_field_of_a_payload_or_command_says_what_it_is_and_a_unit_in_its_key_is_its_unit() -> None:
    for name, schema in schemas().items():
        for key, field in schema.get("properties", {}).items():
            assert field.get("description"), f"{name}.{key}"
            suffixes = [suffix for suffix in UNITS if key.endswith(suffix)]
            if suffixes:
                assert field.get("x-unit") == UNITS[max(suffixes, key=len)], f"{name}.{key}"


def test_all_that_the_publisher_sends_is_in_the_document() -> None:
    addresses = {channel["address"] for channel in document()["channels"].values()}
    station = "cable/v1/{site}/{station}"
    assert {f"{station}/event/{kind}" for kind in EVENTS} <= addresses
    assert {f"{station}/{name}" for name in (*RETAINED, "status", "telemetry")} <= addresses
    assert document()["operations"]["sendTelemetry"]["bindings"]["mqtt"]["messageExpiryInterval"] == TELEMETRY_EXPIRES


def test_the_judge_accepts_what_is_right() -> None:
    CONTRACT.check(f"{ONE}/telemetry", json.dumps(TELEMETRY).encode())
    CONTRACT.check(f"{ONE}/status", b"online")
    CONTRACT.check("cable/v1/test/_gateway/hall/status", b"offline")
    CONTRACT.check("somebody/else", b"anything")


@pytest.mark.parametrize(
    ("topic", "payload", "says"),
    [
        (f"{ONE}/telemetry", json.dumps({**TELEMETRY, "force_left_n": "1.5"}), "force_left_n"),
        (f"{ONE}/telemetry", json.dumps({**TELEMETRY, "force_left_n": float("nan")}), "NaN"),
        (f"{ONE}/telemetry", json.dumps({**TELEMETRY, "force_n": 1.0}), "force_n"),
        (f"{ONE}/telemetry", json.dumps({k: v for k, v in TELEMETRY.items() if k != "phase_right"}), "phase_right"),
        (f"{ONE}/telemetry", json.dumps({**TELEMETRY, "v": 2}), "1 was expected"),
        (f"{ONE}/telemetry", json.dumps({**TELEMETRY, "phase_left": "up"}), "phase_left"),
        (f"{ONE}/status", "maybe", "maybe"),
        (f"{ONE}/events/rep", "{}", "no topic"),
        ("cable/v1/test/one/two/state", "{}", "no topic"),
    ],
)
def test_the_judge_refuses_what_is_wrong(topic: str, payload: str, says: str) -> None:
    with pytest.raises(ContractError, match=says):
        Contract(document()).check(topic, payload.encode())


def test_a_client_of_ours_cannot_publish_what_the_contract_does_not_have() -> None:
    ours = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="cable-station-test-hall")
    with pytest.raises(ContractError, match="no topic"):
        ours.publish(f"{ONE}/surprise", b"{}")
    assert len(BROKEN) == 1
    BROKEN.clear()

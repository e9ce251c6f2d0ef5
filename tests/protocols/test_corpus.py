"""Every real recording beside the checkout is read whole, in strictly rising stream time."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest

from protocols.neutral_csv import CHANNELS, read_csv

FOLDER = Path(os.environ.get("CABLE_STATION_CORPUS") or Path(__file__).parents[2].parent / "shared" / "corpus")
LOGS = sorted(FOLDER.glob("*__*.csv"))

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not LOGS, reason="no recordings there; CABLE_STATION_CORPUS names their folder"),
]


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_a_real_recording_is_read_with_every_row_kept_or_counted(path: Path) -> None:
    log = read_csv(path)
    assert log.rows
    assert all(a.t < b.t for a, b in pairwise(log.rows))
    for name in log.columns:
        assert name in CHANNELS
        assert any(getattr(row, name.rsplit("_", 1)[0]) is not None for row in log.rows), f"{name} has no sample"
    written = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line and not line.startswith("#")]
    with_a_value = sum(any(cell.strip() for cell in line.split(",")[1:]) for line in written[1:])
    defects = log.defects
    assert not defects.unknown_columns
    assert defects.bad_cells == defects.junk_rows == defects.stray == 0, "these files are whole in this respect"
    assert len(log.rows) + defects.repeated + defects.backward == with_a_value

"""`python -m tests.stations.watched …` is `cable-station …` with each of its messages checked against the contract."""

from __future__ import annotations

from controller.cli import main
from tests.contract import watch

if __name__ == "__main__":
    watch()
    main()

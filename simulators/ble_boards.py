"""Simulated boards put into the air: each gets an address and a name."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from protocols.events import SIDES
from simulators.ble_cablelink import CablelinkPeripheral
from simulators.ble_peripheral import Peripheral
from simulators.ble_tindeq import TindeqPeripheral, session_weight
from simulators.pump import Pump
from simulators.scenarios import Session
from simulators.virtual_board import VirtualBoard


def cablelink_boards(
    boards: Sequence[VirtualBoard], pumps: Sequence[tuple[str, Pump]], *, mtu: int
) -> list[Peripheral]:
    """Virtual boards, C0:DE:00:00:00:01 and on; each pump with the end of its name."""
    found: list[Peripheral] = []
    for k, (board, (suffix, pump)) in enumerate(zip(boards, pumps, strict=True)):
        address = f"C0:DE:00:00:00:{k + 1:02X}"
        found.append(CablelinkPeripheral(pump, _info_of(board), address=address, name=f"cable{suffix}", mtu=mtu))
    return found


def progressors(session: Session, sides: Sequence[str] = SIDES) -> list[Peripheral]:
    """A Tindeq for each of these sides that has a force, C0:DE:00:00:01:01 left and :02 right."""
    found: list[Peripheral] = []
    for number, side in enumerate(SIDES, start=1):
        if side in sides and f"{side}_force_n" in session.scenario.channels:
            found.append(
                TindeqPeripheral(
                    session_weight(session, side),
                    now=time.monotonic(),
                    address=f"C0:DE:00:00:01:{number:02X}",
                    name=f"Progressor_{number}",
                )
            )
    return found


def _info_of(board: VirtualBoard) -> Callable[[], bytes]:
    return lambda: board.info(0).to_body()

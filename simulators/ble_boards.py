"""Simulated boards put into the air: each gets an address and a name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from simulators.ble_cablelink import CablelinkPeripheral
from simulators.ble_peripheral import Peripheral
from simulators.ble_tindeq import TindeqPeripheral
from simulators.pump import Pump
from simulators.twin import Twin
from simulators.virtual_board import VirtualBoard


def peripherals(
    boards: Sequence[VirtualBoard | Twin], pumps: Sequence[tuple[str, Pump]], *, mtu: int
) -> list[Peripheral]:
    """Boards of ours and Progressors, C0:DE:00:00:00:01 and on; each pump with the end of its name."""
    found: list[Peripheral] = []
    for k, (board, (suffix, pump)) in enumerate(zip(boards, pumps, strict=True), start=1):
        address = f"C0:DE:00:00:00:{k:02X}"
        if isinstance(board, VirtualBoard):
            found.append(CablelinkPeripheral(pump, _info_of(board), address=address, name=f"cable{suffix}", mtu=mtu))
        else:
            found.append(TindeqPeripheral(pump, address=address, name=f"Progressor_{k}", mtu=mtu))
    return found


def _info_of(board: VirtualBoard) -> Callable[[], bytes]:
    return lambda: board.info(0).to_body()

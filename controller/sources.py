"""What a station's samples come from: what each source measures, from which boot, and what is wrong with it.

A source is known by what it said last, and played by what it had said when its samples came, which may still wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, get_args

from controller.calibration_file import CalibratedStation
from controller.core.station import Station
from controller.rate_watch import RateWatch
from controller.troubles import Said, Troubles
from controller.wiring import Key, ProblemName, Wiring, wiring
from firmware_bridge.drivers import expected_rate
from firmware_bridge.messages import BoardFault, Identity, SampleBlock
from protocols.events import SIDES, Severity

WIRING_PROBLEMS: Final[tuple[ProblemName, ...]] = get_args(ProblemName)
FAULTS: Final[dict[BoardFault, Said]] = {
    "tare_active": ("info", "tares itself; its force is not to be believed"),
    "overrun": ("warning", "cannot keep up with its own samples; a lower rate_hz helps"),
    "low_battery": ("warning", "is low on battery"),
}


@dataclass(frozen=True, slots=True)
class Instant:
    """The counts of one instant, with what was known of their source when they came."""

    row: tuple[int, ...]
    block: SampleBlock
    key: Key
    wiring: Wiring


class Sources:
    """All of one station's. Times are stream time, s."""

    def __init__(self, config: CalibratedStation, station: Station, troubles: Troubles) -> None:
        """Station and troubles: who is told of what changes."""
        self.wirings: dict[Key, Wiring] = {}  # by what came last
        self._config = config
        self._boards = {board.id: board for board in config.board}
        self._station = station
        self._troubles = troubles
        self._played: dict[Key, Wiring] = {}
        self._columns: dict[Key, list[tuple[str, int]]] = {}  # what feeds the core, of what has been played
        self._faults: dict[Key, frozenset[BoardFault]] = {}
        self._rates: dict[Key, RateWatch] = {}  # of those of whom it is known what they were asked for

    # -- what a source says that it is

    def identified(self, key: Key, identity: Identity) -> Wiring | None:
        """What a source measures from now on, which `introduced` is to hear, None where nothing has changed."""
        identity = replace(identity, restarted=False)  # the boot_id says it
        known = self.wirings.get(key)
        if known is not None and known.identity == identity:
            return None
        others = [each for other, each in self.wirings.items() if other != key]
        taken = {(wire.side, wire.kind) for each in others for wire in each.wires}
        self.wirings[key] = found = wiring(self._config, key, identity, taken=taken)
        return found

    def introduced(self, key: Key, found: Wiring, t: float) -> None:
        """Tell of what `identified` has found."""
        if key not in self._played:
            self._rewire(key, found, t)
        for name in WIRING_PROBLEMS:
            detail = found.problems.get(name)
            severity: Severity = "info" if name == "side_differs" else "error"
            self._troubles.say(t, name, f"{key.board}/{key.source}", (severity, detail) if detail is not None else None)

    def reads_a_side(self, board: str) -> bool:
        """Whether anything of a board is used."""
        return any(key.board == board and known.sides for key, known in self.wirings.items())

    # -- its samples

    def instants(self, key: Key, block: SampleBlock) -> list[Instant]:
        """The samples of a block with what is known of their source now."""
        known = self.wirings[key]
        return [Instant(row, block, key, known) for row in block.rows]

    def play(self, instant: Instant, t: float) -> dict[str, Any]:
        """What the core is fed of a sample at t, after what has changed with it has been told."""
        if self._played.get(instant.key) is not instant.wiring:
            self._rewire(instant.key, instant.wiring, t)
        if instant.block.faults != self._faults.get(instant.key, frozenset()):
            self._board_faults(instant, t)
        values: dict[str, Any] = {}
        for name, column in self._columns[instant.key]:
            values[name] = float(instant.row[column])
        for said, saturated in zip(SIDES, instant.block.saturated, strict=True):
            side = instant.wiring.side_of("force", said) if saturated else None
            if side is not None:
                values[f"{side}_saturated"] = True
        return values

    def _rewire(self, key: Key, found: Wiring, t: float) -> None:
        """From here on the samples of a source are of this boot and these channels."""
        before = self._played.get(key)
        self._played[key] = found
        self._watch_rate(key, found.identity, t)
        self._columns[key] = [(f"{wire.side}_{wire.kind}", wire.column) for wire in found.wires]
        for wire in found.wires if before is None or before.wires != found.wires else ():
            if wire.kind == "force":
                self._station.calibrate(wire.side, force=wire.calibration)
            else:
                self._station.calibrate(wire.side, position=wire.calibration)
        for side in found.sides:
            self._station.describe(side, firmware=found.identity.firmware)
            if before is not None and before.identity.boot_id != found.identity.boot_id:
                self._station.restarted(side, t=t)

    def _board_faults(self, instant: Instant, t: float) -> None:
        """What a board says of itself with its samples has changed."""
        key, now = instant.key, instant.block.faults
        for name in sorted(now ^ self._faults.get(key, frozenset())):
            if name in FAULTS:
                severity, text = FAULTS[name]
                self._troubles.say(t, name, str(key), (severity, f"board {key.board} {text}") if name in now else None)
            side = instant.wiring.side_of("position", "left" if name == "encoder_fault_left" else "right")
            if name.startswith("encoder_fault") and side is not None:
                self._station.fault(
                    t, "encoder_fault", raised=name in now, severity="error", side=side,
                    detail=f"the {side} encoder reports a fault; its position is not to be believed",
                )  # fmt: skip
        self._faults[key] = now

    # -- its rate

    def played(self, key: Key, t: float) -> None:
        """The core has had a source's sample at t."""
        rate = self._rates.get(key)
        if rate is not None and rate.sample(t):
            self.rate_said(key, t)

    def forget_rates(self, board: str) -> Iterator[Key]:
        """A board's link has come or gone: its rates are to be found anew; those of which `rate_said` is to hear."""
        for key, rate in self._rates.items():
            if key.board == board:
                was_off = rate.off is not None
                rate.reset()
                if was_off:
                    yield key

    def rate_said(self, key: Key, t: float) -> None:
        """Tell that a board has begun to keep another rate than it was asked for, or ceased to."""
        rate = self._rates[key]
        said: Said | None = None
        if rate.off is not None:
            text = f"board {key.board} takes {rate.off:.4g} samples a second, {rate.asked:g} were asked for"
            said = ("warning", f"{text}; is its timer set up right, and rate_hz?")
        self._troubles.say(t, "rate_differs", str(key), said)

    def _watch_rate(self, key: Key, identity: Identity, t: float) -> None:
        before = self._rates.pop(key, None)
        asked = expected_rate(self._boards[key.board], identity)
        if asked is not None:
            self._rates[key] = RateWatch(asked)
        if before is not None and before.off is not None:
            self._troubles.say(t, "rate_differs", str(key), None)

"""What each of a board's channels measures: by the configuration, else by what the board says of itself.

Its scale comes from the calibration file, else from the configuration, else from what the board states.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import msgspec

from controller.calibration_file import CalibratedStation, Kind, configured
from controller.config import ChannelConfig
from controller.core.settings import ChannelCalibration
from firmware_bridge.messages import ChannelInfo, Identity
from protocols.events import SIDES, Side

KINDS: Final[tuple[Kind, Kind]] = ("force", "position")
ProblemName = Literal["side_unknown", "side_twice", "channel_absent", "channel_kind", "calibration_foreign"]


class Key(NamedTuple):
    """One source of samples: a board, and its number behind a hub (0 alone)."""

    board: str
    source: int


@dataclass(frozen=True, slots=True)
class Wire:
    """One channel that is used: its column in the board's rows, and what it measures."""

    column: int
    side: Side
    kind: Kind
    calibration: ChannelCalibration


@dataclass(frozen=True, slots=True)
class Wiring:
    """The channels of one source from one boot of its board. problems: what to do about what cannot be used."""

    identity: Identity
    wires: tuple[Wire, ...]
    problems: dict[ProblemName, str]

    @property
    def sides(self) -> list[Side]:
        """The sides that it reads."""
        return [side for side in SIDES if any(wire.side == side for wire in self.wires)]

    def side_of(self, kind: Kind, said: Side) -> Side | None:
        """The side that a status bit speaks of, None where its channel is not used.

        The board names the side as it knows it; the cables may be the other way round. A board that does not know
        its sides means its first channel by left and its second by right; a single channel is meant by either.
        """
        columns = [k for k, info in enumerate(self.identity.channels) if info.kind == kind]
        named = [k for k in columns if self.identity.channels[k].side == said]
        if not named:
            named = columns if len(columns) == 1 else columns[SIDES.index(said) :][:1]
        return next((wire.side for wire in self.wires if wire.column in named), None)


def wiring(
    config: CalibratedStation, key: Key, identity: Identity, *, taken: Collection[tuple[Side, Kind]] = ()
) -> Wiring:
    """What the channels of a source measure; taken: what other sources measure already."""
    if config.left is not None or config.right is not None:
        return _configured(config, key, identity)
    wires: list[Wire] = []
    problems: dict[ProblemName, str] = {}
    for column, info in enumerate(identity.channels):
        if info.side is None:
            problems["side_unknown"] = (
                f"board {key.board} does not say which side its channel {column} is on; name its channels under "
                "[station.left] and [station.right]"
            )
        elif (info.side, info.kind) in taken or any((w.side, w.kind) == (info.side, info.kind) for w in wires):
            problems["side_twice"] = (
                f"channel {column} of board {key.board} says that it is the {info.side} {info.kind}, and so does "
                "another; name the channels under [station.left] and [station.right]"
            )
        else:
            calibration, foreign = _calibration(config, key, identity, column, (info.side, info.kind))
            wires.append(Wire(column, info.side, info.kind, calibration))
            problems |= foreign
    return Wiring(identity, tuple(wires), problems)


def _configured(config: CalibratedStation, key: Key, identity: Identity) -> Wiring:
    wires: list[Wire] = []
    problems: dict[ProblemName, str] = {}
    for side, kind, channel in _channels(config):
        if (channel.board, channel.source) != key:
            continue
        place = f"[station.{side}] {kind}: board {key.board}"
        if channel.channel >= len(identity.channels):
            problems["channel_absent"] = (
                f"{place} has {len(identity.channels)} channels, from 0, and no channel {channel.channel}"
            )
            continue
        info = identity.channels[channel.channel]
        if info.kind != kind:
            problems["channel_kind"] = f"{place} says that its channel {channel.channel} is a {info.kind}"
            continue
        calibration, foreign = _calibration(config, key, identity, channel.channel, (side, kind))
        wires.append(Wire(channel.channel, side, kind, calibration))
        problems |= foreign
    if not wires and not problems:
        problems["side_unknown"] = (
            f"no channel of board {key.board}, source {key.source}, stands under [station.left] or [station.right]"
        )
    return Wiring(identity, tuple(wires), problems)


def _channels(config: CalibratedStation) -> list[tuple[Side, Kind, ChannelConfig]]:
    found = ((side, kind, configured(config, side, kind)) for side in SIDES for kind in KINDS)
    return [(side, kind, channel) for side, kind, channel in found if channel is not None]


def _calibration(
    config: CalibratedStation, key: Key, identity: Identity, column: int, what: tuple[Side, Kind]
) -> tuple[ChannelCalibration, dict[ProblemName, str]]:
    """A channel's scale at the handle, and why the one that is kept for it is not used, if so."""
    channel = configured(config, *what)
    ratio = channel.ratio if channel is not None else 1.0
    found, foreign = None, {}
    kept = next((each for each in config.calibrated if (each.side, each.channel) == what), None)
    if kept is not None:
        problems: dict[ProblemName, str] = {}
        now = (key.board, key.source, column, identity.uid, ratio)
        if (kept.board, kept.source, kept.number, kept.uid, kept.ratio) == now:
            found = kept.calibration
        else:
            problems["calibration_foreign"] = (
                f"{what[0]} {what[1]}: calibration {kept.id} was made with another board, channel or ratio and is not "
                "used; calibrate it again"
            )
        foreign = problems
    if found is None:
        own = channel.calibration if channel is not None else None
        found = own if own is not None else _nominal(identity.channels[column])
    return msgspec.structs.replace(found, span=found.span * ratio), foreign


def _nominal(info: ChannelInfo) -> ChannelCalibration:
    """The scale that the board states; nobody calibrated it, so it has no id."""
    return ChannelCalibration(zero=info.offset, span=info.scale, nominal=True)

"""What the core must be told: sides, calibration, and how the exercise counts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

IndexName = Literal["percent_difference", "bilateral", "symmetry_angle", "robinson"]
Positive = Annotated[float, Meta(gt=0)]


class ChannelCalibration(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A straight line from counts to SI at the handle: (counts - zero) * span."""

    zero: float = 0.0  # counts
    span: float = 1.0  # N or m at the handle for one count; negative turns the sign
    uncertainty_pct: Annotated[float, Meta(ge=0)] | None = None  # standard uncertainty of the span, % of the reading
    zero_uncertainty: Annotated[float, Meta(ge=0)] | None = None  # standard, counts
    residual: float | None = None  # largest residual of the fit, SI
    id: str | None = None  # None: nobody calibrated this channel
    date: str | None = None  # ISO 8601
    nominal: bool = False  # the scale that a board states of itself, checked by nobody


class Exercise(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the reps of an exercise are told apart and counted."""

    name: str | None = None
    min_rom_m: Positive = 0.10  # m; a shorter stroke is no rep
    min_force_n: Positive = 15.0  # N; less at the handle is no load
    set_gap_s: Positive = 8.0  # s without motion that end a set
    side_gap_s: Positive = 300.0  # s within which two single-side sets are compared
    starts_with: Literal["concentric", "eccentric"] = "concentric"
    cables_are: Literal["two_limbs", "one_limb_pair"] = "two_limbs"
    arm_side: Literal["left", "right"] | None = None  # whose effort it is when both cables are one limb pair
    index: IndexName = "percent_difference"
    threshold_pct: Positive = 10.0  # of the index, for the verdict
    target_reps: Annotated[int, Meta(ge=1)] | None = None
    hold_s: Annotated[float, Meta(ge=0)] | None = None  # s at the top, asked for


class CoreSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One station's settings for the core."""

    station: str = "station"
    exercise: Exercise = Exercise()
    load_kg: Positive | None = None
    person: str | None = None
    track_zero: bool = True  # follow the zero of a force channel while its cable stands unloaded

    def selected(self, fields: dict[str, Any]) -> CoreSettings:
        """With the exercise's name, the load and the person that a command gives; the rest as it was."""
        return replace(
            self,
            exercise=replace(self.exercise, name=fields.get("exercise", self.exercise.name)),
            load_kg=fields.get("load_kg", self.load_kg),
            person=fields.get("person", self.person),
        )


class Identity(Struct, frozen=True, kw_only=True):
    """What the event log is called, and where its counters stand."""

    recording: str
    session: str
    first_seq: int = 1
    first_set: int = 1
    first_session: int = 1  # its number in the recording; the first one has the name, the others that and a number
    unix_anchor: float = 0.0  # s; station time of stream time 0

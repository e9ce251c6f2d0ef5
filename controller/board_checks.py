"""Whether a board, its link and its clock are what they should be, each finding with what to do about it."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from controller.core.diagnostic import Diagnosis, Severity
from controller.station_views import firmware_of, model_of
from firmware_bridge.link import About
from firmware_bridge.messages import BoardFault, BoardStatus, ClockState, Identity, ReaderCounters
from firmware_bridge.protocol import Capabilities

SKEW_KNOWN_AFTER: Final = 14.0  # s of samples; the fit takes the clocks to run alike until it has seen a dozen of them
LOST: Final = 0.01  # share of the frames that is an error; less is a warning
SKEW_PPM: Final = 500.0  # a quartz keeps 100; a resonator's 5000 is followed, but its rate is off by as much
UNSURE: Final = 0.05  # s; beyond, two boards are not compared in time
FAULTS: Final[dict[BoardFault, str]] = {
    "encoder_fault_left": "the left encoder's wiring",
    "encoder_fault_right": "the right encoder's wiring",
    "tare_active": "it tares; wait",
    "overrun": "the board cannot keep up: a lower rate_hz",
    "low_battery": "charge it",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: how it is, how bad that is, and what to do."""

    what: str
    severity: Severity
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What some seconds of one board have shown. clock, status: None where it said nothing of it."""

    identity: Identity
    can: Capabilities
    samples: Diagnosis | None  # of any of its channels, None: it has none
    frames: ReaderCounters  # in that time
    clock: ClockState | None
    clock_s: float  # for how long the clock was watched
    status: BoardStatus | None
    about: About  # what it says to its link
    faults: AbstractSet[BoardFault]


def board_checks(heard: Heard) -> list[Check]:
    """All that is to be said of a board besides its channels."""
    identity = heard.identity
    trial = ", experimental: not tried on hardware here" if heard.can.is_experimental else ""
    about = heard.about
    uid = f", uid {identity.uid}" if identity.uid else ""
    model, firmware = model_of(identity, about), firmware_of(identity, about)
    label = ", ".join(each for each in (about.name, about.manufacturer, about.model, about.serial) if each is not None)
    checks = [
        Check("driver", "info", f"for {heard.can.name}{trial}"),
        Check("model", "info", f"{model or 'not said'}{uid}"),
        Check("firmware", "info", firmware or "not said"),
    ]
    if label:
        checks.append(Check("label", "info", label))
    if heard.samples is not None:
        checks += [Check(each.name, each.severity, each.text) for each in heard.samples.findings[:2]]
    checks += [_frames(heard.frames, heard.can), *_clock(heard), _battery(heard)]
    for fault in sorted(heard.faults - {"low_battery"}):
        checks.append(Check("says", "warning", f"{fault.replace('_', ' ')}: {FAULTS[fault]}"))
    return checks


def _frames(frames: ReaderCounters, can: Capabilities) -> Check:
    if not can.says_loss and not can.checks_frames:
        return Check("frames", "info", f"{frames.frames}; what is lost or damaged does not show")
    lost = f"{frames.lost} lost" if can.says_loss else "what is lost does not show"
    damaged = f"{frames.damaged + frames.malformed} damaged" if can.checks_frames else "what is damaged does not show"
    wrong = frames.lost + frames.damaged + frames.malformed
    text = f"{frames.frames} came, {lost}, {damaged}"
    if wrong == 0:
        return Check("frames", "info", text)
    is_bad = wrong > LOST * (frames.frames + wrong)
    return Check("frames", "error" if is_bad else "warning", f"{text}; look at the cable, its plugs and its length")


def _clock(heard: Heard) -> list[Check]:
    if not heard.can.has_clock:
        return [Check("clock", "info", "none of its own; its samples are counted")]
    if heard.clock is None:
        return [Check("clock", "warning", "nothing is known of it; does the board answer?")]
    unsure = heard.clock.uncertainty
    text = f"known to {unsure * 1000.0:.2f} ms"
    if unsure > UNSURE:
        checks = [Check("clock", "warning", f"{text}; over a link so slow two boards cannot be compared in time")]
    else:
        checks = [Check("clock", "info", text)]
    if heard.clock_s < SKEW_KNOWN_AFTER:
        watched = f"not known after {heard.clock_s:.0f} s; give --seconds {SKEW_KNOWN_AFTER + 1.0:.0f} or more"
        return [*checks, Check("skew", "info", watched)]
    skew = f"{heard.clock.skew_ppm:+.0f} ppm"
    if abs(heard.clock.skew_ppm) > SKEW_PPM:
        return [*checks, Check("skew", "warning", f"{skew}; no quartz is so far off: is its timer set up right?")]
    return [*checks, Check("skew", "info", skew)]


def _battery(heard: Heard) -> Check:
    volts = heard.status.battery_v if heard.status is not None else None
    share = heard.about.battery_pct
    said = [f"{volts:.2f} V"] if volts is not None else []
    text = ", ".join([*said, f"{share} %"] if share is not None else said) or "not said"
    if "low_battery" in heard.faults:
        return Check("battery", "error", f"{text}, low: {FAULTS['low_battery']}")
    return Check("battery", "info", text)

"""The configuration: one TOML file for a gateway and its stations; what is unknown or wrong is said, with where."""

from __future__ import annotations

import difflib
import re
import tomllib
import types
import typing
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from controller.broker_rules import BROKER_FILES, broker_problem, without_account
from controller.core.settings import ChannelCalibration, CoreSettings, Exercise
from controller.display.access import is_loopback
from controller.voice import LogFormat
from firmware_bridge.drivers import BoardConfig, check_url, link_problem, make_driver

Id = Annotated[str, Meta(pattern=r"^[a-z0-9-]+\Z")]
Port = Annotated[int, Meta(ge=0, le=65535)]
Text = Annotated[str, Meta(min_length=1)]
S = TypeVar("S", bound=Struct)


class ConfigError(Exception):
    """The configuration is wrong; one line that says what, where, and what to do."""


class ChannelConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which of a board's channels this is, and its calibration."""

    board: str
    channel: Annotated[int, Meta(ge=0, le=15)]
    source: Annotated[int, Meta(ge=0, le=255)] = 0
    ratio: Annotated[float, Meta(gt=0)] = 1.0  # at the handle for one at the sensor: pulley, drum
    calibration: ChannelCalibration | None = None  # None: the scale that the board states


class SideConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One cable's channels; without them they are found by what the boards say of themselves."""

    force: ChannelConfig | None = None
    position: ChannelConfig | None = None


class StationConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One station."""

    id: Id
    name: str | None = None
    board: Annotated[list[BoardConfig], Meta(min_length=1)]
    left: SideConfig | None = None
    right: SideConfig | None = None
    exercise: Exercise = Exercise()
    load_kg: Annotated[float, Meta(gt=0)] | None = None
    person: str | None = None
    track_zero: bool = True

    def core(self) -> CoreSettings:
        """What the core must be told of it."""
        return CoreSettings(
            station=self.id,
            exercise=self.exercise,
            load_kg=self.load_kg,
            person=self.person,
            track_zero=self.track_zero,
        )


class BrokerConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The MQTT broker: auto, none, or a URL; with auto, the port of the broker that is started (0: any free one)."""

    url: str = "auto"
    others: list[str] = []  # URLs of the same broker's other nodes; a list in `url` is this and its first
    port: Port = 0
    kind: Literal["any", "mosquitto", "amqtt"] = "any"  # of the broker that is started
    user: Text | None = None
    password_file: Text | None = None
    password_env: Text | None = None  # the name of an environment variable
    ca: Text | None = None  # PEM, whom to trust; None: whom this system trusts
    cert: Text | None = None  # PEM, our own
    key: Text | None = None
    plain: bool = False  # mqtt:// to another machine, everything in the clear
    commands: list[str] | None = None  # which are carried out, None: all

    @property
    def tls(self) -> bool:
        """Whether the broker is reached with TLS."""
        return self.url.startswith("mqtts://")

    @property
    def has_password_in_url(self) -> bool:
        """Whether whoever reads the file reads a password."""
        return "@" in self.url and bool(urlsplit(self.url).password)

    def __repr__(self) -> str:
        """All but a password in the URL."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        fields |= {"url": without_account(self.url), "others": [without_account(url) for url in self.others]}
        shown = ", ".join(f"{name}={value!r}" for name, value in fields.items())
        return f"BrokerConfig({shown})"


class DisplayConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The station's page."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: Port = 8080
    token: str | None = None  # needed beyond loopback

    def __repr__(self) -> str:
        """All but the token."""
        token = None if self.token is None else "…"
        return f"DisplayConfig(enabled={self.enabled}, host={self.host!r}, port={self.port}, token={token})"


class RecordingConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where every input is written, and how much of it is kept."""

    enabled: bool = True
    folder: str = "recordings"
    resume_within_s: Annotated[float, Meta(ge=0)] = 600.0  # a session that a kill cut longer ago is closed
    part_mb: Annotated[float, Meta(gt=0)] = 256.0  # a session goes on in another file beyond this
    part_h: Annotated[float, Meta(gt=0)] = 6.0
    least_free_mb: Annotated[float, Meta(ge=0)] = 200.0  # that the disk keeps
    keep_days: Annotated[float, Meta(gt=0)] | None = None  # None: for ever
    keep_gb: Annotated[float, Meta(gt=0)] | None = None  # None: all
    flight_s: Annotated[float, Meta(ge=0, le=600)] = 60.0  # kept in memory, and written at an error; 0: nothing
    flight_mb: Annotated[float, Meta(gt=0)] = 16.0  # of memory, at most
    flight_files: Annotated[int, Meta(ge=1)] = 20  # a station, at most


class OutboxConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where events wait for the broker, and how many. path: None: outbox.db in the recordings' folder."""

    enabled: bool = True  # False: in memory only
    path: Annotated[str, Meta(min_length=1)] | None = None
    most_events: Annotated[int, Meta(ge=100)] = 100_000
    most_mb: Annotated[float, Meta(gt=0, le=4096)] = 64.0
    most_days: Annotated[float, Meta(gt=0, le=3650)] = 30.0


class HomeAssistantConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Discovery by Home Assistant."""

    enabled: bool = False
    prefix: Annotated[str, Meta(pattern=r"^[^+#/\s]+\Z")] = "homeassistant"  # as it is configured there


class MetricsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prometheus' endpoint, on this machine's loopback only."""

    enabled: bool = False
    port: Port = 9469


class LogConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the program says what it does."""

    format: LogFormat = "text"


class GymConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A gateway and its stations. calibration: the file beside this one that `calibrate` writes, None: the usual.

    mapping: a file beside this one that says what else is published.
    """

    site: Id = "gym"
    gateway: Id = "gateway"
    calibration: Text | None = None
    broker: BrokerConfig = BrokerConfig()
    display: DisplayConfig = DisplayConfig()
    recording: RecordingConfig = RecordingConfig()
    outbox: OutboxConfig = OutboxConfig()
    home_assistant: HomeAssistantConfig = HomeAssistantConfig()
    metrics: MetricsConfig = MetricsConfig()
    log: LogConfig = LogConfig()
    mapping: Annotated[str, Meta(min_length=1)] | None = None
    station: Annotated[list[StationConfig], Meta(min_length=1)]


def outbox_path(config: GymConfig) -> Path | None:
    """The file in which events wait, None: in memory only."""
    if not config.outbox.enabled:
        return None
    return Path(config.outbox.path or Path(config.recording.folder) / "outbox.db")


def load(path: Path) -> GymConfig:
    """Read a configuration file; the broker's files are beside it. Raises ConfigError."""
    gym = parse(read_text(path), name=str(path))
    named = {name: getattr(gym.broker, name) for name in BROKER_FILES}
    found = {name: str(path.parent / file) for name, file in named.items() if file is not None}
    return msgspec.structs.replace(gym, broker=msgspec.structs.replace(gym.broker, **found))


def read_text(path: Path) -> str:
    """The text of a TOML file. Raises ConfigError."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}") from None


def parse(text: str, *, name: str) -> GymConfig:
    """The configuration in a text; name stands in its errors. Raises ConfigError."""
    config = decoded(text, GymConfig, name=name, prepare=_spread_urls)
    problem = _check(config)
    if problem is not None:
        raise wrong(name, problem)
    return config


def _spread_urls(data: dict[str, Any]) -> None:
    """Several addresses of a broker: the first stays in `url`."""
    broker = data.get("broker")
    urls = broker.get("url") if isinstance(broker, dict) else None
    if isinstance(broker, dict) and isinstance(urls, list) and urls:
        broker["url"], broker["others"] = urls[0], [*urls[1:], *broker.get("others", [])]


def decoded(text: str, kind: type[S], *, name: str, prepare: Callable[[dict[str, Any]], None] | None = None) -> S:
    """TOML as a struct; what is wrong is said with its place. Raises ConfigError.

    prepare: brings what may be written in two ways into one.
    """
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise wrong(name, str(error)) from None
    if prepare is not None:
        prepare(data)
    problem = _unknown_key(data, kind, "") or _not_finite(data, "")
    if problem is not None:
        raise wrong(name, problem)
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$.")
        where = where.rstrip("`")
        raise wrong(name, f"{where or 'top level'}: {_plain(message, where)}") from None


def wrong(name: str, problem: str) -> ConfigError:
    """One line, whatever stands in the file's strings."""
    return ConfigError("\\n".join(f"{name}: {problem}".splitlines()))


def _plain(message: str, where: str) -> str:
    """What msgspec says, in the words of the file."""
    if "matching regex" in message:
        return "an id has only a-z, 0-9 and -" if where != "home_assistant.prefix" else "one level of a topic"
    if message == "Expected `array`, got `object`":
        return f"there may be several of them: write [[{where}]]"
    missing = re.fullmatch(r"Object missing required field (`\w+`)", message)
    return f"the key {missing[1]} is missing" if missing is not None else message


def _not_finite(data: Any, where: str) -> str | None:
    """The first number that is none: TOML knows nan and inf."""
    if isinstance(data, float) and not isfinite(data):
        return f"{where}: {data} is no number to work with"
    inside: list[tuple[str, Any]] = []
    if isinstance(data, dict):
        inside = [(f"{where}.{key}" if where else key, value) for key, value in data.items()]
    elif isinstance(data, list):
        inside = [(f"{where}[{number}]", value) for number, value in enumerate(data)]
    return next((found for place, value in inside if (found := _not_finite(value, place)) is not None), None)


def _unknown_key(data: Any, kind: Any, where: str) -> str | None:
    """The first key that its struct does not have, with the nearest that it has."""
    if isinstance(data, list):
        item = next(iter(get_args(kind)), None) if get_origin(kind) is list else None
        for number, each in enumerate(data):
            found = _unknown_key(each, _struct_in(item), f"{where}[{number}]")
            if found is not None:
                return found
        return None
    if not isinstance(data, dict) or not isinstance(kind, type) or not issubclass(kind, Struct):
        return None
    hints = typing.get_type_hints(kind)
    for key, value in data.items():
        place = f"{where}.{key}" if where else key
        if key not in hints:
            near = difflib.get_close_matches(key, hints, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(sorted(hints))}"
            return f"{place}: unknown key {key!r}; {hint}"
        found = _unknown_key(value, _struct_in(hints[key]), place)
        if found is not None:
            return found
    return None


def _struct_in(hint: Any) -> Any:
    """The struct or list that an annotation names, through Annotated and `| None`."""
    if get_origin(hint) is Annotated:
        return _struct_in(get_args(hint)[0])
    if get_origin(hint) in (types.UnionType, typing.Union):
        return next((_struct_in(each) for each in get_args(hint) if each is not type(None)), None)
    return hint


def _check(config: GymConfig) -> str | None:
    """What types cannot say: names that must agree with each other."""
    seen: set[str] = set()
    for number, station in enumerate(config.station):
        where = f"station[{number}]"
        if station.id in seen:
            return f"{where}.id: there are two stations {station.id!r}"
        seen.add(station.id)
        problem = _check_station(station, where)
        if problem is not None:
            return problem
    return broker_problem(config.broker) or _check_display(config.display)


def _check_display(display: DisplayConfig) -> str | None:
    if display.enabled and display.token is None and not is_loopback(display.host):
        return f"display.token: host {display.host} opens the page to the network, and that needs a token"
    return None


def _check_board(board: BoardConfig) -> str | None:
    try:
        check_url(board.url)
    except ValueError as error:
        return f"url: {error}"
    try:
        make_driver(board)
    except ValueError as error:
        return str(error)
    wrong = link_problem(board)
    return f"url: {wrong}" if wrong is not None else None


def _check_station(station: StationConfig, where: str) -> str | None:
    boards = [board.id for board in station.board]
    for number, board in enumerate(station.board):
        place = f"{where}.board[{number}]"
        if boards.index(board.id) != number:
            return f"{place}.id: there are two boards {board.id!r}"
        wrong = _check_board(board)
        if wrong is not None:
            return f"{place}.{wrong}"
    used: dict[tuple[str, int, int], str] = {}
    for side in ("left", "right"):
        config: SideConfig | None = getattr(station, side)
        for kind in ("force", "position"):
            channel: ChannelConfig | None = getattr(config, kind) if config is not None else None
            if channel is None:
                continue
            place = f"{where}.{side}.{kind}"
            if channel.board not in boards:
                return f"{place}.board: there is no board {channel.board!r}; known: {', '.join(boards)}"
            if channel.calibration is not None and channel.calibration.span == 0.0:
                return f"{place}.calibration.span: with a span of 0 nothing is measured"
            key = (channel.board, channel.source, channel.channel)
            if key in used:
                return f"{place}: the same channel as {used[key]}"
            used[key] = place
    return None

"""A right configuration is read; of a wrong one it is said what is wrong, where, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.broker import other_addresses
from controller.config import ConfigError, load, outbox_path, parse

BOARD = '[[station.board]]\nid = "a"\nurl = "tcp://192.0.2.7:5000"\n'
ROW = f'[[station]]\nid = "row"\n{BOARD}'
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "station.toml"


def complaint(text: str) -> str:
    with pytest.raises(ConfigError) as raised:
        parse(text, name="gym.toml")
    line = str(raised.value)
    assert line.startswith("gym.toml: ")
    assert "\n" not in line
    return line.removeprefix("gym.toml: ")


def test_the_example_of_the_documentation_is_right() -> None:
    config = load(EXAMPLE)
    assert [station.id for station in config.station] == ["row-1", "pulldown-1"]
    left = config.station[0].left
    assert left is not None
    assert left.force is not None
    assert left.force.calibration is not None
    assert left.force.calibration.id == "row-1-left"


def test_events_wait_beside_the_recordings_unless_another_place_is_named_or_none() -> None:
    for text, path in (
        ("", Path("recordings/outbox.db")),
        ('[recording]\nfolder = "/var/gym"\n', Path("/var/gym/outbox.db")),
        ('[outbox]\npath = "/var/lib/events.db"\n', Path("/var/lib/events.db")),
        ("[outbox]\nenabled = false\n", None),
    ):
        assert outbox_path(parse(text + ROW, name="gym.toml")) == path
    assert "outbox.most_events" in complaint("[outbox]\nmost_events = 3\n" + ROW)


def test_a_broker_may_have_several_nodes_with_one_account() -> None:
    text = '[broker]\nurl = ["mqtt://u:p@a:1884", "mqtt://b", "mqtt://c:1885"]\nplain = true\n'
    broker = parse(text + ROW, name="gym.toml").broker
    assert broker.url == "mqtt://u:p@a:1884"
    assert broker.others == ["mqtt://b", "mqtt://c:1885"]
    assert other_addresses(broker) == (("b", 1883), ("c", 1885))
    for urls, problem in (
        ('["mqtt://a", "auto"]', "like mqtt://host:1883"),
        ('["auto", "mqtt://a"]', "like mqtt://host:1883"),
        ('["mqtt://a", "mqtts://b"]', "all mqtt://"),
        ('["mqtt://a", "mqtt://u:p@b"]', "the first URL"),
        ("[]", "broker.url"),
        ('["mqtt://a", 3]', "broker.others[0]"),
    ):
        assert problem in complaint(f"[broker]\nurl = {urls}\n{ROW}")


def test_little_is_needed_and_the_rest_has_defaults_that_open_nothing_to_the_network() -> None:
    config = parse(ROW, name="gym.toml")
    assert config.broker.url == "auto"
    assert (config.display.host, config.display.enabled) == ("127.0.0.1", True)
    assert config.recording.enabled
    assert config.station[0].left is None


def test_what_a_station_is_configured_for_reaches_the_core() -> None:
    text = ROW.replace(BOARD, f'load_kg = 20.5\nperson = "p7"\ntrack_zero = false\n{BOARD}')
    core = parse(f'{text}[station.exercise]\nname = "row"\nset_gap_s = 5.0\n', name="gym.toml").station[0].core()
    assert (core.station, core.load_kg, core.person, core.track_zero) == ("row", 20.5, "p7", False)
    assert (core.exercise.name, core.exercise.set_gap_s) == ("row", 5.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('sight = "a"\n', "sight: unknown key 'sight'; did you mean 'site'?"),
        (f"{ROW}rate = 100\n", "station[0].board[0].rate: unknown key 'rate'; did you mean 'rate_hz'?"),
        (f"{ROW}[station.exercise]\nset_gap = 5.0\n", "station[0].exercise.set_gap: unknown key 'set_gap'; did"),
        (f"{ROW}zzzzzz = 1\n", "station[0].board[0].zzzzzz: unknown key 'zzzzzz'; known here: batch, driver, id"),
        ('"si\\nte" = 1\n', "si\\nte: unknown key 'si\\nte'; did you mean 'site'?"),
        (f"{ROW}[station.left.force]\nboard = 'a'\nchannel = 0\nspan = 1\n", "station[0].left.force.span: unknown key"),
    ],
)  # fmt: skip
def test_an_unknown_key_is_named_with_the_nearest_right_one(text: str, said: str) -> None:
    assert complaint(text).startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "top level: the key `station` is missing"),
        ('[[station]]\nid = "row"\n', "station[0]: the key `board` is missing"),
        ('[station]\nid = "row"\n', "station: there may be several of them: write [[station]]"),
        (ROW.replace('"row"', '"Row 1"'), "station[0].id: an id has only a-z, 0-9 and -"),
        (ROW.replace('"row"', '"_gateway"'), "station[0].id: an id has only a-z, 0-9 and -"),
        (ROW.replace('"row"', '"row\\n"'), "station[0].id: an id has only a-z, 0-9 and -"),
        (f'[home_assistant]\nprefix = "a/+"\n{ROW}', "home_assistant.prefix: one level of a topic"),
        (f'site = "a/b"\n{ROW}', "site: an id has only a-z, 0-9 and -"),
        (f"{ROW}rate_hz = 0\n", "station[0].board[0].rate_hz: Expected `int` >= 1"),
        (f"{ROW}[station.exercise]\nmin_rom_m = nan\n", "station[0].exercise.min_rom_m: nan is no number"),
        (f"{ROW}{ROW}", "station[1].id: there are two stations 'row'"),
        (f"{ROW}{BOARD}", "station[0].board[1].id: there are two boards 'a'"),
        (
            f'{ROW}driver = "tindeq"\n',
            "station[0].board[0].url: tcp://192.0.2.7:5000: a Tindeq Progressor is reached by ble://",
        ),
        (f'{ROW}driver = "ascii-line"\n', "station[0].board[0].line: it has to be said what stands in a line"),
        (
            f'{ROW}driver = "ascii-line"\nline = {{ columns = ["time_us", "left_farce_n"] }}\n',
            "station[0].board[0].line: there is no column 'left_farce_n'; did you mean 'left_force_n'?",
        ),
        (
            f'{ROW}driver = "ascii-line"\nline = {{ column = ["time_us"] }}\n',
            "station[0].board[0].line.column: unknown key 'column'; did you mean 'columns'?",
        ),
        (
            f'{ROW}driver = "ascii-line"\nline = {{ columns = ["force_n"], separator = "," }}\n',
            "station[0].board[0].rate_hz: the lines bear no time",
        ),
        (f'{ROW}driver = "cable-link"\n', "station[0].board[0].driver: there is no driver 'cable-link'; did you mean"),
        (ROW.replace("tcp://192.0.2.7:5000", "tcp://192.0.2.7"), "station[0].board[0].url: tcp://192.0.2.7: a TCP URL"),
        (ROW.replace("tcp://192.0.2.7:5000", "/dev/ttyUSB0"), "station[0].board[0].url: /dev/ttyUSB0: a board is"),
        (f'{ROW}[station.left]\nforce = {{ board = "b", channel = 0 }}\n', "station[0].left.force.board: there is no"),
        (
            ROW + "".join(f'[station.{side}]\nforce = {{ board = "a", channel = 0 }}\n' for side in ("left", "right")),
            "station[0].right.force: the same channel as station[0].left.force",
        ),
        (
            f'{ROW}[station.left]\nforce = {{ board = "a", channel = 0, calibration = {{ span = 0.0 }} }}\n',
            "station[0].left.force.calibration.span: with a span of 0 nothing is measured",
        ),
        (f'{ROW}[broker]\nurl = "mqqt://host"\n', "broker.url: neither auto, none, nor an URL"),
        (f'{ROW}[broker]\nurl = "mqtt://host:99999"\n', "broker.url: neither auto, none, nor an URL"),
        (f'{ROW}[broker]\nurl = "mqtt://user:secret@"\n', "broker.url: neither auto, none, nor an URL"),
        (f'{ROW}[display]\nhost = "0.0.0.0"\n', "display.token: host 0.0.0.0 opens the page to the network"),
        ("a = = 1\n", "Invalid value (at line 1, column 5)"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, said: str) -> None:
    assert complaint(text).startswith(said)


def test_a_password_does_not_stand_in_the_complaint() -> None:
    assert "secret" not in complaint(f'{ROW}[broker]\nurl = "mqt://user:secret@host"\n')


def test_a_file_that_cannot_be_read_is_said_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: No such file"):
        load(tmp_path / "absent.toml")
    (tmp_path / "latin.toml").write_bytes(b'site = "caf\xe9"\n')
    with pytest.raises(ConfigError, match=r"latin\.toml: not UTF-8 at byte 11"):
        load(tmp_path / "latin.toml")


def answer(text: str) -> str | None:
    try:
        parse(text, name="gym.toml")
    except ConfigError as error:
        return str(error)
    return None


toml_values = st.recursive(
    st.one_of(st.integers(-9, 9), st.floats(), st.booleans(), st.text('a-\n"', max_size=4), st.just("tcp://h:1")),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["id", "board", "url", "x"]), inner),
    max_leaves=6,
)


def as_toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {as_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(as_toml(each) for each in value) + "]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    return str(value).lower()


@given(st.dictionaries(st.sampled_from(["site", "broker", "display", "station", "sttion"]), toml_values))
def test_any_toml_is_a_configuration_or_a_complaint_of_one_line(data: dict[str, object]) -> None:
    text = "\n".join(f"{key} = {as_toml(value)}" for key, value in data.items())
    said = answer(text)
    assert said is None or len(said.splitlines()) == 1


@given(st.text())
def test_any_text_is_a_configuration_or_a_complaint(text: str) -> None:
    said = answer(text)
    assert said is None or said.startswith("gym.toml: ")

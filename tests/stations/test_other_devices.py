"""A gateway with other makers' devices, as processes: simulators on ptys under the real pyserial."""

from __future__ import annotations

from pathlib import Path

from tests.stations.processes import program, simulator, station, write_config


def test_a_board_of_ours_and_one_that_prints_lines_make_a_station_that_counts(tmp_path: Path) -> None:
    link = tmp_path / "cable"
    config = write_config(
        tmp_path,
        f"""
[[station]]
id = "row"

[[station.board]]
id = "a"
url = "serial://{link}-left"

[[station.board]]
id = "b"
url = "serial://{link}-right"
driver = "ascii-line"
line = {{ columns = ["time_us", "right_force_n", "right_position_mm"] }}
""",
    )
    speaks = ("--driver", "cablelink,ascii-line", "--columns", "time_us,right_force_n,right_position_mm")
    with (
        simulator("pty", "--link", str(link), "--two-boards", *speaks, "--reps", "2", "--once"),
        station(config) as running,
    ):
        running.until(lambda: len(running.events("pair")) == 2, within=40.0)
        assert all(pair["lag_ms"] is not None for pair in running.events("pair"))
        assert running.end() == 0


def test_a_script_that_pulls_the_plug_is_a_fault_that_passes(tmp_path: Path) -> None:
    link = tmp_path / "force"
    script = tmp_path / "script.toml"
    script.write_text('about = "x"\n[[fault]]\nat = 5\nlasts = 2\nkind = "unplug"\n', encoding="utf-8")
    text = (
        f'[[station]]\nid = "one"\n[[station.board]]\nid = "b"\nurl = "serial://{link}"\ndriver = "chronojump-force"\n'
    )
    text += '[station.left]\nforce = { board = "b", channel = 0 }\n'
    with (
        simulator("pty", "--link", str(link), "--driver", "chronojump-force", "--script", str(script)),
        station(write_config(tmp_path, text)) as running,
    ):
        running.until(lambda: any(f["name"] == "link_lost" and f["raised"] for f in running.events("fault")))
        running.until(lambda: any(f["name"] == "link_lost" and not f["raised"] for f in running.events("fault")))
        assert running.end() == 0


def test_what_the_simulator_cannot_serve_is_said_in_one_line() -> None:
    for options, words in (
        (("--driver", "tindeq"), "no driver 'tindeq' over"),
        (("--driver", "ascii-line", "--columns", "time_us"), "no column is a force or a position"),
        (("--driver", "cablelink,ascii-line"), "no driver 'cablelink,ascii-line'"),
        (("--driver", "chronojump-encoder", "--scenario", "isometric_hold"), "has no left_position_m"),
        (("--script", "nothing_wrong"), "there are bad_half_minute"),
    ):
        with program("-m", "simulators.cli", "pty", *options) as running:
            assert running.process.wait(20) == 2
            assert words in " ".join(" ".join(running.err).replace("│", " ").split())

"""`make bench`: how much a station costs, measured on this machine, all in one run.

Times are the least of several runs, which is what the machine can do when nobody else uses it; ratios compare figures
of the same run.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from controller.config import StationConfig
from controller.core.settings import ChannelCalibration, CoreSettings, Identity
from controller.core.station import Station
from controller.pipeline import Pipeline
from firmware_bridge.drivers import BoardConfig
from protocols import cablelink, framing
from protocols.events import SIDES, to_json
from protocols.recording import ChunkIn, Header, LinkUp, encode
from simulators.gym import session_board
from simulators.memory_link import chunks_of
from simulators.scenarios import SCENARIOS, Session, simulate
from tests.benchmarks.links import links
from tests.benchmarks.outputs import outputs

RUNS = 5
LIVE_SECONDS = 20.0


def least(what: Callable[[], object]) -> float:
    """Seconds that a call takes at best."""
    times = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        what()
        times.append(time.perf_counter() - begun)
    return min(times)


def core_tick(hz: float) -> float:
    """Nanoseconds that the core takes for one instant of both cables, position and force."""
    simulation = simulate(SCENARIOS["iso_lateral_row"].but(rate_hz=hz, reps=8))

    def run() -> None:
        station = Station(CoreSettings(), Identity(recording="bench", session="bench"))
        for side in SIDES:
            station.calibrate(side, force=ChannelCalibration(), position=ChannelCalibration())
        for t, left_position, left_force, right_position, right_force in simulation.samples:
            station.feed(
                t,
                left_position=left_position,
                left_force=left_force,
                right_position=right_position,
                right_force=right_force,
            )
        station.finish()

    return least(run) / len(simulation.samples) * 1e9


def decoder_frames() -> float:
    """Frames a second, of ten samples of four channels, from bytes to messages."""
    rows = tuple((k, -k, 1000 * k, 7) for k in range(10))
    stream = b"".join(
        framing.encode(cablelink.Samples(sequence=k, t_us=k * 10_000, dt_us=1000, rows=rows).to_body())
        for k in range(2000)
    )

    def run() -> None:
        decoder = framing.FrameDecoder()
        for at in range(0, len(stream), 512):
            for body in decoder.feed(stream[at : at + 512]):
                cablelink.decode(body)

    return 2000 / least(run)


def recording(hz: int) -> tuple[Header, list[ChunkIn], float]:
    """A simulated session as recorded input, and how many seconds it lasts."""
    session = Session(SCENARIOS["iso_lateral_row"].but(rate_hz=float(hz), reps=8))
    board = session_board(session)
    ask = framing.encode(cablelink.GetInfo(sequence=1).to_body())
    start = framing.encode(cablelink.Start(sequence=2, rate_hz=hz, batch=10).to_body())
    chunks = chunks_of(board, [(0.0, ask), (0.05, start)], until=session.duration)
    config = StationConfig(id="bench", board=[BoardConfig(id="board", url="tcp://127.0.0.1:1")])
    header = Header(
        recording="bench",
        station="bench",
        session="bench",
        first_seq=1,
        first_set=1,
        monotonic_anchor=0.0,
        unix_anchor=0.0,
        settings=msgspec.json.encode(config),
        software="bench",
    )
    records = [ChunkIn(board="board", received_at=chunk.received_at, data=chunk.data) for chunk in chunks]
    return header, records, session.duration


def replay_speed(hz: int) -> tuple[float, float]:
    """How many times faster than it was a recording is played, and its bytes a second of lifting."""
    header, records, seconds = recording(hz)

    def run() -> None:
        pipeline = Pipeline(header)
        pipeline.feed(LinkUp(board="board", received_at=0.0))
        for record in records:
            pipeline.feed(record)
        pipeline.finish()
        for event in pipeline.events():
            to_json(event)

    return seconds / least(run), sum(len(encode(record)) for record in records) / seconds


def live_cpu(hz: int) -> float:
    """Share of one core that a live station takes, in %: pty, driver, core, recorder, display, no broker."""
    with tempfile.TemporaryDirectory() as folder:
        port = Path(folder, "port")
        sim = subprocess.Popen(
            [sys.executable, "-m", "simulators.cli", "pty", "--link", str(port), "--rate", str(hz)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert sim.stdout is not None
        sim.stdout.readline()
        config = Path(folder, "gym.toml")
        config.write_text(
            f'[broker]\nurl = "none"\n[display]\nport = 0\n[recording]\nfolder = "{folder}/recordings"\n'
            f'[[station]]\nid = "bench"\n[[station.board]]\nid = "board"\nurl = "serial://{port}"\nrate_hz = {hz}\n',
            encoding="utf-8",
        )
        run = subprocess.Popen([sys.executable, "-m", "controller.cli", "run", str(config)])
        try:
            time.sleep(4.0)  # past its start
            before = cpu_seconds(run.pid)
            time.sleep(LIVE_SECONDS)
            used = cpu_seconds(run.pid) - before
        finally:
            for process in (run, sim):
                process.send_signal(signal.SIGINT)
                process.wait(10)
            sim.stdout.close()
    return 100.0 * used / LIVE_SECONDS


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure, and print a table."""
    table = Table("what", "figure", title="cable-station on this machine")
    ticks = {hz: core_tick(hz) for hz in (100.0, 1000.0)}
    for hz, nanoseconds in ticks.items():
        share = nanoseconds * hz / 1e7
        table.add_row(
            f"core, one instant of two cables at {hz:g} Hz", f"{nanoseconds:,.0f} ns ({share:.1f} % of a core)"
        )
    table.add_row("decoder, frames of 10 samples x 4 channels", f"{decoder_frames():,.0f} frames/s")
    for hz in (100, 1000):
        speed, size = replay_speed(hz)
        table.add_row(
            f"replay of a recording at {hz} Hz", f"{speed:,.0f} x real time ({size / 1000:.1f} kB/s recorded)"
        )
    shares = [live_cpu(1000) for _ in range(2)]
    table.add_row("live station, two cables at 1 kHz over a pty", f"{statistics.mean(shares):.1f} % of a core")
    for what, figure in (*links(), *outputs()):
        table.add_row(what, figure)
    Console().print(table)


if __name__ == "__main__":
    main()

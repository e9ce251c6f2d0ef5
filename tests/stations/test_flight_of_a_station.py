"""A running station that meets an error leaves its last minute behind, recorded or not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.stations.processes import board, replayed, station, write_config


@contextmanager
def junk() -> Iterator[str]:
    """The URL of something that sends bytes which are no frames, to whoever comes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    try:
                        while not ended.wait(0.05):
                            client.sendall(bytes(range(200, 250)))
                    except OSError:
                        continue

        thread = threading.Thread(target=serve, name="junk", daemon=True)
        thread.start()
        try:
            yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        finally:
            ended.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10.0)


@pytest.mark.parametrize("recorded", [True, False])
def test_an_error_of_a_board_leaves_a_recording_that_plays(tmp_path: Path, *, recorded: bool) -> None:
    with junk() as url:
        config = write_config(tmp_path, board(url))
        text = config.read_text(encoding="utf-8")
        config.write_text(text.replace("[recording]", f"[recording]\nenabled = {str(recorded).lower()}"))
        with station(config) as running:
            line = running.says("board_junk: what came before it is kept in")
            assert running.end() == 0
    [file] = (tmp_path / "recordings" / "flight").iterdir()
    assert line.endswith(str(file))
    assert len(list((tmp_path / "recordings").glob("*.cablerec"))) == recorded
    assert any('"name":"board_junk"' in each for each in replayed(file))

"""What the program says: the same lines for a person and for a log."""

from __future__ import annotations

import io
import json
import time

import pytest

from controller.voice import Said, Voice, without_secrets


def said(form: str, line: str, *, stations: tuple[str, ...] = ()) -> str:
    stream = io.StringIO()
    Voice(form, stations=stations, stream=stream)(line)  # type: ignore[arg-type]
    return stream.getvalue()


def test_a_person_reads_the_text() -> None:
    assert said("text", Said("row: a board", level="error")) == "cable-station: row: a board\n"


def test_a_log_gets_one_object_a_line_with_its_time_level_and_station() -> None:
    before = time.time_ns() // 1_000_000
    line = json.loads(said("json", Said("a\nb", level="warning", station="row")))
    assert before <= line.pop("ts") <= time.time_ns() // 1_000_000
    assert line == {"level": "warning", "station": "row", "what": "a b"}


@pytest.mark.parametrize(("text", "station"), [("row: it is", "row"), ("rows: it is", None), ("broker mqtt://x", None)])
def test_a_station_is_known_by_the_beginning_of_the_text(text: str, station: str | None) -> None:
    line = json.loads(said("json", text, stations=("row",)))
    assert (line["station"], line["level"]) == (station, "info")


@pytest.mark.parametrize(
    "text",
    [
        "broker mqtts://gym:hunter2@host:8883: lost",
        "broker mqtt://hunter2@host: lost",
        "to watch: mosquitto_sub -h 127.0.0.1 -u dashboard -P hunter2 -t 'a/#' -v",
        "to watch: mosquitto_sub --pw 'hunter2 and more' -v",
        "open http://127.0.0.1:8080/?token=hunter2 for it",
    ],
)
def test_no_secret_reaches_the_log(text: str) -> None:
    assert "hunter2" not in said("json", text)
    assert len(without_secrets(text)) > len("hunter2")

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from controller import outbox_store
from controller.outbox_file import STEPS, OutboxError
from controller.outbox_store import SETTLED_KEPT, Contents, Store, Waiting
from tests.delivery.disturbances import locking
from tests.delivery.tiny_disk import fill, tiny_disk

WITHIN = 20.0  # s; far more than anything here needs
AT_ONCE = 0.05  # s; a tenth of what a person notices, and far less than a lock or a full disk lasts here


def event(number: int, *, session: str = "s", size: int = 10) -> Waiting:
    return Waiting(
        station="one", session=session, seq=number, id=f"{session}-{number}", topic="one/event/rep",
        payload=b"x" * size, made_at=time.monotonic(),
    )  # fmt: skip


class Told:
    """A store, and what it has told."""

    def __init__(self, path: Path) -> None:
        self.contents: Contents | OutboxError | None = None
        self.troubles: list[str | None] = []
        self.said: list[str] = []
        self._loaded = threading.Event()
        self.store = Store(path, loaded=self._load, trouble=self.troubles.append, say=self.said.append)

    def _load(self, contents: Contents | OutboxError) -> None:
        self.contents = contents
        self._loaded.set()

    def loaded(self) -> Contents:
        assert self._loaded.wait(WITHIN)
        assert isinstance(self.contents, Contents)
        return self.contents

    def refused(self) -> str:
        assert self._loaded.wait(WITHIN)
        assert isinstance(self.contents, OutboxError)
        return str(self.contents)

    def settle(self, each: Waiting, refused: str | None = None) -> None:
        self.store.settle(each, refused=refused, now=time.monotonic())


@contextmanager
def stored(path: Path) -> Iterator[Told]:
    told = Told(path)
    try:
        yield told
    finally:
        told.store.close(within=WITHIN)


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def rows(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def test_what_waits_is_there_again_in_its_order_and_what_was_settled_is_known(tmp_path: Path) -> None:
    path = tmp_path / "below" / "outbox.db"
    with stored(path) as told:
        assert told.loaded() == Contents()
        for number in range(1, 101):
            told.store.keep(event(number))
        for number in range(1, 41):
            told.settle(event(number))
    with stored(path) as told:
        found = told.loaded()
        assert [each.seq for each in found.waiting] == list(range(41, 101))
        assert found.waiting[0].payload == b"x" * 10
        assert abs(found.waiting[0].made_at - time.monotonic()) < WITHIN
        assert found.last == {"one": 100}
        assert all(found.known["one", "s"].has(event(number)) for number in range(1, 101))
        assert not found.known["one", "s"].has(event(101))


def test_every_event_of_a_long_session_is_known_though_few_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with stored(path) as told:
        for number in range(1, 6001):
            told.settle(event(number))
            if number % 1000 == 0:
                until(lambda: not told.store._settled)
    assert rows(path, "SELECT count(*) FROM settled")[0][0] <= 2 * SETTLED_KEPT + 1000  # type: ignore[operator]
    with stored(path) as told:
        known = told.loaded().known["one", "s"]
        assert all(known.has(event(number)) for number in (1, 2, 3000, 6000))
        assert not known.has(event(6001))


def test_an_id_is_never_stored_twice(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with stored(path) as told:
        told.store.keep(event(1))
        until(lambda: told.store.unsaved == 0)
        told.store.keep(event(1))
    assert rows(path, "SELECT id FROM event") == [("s-1",)]


def test_a_dead_letter_keeps_its_reason_topic_time_and_payload(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with stored(path) as told:
        told.store.keep(event(1))
        told.settle(event(1), "Not authorized")
    ((topic, reason, refused, payload),) = rows(path, "SELECT topic, reason, refused_ms, payload FROM dead_letter")
    assert (topic, reason, payload) == ("one/event/rep", "Not authorized", b"x" * 10)
    assert isinstance(refused, int)
    assert abs(refused / 1000.0 - time.time()) < WITHIN
    with stored(path) as told:
        assert told.loaded().dead_letters == 1
        assert told.loaded().waiting == []


def test_a_file_that_another_process_has_locked_delays_nobody_and_is_written_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with stored(path) as told:
        told.loaded()
        told.store.keep(event(0))
        until(lambda: told.store.unsaved == 0)
        with locking(path):
            began = time.monotonic()
            for number in range(1, 1001):
                told.store.keep(event(number))
            assert time.monotonic() - began < AT_ONCE
            until(lambda: bool(told.troubles))
            assert told.store.unsaved == 1000
        until(lambda: told.troubles[-1] is None)
        until(lambda: told.store.unsaved == 0)
    (trouble, over) = told.troubles
    assert trouble is not None
    assert "outbox.db: it is locked by another process; events wait in memory only" in trouble
    assert over is None
    with stored(path) as told:
        assert [each.seq for each in told.loaded().waiting] == list(range(1001))


def test_on_a_full_disk_events_stay_in_memory_and_are_written_when_there_is_room(tmp_path: Path) -> None:
    with tiny_disk(tmp_path / "disk") as disk:
        path = disk / "outbox.db"
        with stored(path) as told:
            told.loaded()
            ballast = fill(disk)
            for number in range(500):
                told.store.keep(event(number, size=1000))
            until(lambda: bool(told.troubles))
            assert told.store.unsaved == 500
            ballast.unlink()
            until(lambda: told.store.unsaved == 0)
            until(lambda: told.troubles[-1] is None)
            assert len(told.troubles) == 2
            assert "the disk is full" in str(told.troubles[0])
        with stored(path) as told:
            assert [each.seq for each in told.loaded().waiting] == list(range(500))


def test_what_cannot_be_written_is_said_and_keeps_nothing_else_out_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    odd = replace(event(2), topic="one/\ud800")  # no text that UTF-8 could hold
    with stored(path) as told:
        told.loaded()
        for each in (event(1), odd, event(3)):
            told.store.keep(each)
        until(lambda: len(rows(path, "SELECT id FROM event")) == 2)
        assert rows(path, "SELECT id FROM event ORDER BY n") == [("s-1",), ("s-3",)]
        assert told.store.unsaved == 1
        until(lambda: len(told.troubles) == 1)
        assert "s-2" in str(told.troubles[0])
        assert "UnicodeEncodeError" in str(told.troubles[0])
        told.store.keep(event(4))
        until(lambda: len(rows(path, "SELECT id FROM event")) == 3)
        assert len(told.troubles) == 1  # not over as long as something is not in the file
        told.settle(odd)
        told.store.keep(event(5))
        until(lambda: told.troubles[1:] == [None])
        assert told.store.unsaved == 0


def test_a_dead_letter_that_cannot_be_written_is_said_and_keeps_nothing_else_out(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    with stored(path) as told:
        told.loaded()
        told.store.keep(event(1))
        told.store.keep(event(2))
        until(lambda: told.store.unsaved == 0)
        told.settle(event(1), refused="\ud800")
        told.settle(event(2), refused="no")
        until(lambda: len(rows(path, "SELECT id FROM dead_letter")) == 1)
        until(lambda: len(told.said) == 1)
        assert "s-1" in told.said[0]
        until(lambda: not rows(path, "SELECT id FROM event"))


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("nobody thought of it")])
def test_an_error_that_nobody_thought_of_does_not_end_the_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    path = tmp_path / "o.db"
    insert = outbox_store._insert
    errors = [error, error]

    def failing(connection: sqlite3.Connection, events: Iterable[Waiting]) -> None:
        if errors:
            raise errors.pop()
        insert(connection, events)

    with stored(path) as told:
        told.loaded()
        monkeypatch.setattr(outbox_store, "_insert", failing)
        told.store.keep(event(1))
        told.store.keep(event(2))
        until(lambda: told.store.unsaved == 0)
        until(lambda: len(told.troubles) == 2)
        assert type(error).__name__ in str(told.troubles[0])
        assert told.troubles[1] is None
    assert rows(path, "SELECT id FROM event ORDER BY n") == [("s-1",), ("s-2",)]


def test_a_file_with_nonsense_in_it_is_trouble_and_no_end(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    with stored(path) as told:
        told.loaded()
        told.store.keep(event(1))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE event SET made_ms = 'noon'")
    with stored(path) as told:
        until(lambda: len(told.troubles) == 1)
        assert "TypeError" in str(told.troubles[0])
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("UPDATE event SET made_ms = 0")
        assert [each.id for each in told.loaded().waiting] == ["s-1"]


def test_a_folder_that_may_not_be_made_is_trouble_and_no_end(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with stored(tmp_path / "file" / "outbox.db") as told:
        told.store.keep(event(1))
        until(lambda: bool(told.troubles))
        (tmp_path / "file").unlink()
        until(lambda: told.troubles[-1] is None)
        assert told.store.unsaved == 0


@pytest.mark.parametrize("how", ["junk", "torn"])
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path: Path, how: str) -> None:
    path = tmp_path / "outbox.db"
    with stored(path) as told:
        for number in range(200):
            told.store.keep(event(number, size=1000))
    whole = path.read_bytes()
    path.write_bytes(b"no database" * 500 if how == "junk" else whole[: len(whole) // 2])
    damaged = path.read_bytes()
    with stored(path) as told:
        assert told.loaded().waiting == []
        told.store.keep(event(7))
        until(lambda: told.store.unsaved == 0)
    (line,) = told.said
    assert "outbox.db: is damaged" in line
    (aside,) = tmp_path.glob("outbox.db.damaged-*")
    assert aside.name in line
    assert aside.read_bytes() == damaged
    with stored(path) as told:
        assert [each.seq for each in told.loaded().waiting] == [7]


def test_what_the_memory_holds_is_in_the_file_that_follows_one_damaged_in_use(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with stored(path) as told:
        told.loaded()
        for number in range(50):
            told.store.keep(event(number, size=1000))
        until(lambda: told.store.unsaved == 0)
        with closing(sqlite3.connect(path)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with path.open("r+b") as file:
            file.write(b"\xff" * path.stat().st_size)
        told.store.keep(event(50))
        until(lambda: bool(told.said))
        until(lambda: told.store.unsaved == 0)
    with stored(path) as told:
        assert [each.seq for each in told.loaded().waiting] == list(range(51))


@pytest.mark.parametrize("version", [0, 1])
def test_a_file_of_an_earlier_version_is_taken_on_with_what_is_in_it(tmp_path: Path, version: int) -> None:
    path = tmp_path / "outbox.db"
    with closing(sqlite3.connect(path)) as connection:
        for step in STEPS[:version]:
            connection.executescript(step)
        connection.execute(f"PRAGMA user_version = {version}")
        if version:
            connection.execute(
                "INSERT INTO event (id, station, session, seq, topic, made_ms, payload)"
                " VALUES ('s-7', 'one', 's', 7, 't', 1, x'7b7d')"
            )
        connection.commit()
    with stored(path) as told:
        assert [each.id for each in told.loaded().waiting] == (["s-7"] if version else [])
        told.settle(event(8), "no")
        until(lambda: not told.store._settled)
    assert rows(path, "PRAGMA user_version") == [(len(STEPS),)]
    assert rows(path, "SELECT id FROM dead_letter") == [("s-8",)]


@pytest.mark.parametrize(
    ("made_h_ago", "counted_h"),
    [
        ([0.75, 0.5, 0.0], [0.75, 0.5, 0.0]),
        ([2000.0, 1999.5, 1999.0], [2.0, 1.5, 1.0]),  # the clock jumped ahead since, or nothing ran
        ([5000.0, 4999.5, 0.5, 0.25], [2.0, 1.5, 0.5, 0.25]),  # it jumped between two of them
        ([-3.0, 0.5, 0.25], [0.5, 0.5, 0.25]),  # it was set back
        ([400_000.0, 0.25], [1.25, 0.25]),  # it stood in the seventies at first
    ],
)
def test_a_jump_of_the_clock_makes_no_event_much_older(
    tmp_path: Path, made_h_ago: list[float], counted_h: list[float]
) -> None:
    path = tmp_path / "outbox.db"
    with stored(path) as told:
        told.loaded()
        for number in range(len(made_h_ago)):
            told.store.keep(event(number))
        until(lambda: told.store.unsaved == 0)
    with closing(sqlite3.connect(path)) as connection:
        for number, hours in enumerate(made_h_ago):
            made = round(1000.0 * (time.time() - 3600.0 * hours))
            connection.execute("UPDATE event SET made_ms = ? WHERE seq = ?", (made, number))
        connection.commit()
    with stored(path) as told:
        ages = [(time.monotonic() - each.made_at) / 3600.0 for each in told.loaded().waiting]
    assert ages == pytest.approx(counted_h, abs=WITHIN / 3600.0)


def test_a_dead_letter_keeps_the_time_at_which_it_was_made_over_a_jump_of_the_clock(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with stored(path) as told:
        told.store.keep(event(1))
        until(lambda: told.store.unsaved == 0)
    [(made,)] = rows(path, "SELECT made_ms - 864000000 FROM event")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE event SET made_ms = ?", (made,))
    with stored(path) as told:
        [waiting] = told.loaded().waiting
        told.settle(waiting, "Not authorized")
    assert rows(path, "SELECT made_ms FROM dead_letter") == [(made,)]


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with stored(path) as told:
        assert "made by a later version" in told.refused()
    assert path.read_bytes() == before


def test_the_second_on_one_file_is_told_and_keeps_off(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with stored(path) as first:
        first.loaded()
        with stored(path) as second:
            assert "another controller uses this outbox" in second.refused()
    with stored(path) as third:
        third.loaded()


def test_nobody_but_its_user_and_group_may_read_what_waits(tmp_path: Path) -> None:
    with stored(tmp_path / "o.db") as told:
        told.loaded()
        told.store.keep(event(1))
        until(lambda: told.store.unsaved == 0)
        files = list(tmp_path.glob("o.db*"))
        assert {file.name for file in files} == {"o.db", "o.db-wal", "o.db-shm", "o.db.lock"}
        assert [oct(file.stat().st_mode & 0o027) for file in files] == ["0o0"] * 4

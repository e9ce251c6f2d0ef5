"""Answers come line by line from a pipe, whatever its pieces, and their end is an answer too."""

from __future__ import annotations

import io
import os

from rich.console import Console

from controller.conversation import Conversation


async def test_lines_are_answers_however_they_are_cut_and_their_end_is_none() -> None:
    source, ours = os.pipe()
    out = io.StringIO()
    talk = Conversation(Console(file=out, width=40), source=source)
    os.write(ours, b"1")
    os.write(ours, "0\r\n\nzw\u00f6lf\nla".encode())
    os.close(ours)
    answers = [await talk.ask("how many?") for _ in range(6)]
    assert answers == ["10", "", "zw\u00f6lf", "la", None, None]
    assert out.getvalue() == "how many? \n" * 6
    os.close(source)


async def test_where_nobody_watches_a_wait_says_each_new_thing_once() -> None:
    out = io.StringIO()
    talk = Conversation(Console(file=out, width=40))
    with talk.waiting() as tell:
        for text in ("still swinging", "still swinging", "[steady]"):
            tell(text, 0.5)
    assert out.getvalue() == "  still swinging\n  [steady]\n"

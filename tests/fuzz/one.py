"""One decoder in a process of its own: `python -m tests.fuzz.one NAME SECONDS FOLDER`; FOLDER takes what breaks it.

With atheris the bytes are led by what they reach. Without it they are good inputs, changed at random with a seed.
"""

from __future__ import annotations

import random
import resource
import sys
import time
from pathlib import Path
from typing import Final

MOST_MB: Final = 512  # resident
SLOW_S: Final = 10  # s; an input that takes longer is a hang
LONGEST: Final = 4096  # bytes of one input


def changed(data: bytes, rng: random.Random) -> bytes:
    """An input with a few bytes turned, cut out, repeated or put in."""
    out = bytearray(data)
    for _ in range(rng.randint(0, 6)):
        at = rng.randint(0, len(out))
        to = min(at + rng.randint(1, 16), len(out))
        kind = rng.randrange(4)
        if kind == 0 and at < len(out):
            out[at] = rng.choice((0, 0xFF, 0x0A, 0x7F, out[at] ^ 1 << rng.randrange(8)))
        elif kind == 1:
            del out[at:to]
        elif kind == 2:
            out[at:at] = out[at:to] * rng.randint(1, 8)
        else:
            out[at:at] = rng.randbytes(rng.randint(1, 16))
    return bytes(out[:LONGEST])


def at_random(name: str, seconds: float, folder: Path, *, seed: int = 1) -> int:
    """Without atheris; returns how many inputs were tried. What breaks the decoder is written down and raised."""
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - atheris has to see this import

    target, rng, tried = TARGETS[name], random.Random(seed), 0
    pool = list(target.seeds)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        data = changed(rng.choice(pool), rng)
        begun = time.monotonic()
        try:
            target.take(data)
            assert time.monotonic() - begun < SLOW_S, f"{time.monotonic() - begun:.0f} s for {len(data)} bytes"
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < MOST_MB * 1024, "memory is not bounded"
        except Exception:
            (folder / f"{name}-{seed}-{tried}").write_bytes(data)
            raise
        tried += 1
        if rng.random() < 0.01:  # changes upon changes get farther
            pool[len(target.seeds) :] = [*pool[len(target.seeds) :], data][-50:]
    return tried


def with_atheris(name: str, seconds: float, folder: Path) -> None:
    """Led by coverage; never returns. Raises ImportError where atheris is not installed."""
    import atheris  # noqa: PLC0415 - a group of its own

    with atheris.instrument_imports(include=["protocols", "firmware_bridge", "tests.fuzz.targets"]):
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - as it is imported it is instrumented
    good = folder / "good" / name
    good.mkdir(parents=True, exist_ok=True)
    for k, seed in enumerate(TARGETS[name].seeds):
        (good / f"seed-{k}").write_bytes(seed)
    options = (
        f"-max_total_time={max(round(seconds), 1)}", f"-rss_limit_mb={MOST_MB}", f"-timeout={SLOW_S}",
        f"-max_len={LONGEST}", f"-artifact_prefix={folder}/{name}-", "-seed=1", "-verbosity=1",
        "-print_final_stats=1", str(good),
    )  # fmt: skip
    atheris.Setup([sys.argv[0], *options], TARGETS[name].take)
    atheris.Fuzz()


def main() -> None:
    """Fuzz one; prints how many inputs were tried."""
    name, seconds, folder = sys.argv[1], float(sys.argv[2]), Path(sys.argv[3])
    try:
        with_atheris(name, seconds, folder)
    except ImportError:
        sys.stderr.write(f"number_of_executed_units: {at_random(name, seconds, folder)}\nwithout atheris\n")


if __name__ == "__main__":
    main()

"""Who gets in at a broker with TLS and accounts, and what an outsider sees of it: real mosquitto, real processes."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from controller.broker import external, find_mosquitto
from controller.broker_checks import connection_check
from controller.config import BrokerConfig
from controller.mqtt_connection import BrokerLost, Connection, connection
from tests.security.certificates import Authority, Pair, openssl
from tests.security.theirs import theirs
from tests.stations.processes import Program, program

pytestmark = [
    pytest.mark.broker,
    pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed"),
    pytest.mark.skipif(openssl() is None, reason="openssl is not installed"),
]
SECRET = "k1tten-Wheel-0cto"
ACCOUNTS = {"gym": SECRET}
VERSIONS = pytest.mark.parametrize("v5", [True, False], ids=["mqtt5", "mqtt311"])


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def tls(authority: Authority, own: Pair, *, asks: bool = False) -> str:
    """mosquitto's settings; asks: it wants a certificate of its clients."""
    lines = [f"certfile {own.cert}", f"keyfile {own.key}"]
    return "\n".join([*lines, *([f"cafile {authority.cert}", "require_certificate true"] if asks else [])])


async def attempt(config: BrokerConfig, *, v5: bool = True) -> Connection:
    async with connection(external(config), identifier="test", v5=v5) as link:
        assert await link.publish("cable/v1/test/one/health", b"x", within=10.0) is None
        return link


async def refusal(config: BrokerConfig, *, v5: bool = True) -> BrokerLost:
    with pytest.raises(BrokerLost) as raised:
        await attempt(config, v5=v5)
    assert SECRET not in f"{raised.value}{raised.value.advice}"
    return raised.value


@VERSIONS
async def test_host_name_authority_and_password_right_lets_in(authority: Authority, tmp_path: Path, v5: bool) -> None:  # noqa: FBT001
    own = authority.signs("broker", hosts=("localhost",))
    secret = tmp_path / "secret"
    secret.touch(0o600)
    secret.write_text(SECRET)
    async with theirs(tmp_path, tls(authority, own), accounts=ACCOUNTS) as port:
        config = BrokerConfig(
            url=f"mqtts://localhost:{port}", ca=str(authority.cert), user="gym", password_file=str(secret)
        )
        assert (await attempt(config, v5=v5)).v5 == v5
        check = await connection_check(config)
        assert (check.severity, check.text) == ("info", f"mqtts://localhost:{port}, MQTT 5")


@VERSIONS
@pytest.mark.parametrize("password", ["", "guessed", SECRET.lower(), f"{SECRET} "])
async def test_a_wrong_password_or_none_is_refused(tmp_path: Path, v5: bool, password: str) -> None:  # noqa: FBT001
    async with theirs(tmp_path, "", accounts=ACCOUNTS) as port:
        for account in (f"gym:{password}@".replace(" ", "%20"), ""):
            refused = await refusal(BrokerConfig(url=f"mqtt://{account}127.0.0.1:{port}"), v5=v5)
            assert refused.answered


@VERSIONS
async def test_a_certificate_for_another_host_is_refused(authority: Authority, tmp_path: Path, v5: bool) -> None:  # noqa: FBT001
    own = authority.signs("broker", hosts=("broker.example", "127.0.0.2"))
    async with theirs(tmp_path, tls(authority, own)) as port:
        for host in ("localhost", "127.0.0.1"):
            refused = await refusal(BrokerConfig(url=f"mqtts://{host}:{port}", ca=str(authority.cert)), v5=v5)
            assert "its certificate is not accepted: " in str(refused)
            assert "mismatch" in str(refused)
            assert refused.advice is not None
            assert not refused.answered


@VERSIONS
async def test_an_expired_certificate_is_refused(authority: Authority, tmp_path: Path, v5: bool) -> None:  # noqa: FBT001
    own = authority.signs("broker", hosts=("localhost",), days=(-30, -1))
    async with theirs(tmp_path, tls(authority, own)) as port:
        refused = await refusal(BrokerConfig(url=f"mqtts://localhost:{port}", ca=str(authority.cert)), v5=v5)
        assert str(refused) == "its certificate is not accepted: certificate has expired"


async def test_a_certificate_that_somebody_else_signed_is_refused(authority: Authority, tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "stranger", "stranger")
    own = stranger.signs("broker", hosts=("localhost",))
    async with theirs(tmp_path, tls(stranger, own)) as port:
        for ca in (str(authority.cert), None):
            refused = await refusal(BrokerConfig(url=f"mqtts://localhost:{port}", ca=ca))
            assert "unable to get local issuer certificate" in str(refused)


async def test_a_port_without_tls_is_said(authority: Authority, tmp_path: Path) -> None:
    async with theirs(tmp_path, "") as port:
        refused = await refusal(BrokerConfig(url=f"mqtts://localhost:{port}", ca=str(authority.cert)))
        assert "no connection with TLS" in str(refused)


@VERSIONS
async def test_a_broker_that_asks_for_a_certificate_gets_ours(authority: Authority, tmp_path: Path, v5: bool) -> None:  # noqa: FBT001
    own, ours = authority.signs("broker", hosts=("localhost",)), authority.signs("gym")
    strangers = Authority(tmp_path / "stranger", "stranger").signs("gym")
    expired = authority.signs("old", days=(-30, -1))
    async with theirs(tmp_path, tls(authority, own, asks=True)) as port:

        def config(pair: Pair | None) -> BrokerConfig:
            cert, key = (str(pair.cert), str(pair.key)) if pair is not None else (None, None)
            return BrokerConfig(url=f"mqtts://localhost:{port}", ca=str(authority.cert), cert=cert, key=key)

        await attempt(config(ours), v5=v5)
        for pair in (None, strangers, expired):
            await refusal(config(pair), v5=v5)


async def test_a_renewed_certificate_is_taken_at_the_next_connection(authority: Authority, tmp_path: Path) -> None:
    own, ours = authority.signs("broker", hosts=("localhost",)), authority.signs("gym", days=(-30, -1))
    renewed = authority.signs("renewed")
    async with theirs(tmp_path, tls(authority, own, asks=True)) as port:
        broker = external(
            BrokerConfig(
                url=f"mqtts://localhost:{port}", ca=str(authority.cert), cert=str(ours.cert), key=str(ours.key)
            )
        )
        with pytest.raises(BrokerLost):
            async with connection(broker, identifier="test", v5=True):
                pytest.fail("let in")
        ours.cert.write_bytes(renewed.cert.read_bytes())
        ours.key.write_bytes(renewed.key.read_bytes())
        async with connection(broker, identifier="test", v5=True):
            pass


def everything_seen(running: Program) -> str:
    """What any user of the machine, and whoever reads its logs, sees of all processes."""
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    return "\n".join([*running.out, *running.err, *(line.decode(errors="replace") for line in lines)])


def written(path: Path, port: int, account: str) -> Path:
    """A configuration whose account is in the URL, or else in the environment."""
    lines = "" if account else "user = 'gym'\npassword_env = 'GYM_PASSWORD'\n"
    path.write_text(
        f'site = "test"\n[broker]\nurl = "mqtt://{account}127.0.0.1:{port}"\n{lines}'
        f'[display]\nenabled = false\n[recording]\nfolder = "{path.parent}/recordings"\n'
        '[[station]]\nid = "one"\n[[station.board]]\nid = "board"\nurl = "tcp://127.0.0.1:9"\n'
    )
    return path


@pytest.mark.parametrize("account", ["", f"gym:{SECRET}@"], ids=["environment", "url"])
async def test_a_password_is_in_no_log_no_process_list_and_no_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, account: str
) -> None:
    monkeypatch.setenv("GYM_PASSWORD", SECRET)
    async with theirs(tmp_path, "", accounts=ACCOUNTS) as port:
        config = written(tmp_path / "gym.toml", port, account)
        with program("-m", "controller.cli", "run", str(config), "--events") as running:
            await asyncio.to_thread(running.says, "connected")
            seen = everything_seen(running)
            assert str(running.process.pid) in os.listdir("/proc")  # noqa: PTH208
            running.end(signal.SIGINT)
        with program("-m", "controller.cli", "doctor", str(config), "--seconds", "1") as doctor:
            await asyncio.to_thread(doctor.process.wait, 60)
            seen += "\n".join(doctor.out + doctor.err)
    config.write_text(config.read_text().replace(SECRET, "wrong").replace(f":{port}", ":9"))
    with program("-m", "controller.cli", "run", str(config)) as running:
        await asyncio.to_thread(running.says, "cannot be reached")
        seen += everything_seen(running)
    assert SECRET not in seen
    assert str(config) in seen  # so the list of processes was there, with the gateway in it
    recordings = list((tmp_path / "recordings").rglob("*.cablerec"))
    assert recordings
    assert not any(SECRET.encode() in path.read_bytes() for path in recordings)


async def test_a_check_of_the_configuration_ends_with_what_is_wrong(authority: Authority, tmp_path: Path) -> None:
    config = written(tmp_path / "gym.toml", 9, "")
    expired = authority.signs("gym", days=(-30, -1))
    text = (
        config.read_text()
        .replace("mqtt:", "mqtts:")
        .replace("[display]", "cert = 'own.crt'\nkey = 'own.key'\n[display]")
    )
    config.write_text(text.replace("password_env = 'GYM_PASSWORD'", ""))

    async def check(*options: str) -> tuple[int, str]:
        with program("-m", "controller.cli", "run", str(config), *options) as running:
            code = await asyncio.to_thread(running.process.wait, 60)
            running.end()
            return code, "\n".join(running.err)

    code, said = await check("--check")
    assert (code, said) == (2, f"cable-station: {config}: broker.cert: {tmp_path}/own.crt: No such file or directory")
    assert await check() == (code, said)
    (tmp_path / "own.crt").write_bytes(expired.cert.read_bytes())
    (tmp_path / "own.key").write_bytes(expired.key.read_bytes())
    (tmp_path / "own.key").chmod(0o600)
    code, said = await check("--check")
    assert (code, "own.crt: expired on" in said) == (2, True)
    good = authority.signs("good")
    (tmp_path / "own.crt").write_bytes(good.cert.read_bytes())
    (tmp_path / "own.key").write_bytes(good.key.read_bytes())
    code, said = await check("--check")
    assert (code, said) == (0, f"cable-station: {config}: right; 1 station")

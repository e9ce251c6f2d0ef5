"""What a broker is reached with: read from where it belongs, refused where others could read it, shown nowhere."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.broker import external
from controller.broker_access import Account, account
from controller.broker_checks import access_checks, certificates, dates
from controller.config import BrokerConfig, ConfigError, load, parse
from tests.security.certificates import Authority, openssl, run

SOON = timedelta(minutes=1)  # from the making of an authority; its own certificate is good then
SECRET = "tr0ub4dor&3"
STATION = '[[station]]\nid = "row"\n[[station.board]]\nid = "a"\nurl = "serial:///dev/ttyUSB0"\n'
needs_openssl = pytest.mark.skipif(openssl() is None, reason="openssl is not installed")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def password_file(folder: Path, text: str = f"{SECRET}\n", *, mode: int = 0o600) -> str:
    path = folder / "broker.password"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def config(**fields: object) -> BrokerConfig:
    return BrokerConfig(**{"url": "mqtts://broker.example", **fields})  # type: ignore[arg-type]


def errors(broker: BrokerConfig, now: datetime | None = None) -> list[str]:
    checks = access_checks(broker, now=now or datetime.now(UTC) + SOON)
    return [each.text for each in checks if each.severity == "error"]


class TestPasswords:
    def test_one_is_read_from_a_file_or_the_environment(self, tmp_path: Path) -> None:
        expected = Account("gym", SECRET)
        assert account(config(user="gym", password_file=password_file(tmp_path))) == expected
        assert account(config(user="gym", password_env="PASSWORD"), {"PASSWORD": SECRET}) == expected
        assert account(config(user="gym")) == Account("gym", "")
        assert account(config()) is None

    @pytest.mark.parametrize("mode", [0o604, 0o640, 0o602, 0o620, 0o644, 0o666])
    def test_a_file_that_others_may_read_is_refused(self, tmp_path: Path, mode: int) -> None:
        path = password_file(tmp_path, mode=mode)
        owned_by_root = Path(path).stat().st_uid == 0
        broker = config(user="gym", password_file=path)
        if mode == 0o640 and owned_by_root:
            assert account(broker) == Account("gym", SECRET)
            return
        with pytest.raises(ConfigError, match=rf"^broker\.password_file: {path}: others may .*; chmod 600 {path}$"):
            account(broker)

    @pytest.mark.parametrize("text", ["", "\n", "two\nlines\n", "a\0b"])
    def test_a_file_with_anything_but_one_line_is_refused_without_being_shown(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(ConfigError, match=r"it must hold the password, alone on its first line$"):
            account(config(user="gym", password_file=password_file(tmp_path, text)))

    def test_what_is_not_there_is_said_with_its_name(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"^broker\.password_file: .*/none: No such file or directory$"):
            account(config(user="gym", password_file=str(tmp_path / "none")))
        with pytest.raises(ConfigError, match=r"^broker\.password_env: PASSWORD is not set in the environment$"):
            account(config(user="gym", password_env="PASSWORD"), {})

    def test_one_in_the_url_is_taken_with_a_warning_and_never_shown(self) -> None:
        text = f'{STATION}[broker]\nurl = "mqtts://gym:{SECRET}@broker.example"\n'
        gym = parse(text, name="gym.toml")
        assert account(gym.broker) == Account("gym", SECRET)
        assert SECRET not in repr(gym)
        assert "mqtts://broker.example" in repr(gym)
        assert SECRET not in repr(external(gym.broker))
        (warning,) = access_checks(gym.broker, now=datetime.now(UTC))
        assert (warning.severity, "password_file" in warning.text, SECRET in warning.text) == ("warning", True, False)

    @given(st.text(alphabet="ab:/@%?#[]", max_size=12), st.sampled_from(["mqtt", "mqtts", "mqqt", ""]))
    def test_whatever_stands_before_the_host_is_not_shown(self, junk: str, scheme: str) -> None:
        broker = config(url=f"{scheme}://{SECRET}{junk}:{SECRET}@host")
        assert SECRET not in repr(broker)
        try:
            parse(f"{STATION}[broker]\nurl = '''{broker.url}'''\n", name="gym.toml")
        except ConfigError as error:
            assert SECRET not in str(error)  # noqa: PT017 - most of them are right


def test_the_page_s_token_is_not_in_the_configuration_as_it_is_shown() -> None:
    gym = parse(f'{STATION}[display]\nhost = "0.0.0.0"\ntoken = "{SECRET}"\n', name="gym.toml")
    assert gym.display.token == SECRET
    assert SECRET not in repr(gym)


class TestConfiguration:
    @pytest.mark.parametrize(
        ("lines", "said"),
        [
            ('ca = "ca.crt"', "broker.ca: goes with the URL of a broker"),
            ('user = "gym"', "broker.user: goes with the URL of a broker"),
            ('url = "mqtt://127.0.0.1"\nca = "ca.crt"', "broker.ca: goes with a URL of the form mqtts://"),
            ('url = "mqtts://host"\ncert = "own.crt"', "broker.key: broker.cert and broker.key go together"),
            ('url = "mqtts://host"\nkey = "own.key"', "broker.cert: broker.cert and broker.key go together"),
            ('url = "mqtts://host"\npassword_env = "P"', "broker.password_env: broker.user is missing"),
            ('url = "mqtts://u@host"\nuser = "gym"', "broker.user: broker.url holds an account too"),
            ('url = "mqtts://u:p@host"\npassword_env = "P"', "broker.user: broker.url holds an account too"),
            (
                'url = "mqtts://host"\nuser = "gym"\npassword_env = "P"\npassword_file = "p"',
                "broker.password_env: broker.password_file is given too; take one",
            ),
            ('url = "mqtt://10.0.0.2"', "broker.url: mqtt:// shows passwords"),
            ('url = "mqtts://host"\npassword = "p"', "broker.password: unknown key 'password'; did you mean"),
            ('url = "mqtts://host"\nuser = ""', "broker.user: "),
        ],
    )
    def test_what_does_not_go_together_is_said(self, lines: str, said: str) -> None:
        with pytest.raises(ConfigError) as raised:
            parse(f"{STATION}[broker]\n{lines}\n", name="gym.toml")
        assert str(raised.value).startswith(f"gym.toml: {said}")

    @pytest.mark.parametrize("lines", ['url = "mqtt://10.0.0.2"\nplain = true', 'url = "mqtt://[::1]"'])
    def test_a_connection_in_the_clear_is_for_loopback_or_whoever_asks_for_it(self, lines: str) -> None:
        assert not parse(f"{STATION}[broker]\n{lines}\n", name="gym.toml").broker.tls

    def test_files_are_beside_the_configuration(self, tmp_path: Path) -> None:
        path = tmp_path / "gym.toml"
        path.write_text(f'{STATION}[broker]\nurl = "mqtts://host"\nca = "ca.crt"\ncert = "/etc/own.crt"\nkey = "a/b"\n')
        broker = load(path).broker
        assert (broker.ca, broker.cert, broker.key) == (f"{tmp_path}/ca.crt", "/etc/own.crt", f"{tmp_path}/a/b")


@needs_openssl
class TestCertificates:
    def test_right_ones_are_said_with_how_long_they_are_good(self, authority: Authority) -> None:
        own = authority.signs("gym", days=(-1, 300))
        broker = config(ca=str(authority.cert), cert=str(own.cert), key=str(own.key))
        checks = access_checks(broker, now=authority.made_at + SOON)
        assert [each.severity for each in checks] == ["info", "info"]
        assert checks[1].text == f"{own.cert}: good until {authority.made_at + timedelta(days=300):%Y-%m-%d}"

    def test_an_expired_one_is_an_error_and_one_that_ends_soon_a_warning(self, authority: Authority) -> None:
        own = authority.signs("gym", days=(-20, 10))
        broker = config(cert=str(own.cert), key=str(own.key))
        made_at = authority.made_at
        assert [each.severity for each in access_checks(broker, now=made_at)] == ["warning"]
        assert errors(broker, made_at + timedelta(days=11)) == [
            f"broker.cert: {own.cert}: expired on {made_at + timedelta(days=10):%Y-%m-%d}; renew it"
        ]
        (said,) = errors(broker, made_at - timedelta(days=21))
        assert "not good before" in said

    def test_a_key_that_is_another_s_is_an_error(self, authority: Authority) -> None:
        own, other = authority.signs("gym"), authority.signs("other")
        assert errors(config(cert=str(own.cert), key=str(other.key))) == [
            f"broker.key: {other.key} is not the key of {own.cert}"
        ]

    def test_a_key_that_others_may_read_is_an_error(self, authority: Authority) -> None:
        own = authority.signs("gym")
        own.key.chmod(0o644)
        (said,) = errors(config(cert=str(own.cert), key=str(own.key)))
        assert "others may read or change it" in said

    def test_an_encrypted_key_is_an_error_and_nobody_is_asked_for_its_password(self, authority: Authority) -> None:
        own = authority.signs("gym")
        locked = authority.folder / "locked.key"
        run("pkey", "-in", own.key, "-aes256", "-passout", "pass:x", "-out", locked)
        (said,) = errors(config(cert=str(own.cert), key=str(locked)))
        assert "it is encrypted" in said

    @pytest.mark.parametrize("name", ["ca", "cert", "key"])
    def test_a_file_that_is_absent_or_something_else_is_an_error_that_names_it(
        self, authority: Authority, tmp_path: Path, name: str
    ) -> None:
        own = authority.signs("gym")
        files = {"ca": str(authority.cert), "cert": str(own.cert), "key": str(own.key)}
        (said,) = errors(config(**{**files, name: str(tmp_path / "none")}))
        assert said == f"broker.{name}: {tmp_path}/none: No such file or directory"
        junk = tmp_path / "junk"
        junk.write_text("no certificate\n")
        junk.chmod(0o600)
        (said,) = errors(config(**{**files, name: str(junk)}))
        assert str(junk) in said

    def test_dates_are_those_that_openssl_reads(self, authority: Authority) -> None:
        for days in ((-400, -5), (0, 1), (-1, 365 * 40)):  # from 2050 on the form is another
            own = authority.signs("gym", days=days)
            (der,) = certificates(own.cert.read_text())
            assert dates(der) == tuple(authority.made_at + timedelta(days=day) for day in days)

    @given(st.data())
    def test_a_damaged_certificate_is_dated_or_a_value_error(self, authority: Authority, data: st.DataObject) -> None:
        der = bytearray(ssl.PEM_cert_to_DER_cert(authority.cert.read_text()))
        at = data.draw(st.integers(0, min(120, len(der) - 1)))
        der[at] = data.draw(st.integers(0, 255))
        try:
            begin, end = dates(bytes(der[: data.draw(st.integers(0, len(der)))]))
        except ValueError:
            return
        assert begin.tzinfo is end.tzinfo is UTC

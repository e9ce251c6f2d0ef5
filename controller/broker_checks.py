"""Whether a configured broker can be reached: its files, how long they are good, and whether it lets us in."""

from __future__ import annotations

import secrets
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from controller.board_checks import Check
from controller.broker import external
from controller.broker_access import Tls, account
from controller.config import BrokerConfig, ConfigError
from controller.mqtt_connection import BrokerLost, connection

ACCESS: Final = "broker: access"  # a file or an account that cannot be used at all
SOON: Final = timedelta(days=30)  # before its end, a certificate is worth a word
UTC_TIME: Final = 0x17  # tag of ASN.1; the other one is GeneralizedTime
CONTEXT_0: Final = 0xA0  # tag of a certificate's version, which is left out in version 1


def access_checks(config: BrokerConfig, *, now: datetime) -> list[Check]:
    """What there is to say of a configured broker before it is reached: its files, and how long they are good."""
    if config.url in ("auto", "none"):
        return []
    checks: list[Check] = []
    if config.has_password_in_url:
        text = "broker.url holds a password, for all who may read the file; give broker.user and broker.password_file"
        checks.append(Check("broker: account", "warning", text))
    try:
        known = account(config)
        if config.tls:
            Tls(ca=config.ca, cert=config.cert, key=config.key).context()
    except ConfigError as error:
        return [*checks, Check(ACCESS, "error", str(error))]
    if known is not None and not config.has_password_in_url:
        checks.append(Check("broker: account", "info", known.user))
    for name, path in (("ca", config.ca), ("cert", config.cert)):
        if path is not None and config.tls:
            checks.append(_age(name, path, now))
    return checks


async def connection_check(config: BrokerConfig) -> Check:
    """Whether a configured broker lets us in now, once its files are right."""
    what, broker = "broker: connection", external(config)
    for v5 in (True, False):
        try:
            async with connection(broker, identifier=f"doctor-{secrets.token_hex(6)}", v5=v5):
                return Check(what, "info", f"{broker.url}, MQTT {'5' if v5 else '3.1.1'}")
        except BrokerLost as error:
            if not v5 or not error.answered:
                advice = error.advice or "see that it runs, and that the account is right"
                return Check(what, "error", f"{broker.url}: {error}; {advice}")
    raise AssertionError("unreachable")


def _age(name: str, path: str, now: datetime) -> Check:
    """Whether the certificate in a file is good now; of several authorities, the one that lasts longest."""
    what = f"broker: {name}"
    try:
        begin, end = max(dates(der) for der in certificates(Path(path).read_text(encoding="ascii", errors="replace")))
    except (OSError, ValueError):
        return Check(what, "error", f"broker.{name}: {path}: its dates cannot be read")
    if now < begin:
        return Check(what, "error", f"broker.{name}: {path}: not good before {begin:%Y-%m-%d}; is this clock right")
    if now > end:
        return Check(what, "error", f"broker.{name}: {path}: expired on {end:%Y-%m-%d}; renew it")
    soon = end - now < SOON
    return Check(what, "warning" if soon else "info", f"{path}: good until {end:%Y-%m-%d}{'; renew it' * soon}")


def certificates(text: str) -> list[bytes]:
    """The certificates of a PEM file, in DER form; a file of our own holds its chain after itself."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    found = [part.partition(end)[0] for part in text.split(begin)[1:]]
    return [ssl.PEM_cert_to_DER_cert(f"{begin}{each}{end}\n") for each in found]


def dates(der: bytes) -> tuple[datetime, datetime]:
    """From when to when a certificate is good (RFC 5280, 4.1.2.5). Raises ValueError for what is none."""
    _, certificate, _ = _element(der)
    _, rest, _ = _element(certificate)
    tag, _, after = _element(rest)
    if tag == CONTEXT_0:
        rest = after
    for _ in range(3):  # serial number, signature algorithm, issuer
        _, _, rest = _element(rest)
    _, validity, _ = _element(rest)
    tag, begin, rest = _element(validity)
    end_tag, end, _ = _element(rest)
    return _instant(tag, begin), _instant(end_tag, end)


def _element(der: bytes) -> tuple[int, bytes, bytes]:
    """The first element of DER: its tag, its content, and what comes after it."""
    if len(der) < 2:
        raise ValueError("it ends too soon")
    size, at = der[1], 2
    if size & 0x80:
        at += size & 0x7F
        size = int.from_bytes(der[2:at], "big")
    if len(der) < at + size:
        raise ValueError("it ends too soon")
    return der[0], der[at : at + size], der[at + size :]


def _instant(tag: int, text: bytes) -> datetime:
    form = "%y%m%d%H%M%SZ" if tag == UTC_TIME else "%Y%m%d%H%M%SZ"
    found = datetime.strptime(text.decode("ascii"), form).replace(tzinfo=UTC)
    # Two digits are 1950 to 2049 here, 1969 to 2068 for strptime.
    return found.replace(year=found.year - 100) if tag == UTC_TIME and found.year > 2049 else found

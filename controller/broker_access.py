"""What somebody else's broker is reached with: an account, whom to trust, and a certificate of our own.

Secrets are read from a file or the environment at the start and stand in no configuration, log line or error.
"""

from __future__ import annotations

import os
import ssl
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from controller.config import BrokerConfig, ConfigError


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the broker."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """The files of a connection with TLS. ca: whom to trust, None: whom this system trusts."""

    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    def context(self) -> ssl.SSLContext:
        """Made for each connection, so that a renewed certificate needs no restart. Raises ConfigError.

        The host name is checked, and TLS is 1.2 at least.
        """
        if self.ca is not None:
            _readable("ca", self.ca)
        try:
            made = ssl.create_default_context(cafile=self.ca)
        except ssl.SSLError:
            raise ConfigError(f"broker.ca: {self.ca}: there is no certificate in PEM form in it") from None
        if self.cert is not None and self.key is not None:
            _own(made, self.cert, self.key)
        return made


def account(config: BrokerConfig, environment: Mapping[str, str] = os.environ) -> Account | None:
    """The account at a configured broker, None where there is none. Raises ConfigError."""
    parts = urlsplit(config.url)
    if parts.username:
        return Account(unquote(parts.username), unquote(parts.password or ""))
    if config.user is None:
        return None
    if config.password_file is not None:
        return Account(config.user, _password(config.password_file))
    if config.password_env is not None:
        password = environment.get(config.password_env, "")
        if not password:
            raise ConfigError(f"broker.password_env: {config.password_env} is not set in the environment")
        return Account(config.user, password)
    return Account(config.user, "")


def _readable(name: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"broker.{name}: {path}: {error.strerror}") from None


def _secret(name: str, path: str) -> bytes:
    """A file that others may not read: its owner's alone or, where it is root's, one group's too."""
    data = _readable(name, path)
    found = Path(path).stat()
    forbidden = stat.S_IRWXO | (stat.S_IWGRP if found.st_uid == 0 else stat.S_IRWXG)
    if found.st_mode & forbidden:
        raise ConfigError(f"broker.{name}: {path}: others may read or change it; chmod 600 {path}")
    return data


def _password(path: str) -> str:
    try:
        text = _secret("password_file", path).decode()
    except UnicodeDecodeError:
        raise ConfigError(f"broker.password_file: {path}: not UTF-8") from None
    password = text.removesuffix("\n").removesuffix("\r")
    if not password or "\n" in password or "\0" in password:
        raise ConfigError(f"broker.password_file: {path}: it must hold the password, alone on its first line")
    return password


def _own(context: ssl.SSLContext, cert: str, key: str) -> None:
    """Give a context our own certificate."""
    _readable("cert", cert)
    if b"ENCRYPTED" in _secret("key", key):
        raise ConfigError(
            f"broker.key: {key}: it is encrypted; write it without: openssl pkey -in {key} -out plain.key"
        )
    try:
        context.load_cert_chain(cert, key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError(f"broker.key: {key} is not the key of {cert}") from None
        raise ConfigError(f"broker.cert: {cert} and {key} are no certificate and key in PEM form") from None

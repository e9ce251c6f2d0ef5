"""The files that a mosquitto of our own is started with: loopback only, an account for each role, nothing lost."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controller.adapters.home_assistant import discovery_topic
from protocols.topics import ROOT, StationTopics, commands, gateway_claim, gateway_status, gateway_statuses

PLACES: Final = ("mosquitto", "/usr/sbin/mosquitto")  # Debian's is not on a user's PATH
ROUNDS: Final = 101  # of PBKDF2, as mosquitto_passwd makes them; the passwords are random and long
LARGEST: Final = 262_144  # bytes of a message; the largest event has some 2 kB, a command 16
SALT_BYTES: Final = 12
GATEWAY_WRITES: Final = ("status", "info", "state", "telemetry", "health", "event/+", "cmd/+/result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Whose topics they are: the site, and the gateway with its stations.

    home_assistant: the prefix of Home Assistant's discovery, None where it is off; mapped: filters of what the
    mapping file makes the gateway publish.
    """

    site: str
    gateway: str
    stations: Sequence[str]
    home_assistant: str | None = None
    mapped: Sequence[str] = ()


def find_mosquitto() -> str | None:
    """The mosquitto of this machine, None where there is none."""
    return next((found for name in PLACES if (found := shutil.which(name)) is not None), None)


def hashed(password: str) -> str:
    """A password as mosquitto 2 keeps it: PBKDF2 with HMAC-SHA-512."""
    salt = secrets.token_bytes(SALT_BYTES)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ROUNDS)
    return f"$7${ROUNDS}${b64encode(salt).decode()}${b64encode(key).decode()}"


def access_rules(roles: Roles) -> str:
    """Who may do what: the gateway speaks for its own stations, a display reads, a dashboard may also command."""
    site = f"{ROOT}/{roles.site}"
    lines = [
        "user gateway",
        f"topic write {gateway_status(site=roles.site, gateway=roles.gateway)}",
        f"topic readwrite {gateway_claim(site=roles.site, gateway=roles.gateway)}",
        f"topic read {gateway_statuses(site=roles.site)}",
    ]
    for station in roles.stations:
        topics = StationTopics(roles.site, station)
        lines.append(f"topic read {commands(site=roles.site, station=station)}")
        lines.append(f"topic readwrite {topics.of('owner')}")
        lines += [f"topic write {topics.of(name)}" for name in GATEWAY_WRITES]
        if roles.home_assistant is not None:
            lines.append(f"topic write {discovery_topic(roles.home_assistant, site=roles.site, station=station)}")
    if roles.home_assistant is not None:
        lines += [f"topic read {roles.home_assistant}/status", f"topic read {roles.home_assistant}/device/+/config"]
    lines += [f"topic write {pattern}" for pattern in roles.mapped]
    lines += ["topic write reply/#", "", "user display", f"topic read {site}/#"]
    lines += ["", "user dashboard", f"topic read {site}/#", "topic read reply/#", f"topic write {site}/+/cmd/+"]
    if roles.home_assistant is not None:
        lines += [f"topic read {roles.home_assistant}/#", f"topic write {roles.home_assistant}/status"]
    lines += [f"topic read {pattern}" for pattern in roles.mapped]
    return "\n".join(lines) + "\n"


def write_files(folder: Path, *, host: str, port: int, passwords: dict[str, str], roles: Roles) -> Path:
    """Write configuration, passwords and access rules into a folder of its own; returns the configuration."""
    secret, rules, config = folder / "passwords", folder / "rules", folder / "mosquitto.conf"
    secret.write_text("".join(f"{user}:{hashed(word)}\n" for user, word in passwords.items()), encoding="utf-8")
    rules.write_text(access_rules(roles), encoding="utf-8")
    for path in (secret, rules):
        path.chmod(0o600)
    # Started as root, mosquitto would become another user, who cannot read the folder: it stays who it is.
    user = "user root\n" if os.geteuid() == 0 else ""
    config.write_text(
        f"listener {port} {host}\n"
        "socket_domain ipv4\n"
        "allow_anonymous false\n"
        f"password_file {secret}\nacl_file {rules}\n"
        f"persistence true\npersistence_location {folder}/\n"
        "autosave_on_changes true\nautosave_interval 1\n"
        f"message_size_limit {LARGEST}\n"
        "set_tcp_nodelay true\nmax_queued_messages 10000\nmax_queued_bytes 67108864\nmax_inflight_messages 100\n"
        f"log_dest stderr\nlog_type error\nlog_type warning\n{user}",
        encoding="utf-8",
    )
    return config


def write_tools(folder: Path, *, host: str, port: int, user: str, password: str) -> Path:
    """Write the settings that mosquitto's clients look for below XDG_CONFIG_HOME; returns what that must be."""
    tools = folder / "dashboard"
    tools.mkdir(mode=0o700, exist_ok=True)
    for program in ("mosquitto_sub", "mosquitto_pub", "mosquitto_rr"):
        path = tools / program
        path.touch(mode=0o600)
        path.write_text(f"-h {host}\n-p {port}\n-u {user}\n-P {password}\n", encoding="utf-8")
    return tools

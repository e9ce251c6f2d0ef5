"""What of a broker's configuration does not go together, and how its URL may be shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from controller.commands import COMMANDS
from controller.display.access import is_loopback

if TYPE_CHECKING:
    from controller.config import BrokerConfig

LIST: Final = "broker.url: a list holds the URLs of one broker's nodes, each like mqtt://host:1883"
BROKER_FILES: Final = ("ca", "cert", "key", "password_file")


def url_problem(url: str) -> str | None:
    """What is wrong with a broker's URL, without a word of it: a password may stand in it."""
    try:
        parts = urlsplit(url)
        if parts.scheme in ("mqtt", "mqtts") and bool(parts.hostname) and parts.port != 0:
            return None
    except ValueError:
        pass
    return "neither auto, none, nor an URL like mqtt://host:1883 or mqtts://host:8883"


def without_account(url: str) -> str:
    """A URL as it may be shown."""
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}" if mark else url.rpartition("@")[2]


def broker_problem(broker: BrokerConfig) -> str | None:
    """What does not go together in a broker's table, with its key; None where all does."""
    others = _others(broker)
    if others is not None:
        return others
    unknown = [name for name in broker.commands or () if name not in COMMANDS]
    if unknown:
        return f"broker.commands: there is no command {unknown[0]!r}; known: {', '.join(sorted(COMMANDS))}"
    given = [name for name in (*BROKER_FILES, "user", "password_env") if getattr(broker, name) is not None]
    if broker.url in ("auto", "none"):
        return f"broker.{given[0]}: goes with the URL of a broker in broker.url" if given else None
    problem = url_problem(broker.url)
    if problem is not None:
        return f"broker.url: {problem}"
    return _account(broker, given) or _wire(broker, given)


def _account(broker: BrokerConfig, given: list[str]) -> str | None:
    passwords = [name for name in ("password_file", "password_env") if name in given]
    if urlsplit(broker.url).username and ("user" in given or passwords):
        return "broker.user: broker.url holds an account too; take it out there"
    if passwords and "user" not in given:
        return f"broker.{passwords[0]}: broker.user is missing, whose password that is"
    return f"broker.{passwords[1]}: broker.{passwords[0]} is given too; take one" if len(passwords) > 1 else None


def _wire(broker: BrokerConfig, given: list[str]) -> str | None:
    for name in ("ca", "cert", "key") if not broker.tls else ():
        if name in given:
            return f"broker.{name}: goes with a URL of the form mqtts://…"
    if ("cert" in given) != ("key" in given):
        return f"broker.{'key' if 'cert' in given else 'cert'}: broker.cert and broker.key go together"
    hosts = [urlsplit(url).hostname or "" for url in (broker.url, *broker.others)]
    if not broker.tls and not broker.plain and not all(is_loopback(host) for host in hosts):
        return (
            "broker.url: mqtt:// shows passwords and people's training to the network; take mqtts://, "
            "or set broker.plain = true where the whole network is yours"
        )
    return None


def _others(broker: BrokerConfig) -> str | None:
    if broker.others and url_problem(broker.url) is not None:
        return LIST
    for url in broker.others:
        if url in ("auto", "none") or broker.url in ("auto", "none") or url_problem(url) is not None:
            return LIST
        if urlsplit(url).scheme != urlsplit(broker.url).scheme:
            return "broker.url: the URLs of a list are all mqtt:// or all mqtts://"
        if "@" in url:
            return "broker.url: of a list only the first URL holds the account, which is that of all"
    return None

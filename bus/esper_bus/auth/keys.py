"""The key files of an aggregator and of its clients, as they are read; `key_directory` writes them.

An aggregator's key directory, accessible to its owner only, contains `server.key`, the allow-list
`clients.json` and one `NAME.key` for each client, to be copied to the client's machine. All are JSON.
"""

import os
import stat
import struct
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
from zmq.utils import z85

from esper_bus.addresses import ipc_path
from esper_bus.names import NOTES_PRODUCER
from esper_schemas.codec import DECODE_ERRORS
from esper_schemas.errors import Damaged, InvalidArgument, StorageError

Right = Literal["ingest", "view", "annotate"]
RIGHTS: tuple[Right, ...] = ("ingest", "view", "annotate")
"""What a client may be allowed to do: send events; receive snapshots, events and answers; write notes."""
DEFAULT_RIGHTS: tuple[Right, ...] = ("ingest", "view")
"""Those of a key that is added without any."""
DEFAULT_PRODUCERS = ("trainer:*",)
"""The producer names that `esper_lite.connect` uses by default."""

SERVER_FILE = "server.key"
CLIENTS_FILE = "clients.json"
KEY_SUFFIX = ".key"
KEY_BYTES = 32
_T = TypeVar("_T")


class ServerKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The key pair of an aggregator, in Z85."""

    public: str
    secret: str

    def __repr__(self) -> str:
        return f"ServerKeys(public={self.public!r})"


class ClientKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The key pair of a client and the public key of the one aggregator that it trusts, in Z85."""

    name: str
    server: str
    public: str
    secret: str

    def __repr__(self) -> str:
        return f"ClientKeys(name={self.name!r}, public={self.public!r})"


class AllowedClient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rights of a key.

    Each of `producers` is a pattern with `*` and `?` for the name of a producer in any run, or two patterns,
    `RUN/PRODUCER`.
    """

    public: str
    rights: tuple[Right, ...]
    producers: tuple[str, ...] = ()

    def may_write(self, run: str, producer: str) -> bool:
        """Whether the client may send events of this producer of this run; notes with the right to both."""
        if "ingest" not in self.rights:
            return False
        notes = producer == NOTES_PRODUCER and "annotate" in self.rights
        return notes or any(_matches(pattern, run, producer) for pattern in self.producers)


Clients = dict[str, AllowedClient]
"""The allow-list: clients by name."""


def load_server_keys(directory: Path) -> ServerKeys:
    """Load the key pair of an aggregator.

    Raises `InvalidArgument` if there is none, `StorageError` if other users can read it, and `Damaged` if the
    file does not contain a valid key.
    """
    if directory.is_file():
        raise InvalidArgument(f"{directory} is a file; name the directory that `esper keys init` created.")
    path = directory / SERVER_FILE
    if not path.exists():
        raise InvalidArgument(
            f"{directory} does not contain {SERVER_FILE}; create it with `esper keys init {directory}`."
        )
    check_private(directory)
    keys = _load(path, ServerKeys, "a key file")
    _check_keys(path, keys.public, keys.secret)
    return keys


def load_client_keys(path: Path) -> ClientKeys:
    """Load the key of a client.

    Raises `InvalidArgument` for a directory, `StorageError` if the file cannot be read or others can read it,
    and `Damaged` if it does not contain a valid key.
    """
    if path.is_dir():
        names = sorted(file.name for file in path.glob(f"*{KEY_SUFFIX}") if file.name != SERVER_FILE)
        example = path / (names[0] if names else f"NAME{KEY_SUFFIX}")
        raise InvalidArgument(
            f"{path} is a directory; name the key file of one client in it, such as {example}."
        )
    keys = _load(path, ClientKeys, "a key file")
    _check_keys(path, keys.server, keys.public, keys.secret)
    return keys


def client_keys_for(address: str, path: Path | None) -> ClientKeys | None:
    """Load the key to connect to an address with; None over ipc, which needs no key.

    Raises as `load_client_keys` does.
    """
    return None if path is None or ipc_path(address) is not None else load_client_keys(path)


def read_clients(directory: Path) -> Clients:
    """Read the allow-list. Raises `StorageError` if it cannot be read, `Damaged` if it is not valid."""
    path = directory / CLIENTS_FILE
    clients = _load(path, Clients, "an allow-list")
    for client in clients.values():
        _check_keys(path, client.public)
    return clients


def check_private(directory: Path) -> None:
    """Raise `StorageError` if other users can access a key directory."""
    if directory.stat().st_mode & 0o077:
        raise StorageError(
            f"{directory} is accessible to other users; make it private with `chmod 700 {directory}`."
        )


def _matches(pattern: str, run: str, producer: str) -> bool:
    run_pattern, slash, producer_pattern = pattern.rpartition("/")
    return (not slash or fnmatchcase(run, run_pattern)) and fnmatchcase(producer, producer_pattern)


def _load(path: Path, kind: type[_T], description: str) -> _T:
    try:
        return msgspec.json.decode(_read_private(path), type=kind)
    except DECODE_ERRORS as error:
        raise Damaged(
            f"{path} is not {description} ({error}); create a new one with `esper keys`."
        ) from error


def _read_private(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_IMODE(mode) & 0o077:
                raise StorageError(
                    f"{path} is readable by other users; make it private with `chmod 600 {path}`."
                )
            return file.read()
    except OSError as error:
        raise StorageError(
            f"Cannot read {path} ({error.strerror}); name a file that `esper keys` created."
        ) from error


def _check_keys(path: Path, *keys: str) -> None:
    if not all(map(_is_key, keys)):
        raise Damaged(f"{path} does not contain a valid key; create a new one with `esper keys`.")


def _is_key(text: str) -> bool:
    try:
        return len(z85.decode(text)) == KEY_BYTES
    except (KeyError, ValueError, UnicodeError, struct.error):
        return False

"""The key files of an aggregator and of those who may talk to it over tcp.

An aggregator's directory, open to its owner only, holds `server.key`, the allow-list `clients.json` and
one `NAME.key` for each client, to be carried to the client's machine. Every file is JSON, except for the
empty `.lock`, which whoever changes the allow-list holds meanwhile.
"""

import contextlib
import fcntl
import os
import stat
import struct
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
import zmq
from zmq.utils import z85

from esper_bus.addresses import ipc_path
from esper_bus.names import check_name
from esper_schemas.errors import Damaged, EsperError, InvalidArgument, StorageError

Right = Literal["ingest", "view"]
RIGHTS: tuple[Right, ...] = ("ingest", "view")
"""What a client may be allowed: send events, or see them."""
DEFAULT_PRODUCERS = ("trainer:*",)
"""The names that `esper_lite.connect` gives to producers, and so our own trainer."""

SERVER_FILE = "server.key"
CLIENTS_FILE = "clients.json"
_LOCK_FILE = ".lock"
_SUFFIX = ".key"
_KEY_BYTES = 32
_T = TypeVar("_T", bound=msgspec.Struct)


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
    """What the owner of a key may do.

    A pattern of `producers` is a producer's name with `*` and `?`, in any run, or `RUN/PRODUCER` with
    both as patterns.
    """

    public: str
    rights: tuple[Right, ...]
    producers: tuple[str, ...] = ()

    def may_write(self, run: str, producer: str) -> bool:
        """Whether the client may send the events of this producer of this run."""
        return "ingest" in self.rights and any(_matches(p, run, producer) for p in self.producers)


Clients = dict[str, AllowedClient]
"""The allow-list: clients by name."""


def create_server_keys(directory: Path) -> ServerKeys:
    """Make the directory, its key pair and an empty allow-list.

    Raises `StorageError` if it has one already or cannot be written.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"Cannot make {directory} ({error.strerror}); choose another place.") from error
    _check_private(directory)
    keys = ServerKeys(*_new_pair())
    server = directory / SERVER_FILE
    _write_new(server, keys)
    with _undone_by(server.unlink):
        _replace(directory / CLIENTS_FILE, {})
    return keys


def add_client(
    directory: Path,
    name: str,
    rights: tuple[Right, ...] = RIGHTS,
    producers: tuple[str, ...] = DEFAULT_PRODUCERS,
) -> Path:
    """Make a key for a new client and allow it; returns its file.

    Raises `InvalidArgument` for a name that is taken or cannot name a key.
    """
    check_name("key", name)
    if name + _SUFFIX == SERVER_FILE or "/" in name:
        raise InvalidArgument(f"{name!r} cannot name a key of a client; choose another name.")
    server = load_server_keys(directory)
    public, secret = _new_pair()
    allowed = AllowedClient(public, rights, producers if "ingest" in rights else ())
    path = directory / (name + _SUFFIX)
    with _locked(directory):
        clients = read_clients(directory)
        if name in clients:
            raise InvalidArgument(
                f"There is a key {name} already; choose another name or remove that one first."
            )
        # The list comes first: a key that was left behind unlisted could be neither removed nor made again.
        _replace(directory / CLIENTS_FILE, {**clients, name: allowed})
        with _undone_by(lambda: _replace(directory / CLIENTS_FILE, clients)):
            _write_new(path, ClientKeys(name, server.public, public, secret))
    return path


def remove_client(directory: Path, name: str) -> None:
    """Allow a client no longer, and remove its file. Raises `InvalidArgument` if there is no such."""
    read_clients(directory)  # a directory of no keys is left without a lock
    with _locked(directory):
        clients = read_clients(directory)
        if name not in clients:
            raise InvalidArgument(
                f"There is no key {name} in {directory}; `esper keys list` tells which there are."
            )
        _replace(directory / CLIENTS_FILE, {key: value for key, value in clients.items() if key != name})
        with contextlib.suppress(OSError):
            (directory / (name + _SUFFIX)).unlink()


def load_server_keys(directory: Path) -> ServerKeys:
    """The key pair of an aggregator.

    Raises `InvalidArgument` if it is not there, `StorageError` if others can read it, `Damaged` for no key.
    """
    if directory.is_file():
        raise InvalidArgument(f"{directory} is a file; name the directory that `esper keys init` made.")
    path = directory / SERVER_FILE
    if not path.exists():
        raise InvalidArgument(
            f"{directory} holds no {SERVER_FILE}; make one with `esper keys init {directory}`."
        )
    _check_private(directory)
    keys = _read(path, ServerKeys)
    _check_z85(path, keys.public, keys.secret)
    return keys


def client_keys_for(address: str, path: Path | None) -> ClientKeys | None:
    """The key of a client to come in at an address with; over ipc there is none, whatever was named.

    Raises as `load_client_keys` does.
    """
    return None if path is None or ipc_path(address) is not None else load_client_keys(path)


def load_client_keys(path: Path) -> ClientKeys:
    """The key of a client.

    Raises `StorageError` if it is not there or others can read it, `Damaged` for no key.
    """
    if path.is_dir():
        names = sorted(one.name for one in path.glob(f"*{_SUFFIX}") if one.name != SERVER_FILE)
        one = path / (names[0] if names else f"NAME{_SUFFIX}")
        raise InvalidArgument(f"{path} is a directory; name the key file of one client in it, such as {one}.")
    keys = _read(path, ClientKeys)
    _check_z85(path, keys.server, keys.public, keys.secret)
    return keys


def read_clients(directory: Path) -> Clients:
    """The allow-list. Raises `StorageError` if it cannot be read, `Damaged` for no allow-list."""
    path = directory / CLIENTS_FILE
    try:
        clients = msgspec.json.decode(_read_private(path), type=Clients)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Damaged(f"{path} is no allow-list ({error}); repair it.") from error
    for client in clients.values():
        _check_z85(path, client.public)
    return clients


def _matches(pattern: str, run: str, producer: str) -> bool:
    of_run, slash, of_producer = pattern.rpartition("/")
    return (not slash or fnmatchcase(run, of_run)) and fnmatchcase(producer, of_producer)


def _new_pair() -> tuple[str, str]:
    public, secret = zmq.curve_keypair()
    return public.decode(), secret.decode()


def _check_z85(path: Path, *keys: str) -> None:
    for key in keys:
        try:
            whole = len(z85.decode(key)) == _KEY_BYTES
        except (KeyError, ValueError, UnicodeError, struct.error):
            whole = False
        if not whole:
            raise Damaged(f"{path} holds what is no key; make a new one with `esper keys`.")


def _check_private(directory: Path) -> None:
    if directory.stat().st_mode & 0o077:
        raise StorageError(
            f"{directory} is open to other users; make it private with `chmod 700 {directory}`."
        )


def _read(path: Path, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(_read_private(path), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Damaged(f"{path} is no key file ({error}); make one with `esper keys`.") from error


def _read_private(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_IMODE(mode) & 0o077:
                raise StorageError(f"{path} is open to other users; make it private with `chmod 600 {path}`.")
            return file.read()
    except OSError as error:
        raise StorageError(f"Cannot read {path} ({error.strerror}); name a file of `esper keys`.") from error


def _write_new(path: Path, content: object) -> None:
    """Write a file that was not there; nobody else can read it at any moment."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(_pretty(content))
    except FileExistsError as error:
        raise StorageError(f"{path} exists already; it was left as it is.") from error
    except OSError as error:
        raise StorageError(f"Cannot write {path} ({error.strerror}); choose another place.") from error


def _replace(path: Path, content: object) -> None:
    """Write a file as a whole: a reader sees the old one or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    _write_new(draft, content)
    with _undone_by(draft.unlink):
        try:
            draft.replace(path)
        except OSError as error:
            raise StorageError(f"Cannot write {path} ({error.strerror}); remove what is there.") from error


@contextlib.contextmanager
def _undone_by(undo: Callable[[], None]) -> Iterator[None]:
    """Nothing half done is left behind where the rest fails."""
    try:
        yield
    except EsperError:
        with contextlib.suppress(OSError, EsperError):
            undo()
        raise


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """One process at a time changes the allow-list. Raises `StorageError` without a lock file."""
    path = directory / _LOCK_FILE
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageError(f"Cannot write {path} ({error.strerror}); make {directory} writable.") from error
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _pretty(content: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"

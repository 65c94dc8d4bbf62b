"""Creates the key directory of an aggregator, and adds and removes its clients."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import zmq

from esper_bus.auth.keys import (
    CLIENTS_FILE,
    DEFAULT_PRODUCERS,
    DEFAULT_RIGHTS,
    KEY_SUFFIX,
    SERVER_FILE,
    AllowedClient,
    ClientKeys,
    Right,
    ServerKeys,
    check_private,
    load_server_keys,
    read_clients,
)
from esper_bus.names import check_name
from esper_schemas.errors import EsperError, InvalidArgument, StorageError

_LOCK_FILE = ".lock"


def create_server_keys(directory: Path) -> ServerKeys:
    """Create the directory with a key pair and an empty allow-list.

    Raises `StorageError` if there are keys already or the directory cannot be written.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"Cannot create {directory} ({error.strerror}); choose another directory."
        ) from error
    check_private(directory)
    keys = ServerKeys(*_key_pair())
    path = directory / SERVER_FILE
    _create(path, keys)
    with _undo_on_error(path.unlink):
        _replace(directory / CLIENTS_FILE, {})
    return keys


def add_client(
    directory: Path,
    name: str,
    rights: tuple[Right, ...] = DEFAULT_RIGHTS,
    producers: tuple[str, ...] = DEFAULT_PRODUCERS,
) -> Path:
    """Create and allow the key of a new client; returns its file.

    Raises `InvalidArgument` for a name that is taken or cannot be used and for a right to annotate without
    that to view, and `StorageError`.
    """
    if "annotate" in rights and "view" not in rights:
        raise InvalidArgument("The right to annotate needs the right to view as well; give both.")
    check_name("key", name)
    if name + KEY_SUFFIX == SERVER_FILE or "/" in name:
        raise InvalidArgument(f"{name!r} cannot name the key of a client; choose another name.")
    server = load_server_keys(directory)
    public, secret = _key_pair()
    allowed = AllowedClient(public, rights, producers if "ingest" in rights else ())
    path = directory / (name + KEY_SUFFIX)
    with _locked(directory):
        clients = read_clients(directory)
        if name in clients:
            raise InvalidArgument(f"There is a key {name} already; remove it first or choose another name.")
        # First the list: a file that is not in it could be neither removed nor created again.
        _replace(directory / CLIENTS_FILE, {**clients, name: allowed})
        with _undo_on_error(lambda: _replace(directory / CLIENTS_FILE, clients)):
            _create(path, ClientKeys(name, server.public, public, secret))
    return path


def remove_client(directory: Path, name: str) -> None:
    """Remove a client from the allow-list, and its file. Raises `InvalidArgument` if it does not exist."""
    read_clients(directory)  # before a lock file is created in a directory that has no keys
    with _locked(directory):
        clients = read_clients(directory)
        if name not in clients:
            raise InvalidArgument(
                f"{directory} does not contain the key {name}; `esper keys list {directory}` shows all keys."
            )
        _replace(directory / CLIENTS_FILE, {key: value for key, value in clients.items() if key != name})
        with contextlib.suppress(OSError):
            (directory / (name + KEY_SUFFIX)).unlink()


def _key_pair() -> tuple[str, str]:
    public, secret = zmq.curve_keypair()
    return public.decode(), secret.decode()


def _create(path: Path, content: object) -> None:
    """Write a new file that only its owner can ever read."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(_formatted(content))
    except FileExistsError as error:
        raise StorageError(f"{path} exists already and is not overwritten; remove it first.") from error
    except OSError as error:
        raise StorageError(
            f"Cannot write {path} ({error.strerror}); free space or choose another directory."
        ) from error


def _replace(path: Path, content: object) -> None:
    """Replace a file atomically: readers see the old content or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    _create(draft, content)
    with _undo_on_error(draft.unlink):
        try:
            draft.replace(path)
        except OSError as error:
            raise StorageError(f"Cannot replace {path} ({error.strerror}); remove it first.") from error


@contextlib.contextmanager
def _undo_on_error(undo: Callable[[], None]) -> Iterator[None]:
    """Undo the previous step if the next one fails."""
    try:
        yield
    except EsperError:
        with contextlib.suppress(OSError, EsperError):
            undo()
        raise


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Wait until no other process changes the allow-list. Raises `StorageError` without a lock file."""
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


def _formatted(content: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"

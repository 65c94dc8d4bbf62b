"""`esper keys init|add|remove|list DIR`: who may send events over tcp, watch, and write notes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from esper_bus.auth.key_directory import add_client, create_server_keys, remove_client
from esper_bus.auth.keys import (
    DEFAULT_PRODUCERS,
    DEFAULT_RIGHTS,
    RIGHTS,
    Right,
    load_server_keys,
    read_clients,
)
from esper_cli.options.command import Command
from esper_cli.options.option import Json, Option
from esper_cli.output.echo import echo, echo_json


def _rights(text: str) -> tuple[Right, ...]:
    given = text.split(",")
    if not set(given) <= set(RIGHTS):
        raise ValueError(f"must be some of ingest,view,annotate, not {text!r}")
    if "annotate" in given and "view" not in given:
        raise ValueError("must have view, too, if it has annotate")
    return tuple(right for right in RIGHTS if right in given)


def _producers(text: str) -> tuple[str, ...]:
    patterns = tuple(text.split(","))
    if not all(patterns):
        raise ValueError(f"must be names separated by commas, none of them empty, not {text!r}")
    return patterns


KeysDir = Annotated[Path, Option("directory with the keys of an aggregator", positional=True, metavar="DIR")]
ClientName = Annotated[str, Option("name of the client", positional=True, metavar="NAME")]


@dataclass(frozen=True, kw_only=True)
class InitOptions:
    """Create the keys of an aggregator, for `esper aggregate --server-keys DIR`."""

    directory: KeysDir


@dataclass(frozen=True, kw_only=True)
class AddOptions:
    """Create a key for a client and allow it: DIR/NAME.key, to be copied to the client's machine."""

    directory: KeysDir
    name: ClientName
    rights: Annotated[
        tuple[Right, ...],
        Option(
            "some of ingest (send events), view (watch) and annotate (write notes), separated by commas "
            "(default: ingest,view)",
            metavar="LIST",
            parse=_rights,
        ),
    ] = DEFAULT_RIGHTS
    producers: Annotated[
        tuple[str, ...],
        Option(
            "producers that the client may write, as PRODUCER or RUN/PRODUCER with * and ? as wildcards "
            f"(default: {','.join(DEFAULT_PRODUCERS)})",
            metavar="LIST",
            parse=_producers,
        ),
    ] = DEFAULT_PRODUCERS


@dataclass(frozen=True, kw_only=True)
class RemoveOptions:
    """Revoke the key of a client."""

    directory: KeysDir
    name: ClientName


@dataclass(frozen=True, kw_only=True)
class ListOptions:
    """List the clients and their rights."""

    directory: KeysDir
    json: Json = False


def init(options: InitOptions) -> int:
    """Create the keys of an aggregator."""
    keys = create_server_keys(options.directory)
    echo(f"Created the keys of an aggregator in {options.directory} (public key {keys.public}).")
    return 0


def add(options: AddOptions) -> int:
    """Create a key for a client and allow it."""
    path = add_client(options.directory, options.name, options.rights, options.producers)
    echo(f"Created {path}; copy it to the client's machine over ssh and pass it there with --keys.")
    return 0


def remove(options: RemoveOptions) -> int:
    """Revoke the key of a client."""
    remove_client(options.directory, options.name)
    echo(f"Removed {options.name}; a screen that is open with this key stays open until it reconnects.")
    return 0


def list_clients(options: ListOptions) -> int:
    """Print the clients and their rights."""
    server, clients = load_server_keys(options.directory), read_clients(options.directory)
    if options.json:
        echo_json({"server": server.public, "clients": clients})
        return 0
    echo(f"server {server.public}")
    for name, client in sorted(clients.items()):
        rights = ",".join(client.rights) + (f" as {','.join(client.producers)}" if client.producers else "")
        echo(f"{name:<16} {client.public}  {rights}")
    return 0


ACTIONS = {
    "init": Command(InitOptions, init),
    "add": Command(AddOptions, add),
    "remove": Command(RemoveOptions, remove),
    "list": Command(ListOptions, list_clients),
}

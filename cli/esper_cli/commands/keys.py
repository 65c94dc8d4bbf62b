"""`esper keys init|add|remove|list DIR`: who may send events to an aggregator over tcp, and who may watch."""

import argparse
from pathlib import Path

from esper_bus.auth.keys import (
    DEFAULT_PRODUCERS,
    RIGHTS,
    Right,
    add_client,
    create_server_keys,
    load_server_keys,
    read_clients,
    remove_client,
)
from esper_schemas.codec import to_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands of `esper keys`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, words in _ACTIONS.items():
        action = actions.add_parser(name, help=words, description=words)
        action.add_argument("directory", type=Path, metavar="DIR", help="the aggregator's keys")
        if name in ("add", "remove"):
            action.add_argument("name", metavar="NAME", help="whose key it is")
        if name == "add":
            _add_rights(action)
        if name == "list":
            action.add_argument("--json", action="store_true", help="print JSON")


_ACTIONS = {
    "init": "make the keys of an aggregator, for `esper aggregate --keys DIR`",
    "add": "make a key for a client and allow it: DIR/NAME.key, to be carried to its machine",
    "remove": "allow a client no longer",
    "list": "tell who may do what",
}


def run(arguments: argparse.Namespace) -> int:
    """Run the asked action."""
    return {"init": _init, "add": _add, "remove": _remove, "list": _list}[arguments.action](arguments)


def _add_rights(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rights", type=_rights, default=RIGHTS, metavar="LIST", help="ingest, view or ingest,view (default)"
    )
    parser.add_argument(
        "--producers",
        type=_producers,
        default=DEFAULT_PRODUCERS,
        metavar="LIST",
        help="producers it may write, PRODUCER or RUN/PRODUCER, with * and ? (default: trainer:*)",
    )


def _rights(text: str) -> tuple[Right, ...]:
    asked = text.split(",")
    if not set(asked) <= set(RIGHTS):
        raise argparse.ArgumentTypeError(f"{text!r} is none of ingest, view and ingest,view")
    return tuple(right for right in RIGHTS if right in asked)


def _producers(text: str) -> tuple[str, ...]:
    patterns = tuple(text.split(","))
    if not all(patterns):
        raise argparse.ArgumentTypeError(f"{text!r} has an empty name in it, which no producer has")
    return patterns


def _init(arguments: argparse.Namespace) -> int:
    keys = create_server_keys(arguments.directory)
    print(f"Made the keys of an aggregator in {arguments.directory} (public key {keys.public}).")
    return 0


def _add(arguments: argparse.Namespace) -> int:
    path = add_client(arguments.directory, arguments.name, arguments.rights, arguments.producers)
    print(f"Made {path}; carry it to the client's machine over ssh, and name it there with --keys.")
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    remove_client(arguments.directory, arguments.name)
    print(f"Removed {arguments.name}; a screen that it has open stays until it connects again.")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    server, clients = load_server_keys(arguments.directory), read_clients(arguments.directory)
    if arguments.json:
        print(to_json({"server": server.public, "clients": clients}))
        return 0
    print(f"server {server.public}")
    for name, client in sorted(clients.items()):
        what = ",".join(client.rights) + (f" as {','.join(client.producers)}" if client.producers else "")
        print(f"{name:<16} {client.public}  {what}")
    return 0

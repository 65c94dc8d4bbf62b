"""Pictures of the screen as files that never replace one another."""

from pathlib import Path


def write_new(name: str, text: str) -> str:
    """Write a file of this name, or where there is one, of a name with a number; returns the name."""
    path, free, number = Path(name), name, 1
    while True:
        try:
            with Path(free).open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            number += 1
            free = f"{path.stem}-{number}{path.suffix}"
        else:
            return free

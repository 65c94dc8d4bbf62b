"""Tests of reading the files of W&B's offline runs: hand-made ones, and those of wandb if it is installed."""

import json
import os
import struct
import subprocess
import sys
import zlib

import pytest
from tests.api.importing.conftest import field

from esper_lite.importing.record_frames import WRONG_CHECKSUM
from esper_lite.importing.wandb_files import NOT_RECORDS, WandbReader, is_wandb_file

HEADER = b":W&B\xe1\xbe\x00"
BLOCK = 32 * 1024


def items(number, values):
    """The items of a history or configuration, as JSON."""
    return b"".join(
        field(number, field(1, name) + field(16, json.dumps(value))) for name, value in values.items()
    )


def history(**values):
    """A record of the history."""
    return field(2, items(1, values))


def wandb_file(path, *records):
    """Write records, divided into fragments at the bounds of blocks."""
    data = bytearray(HEADER)
    for record in records:
        at, first = 0, True
        while first or at < len(record):
            room = BLOCK - len(data) % BLOCK
            if room < 7:
                data += bytes(room)
                continue
            part = record[at : at + room - 7]
            at += len(part)
            kind = (1 if at == len(record) else 2) if first else (4 if at == len(record) else 3)
            data += struct.pack("<IHB", zlib.crc32(part, zlib.crc32(bytes([kind]))), len(part), kind) + part
            first = False
    path.write_bytes(data)
    return path


@pytest.fixture
def path(tmp_path):
    """A file."""
    return tmp_path / "run-abc.wandb"


def test_history_and_configuration_are_read(path, facts, not_read):
    """Names that begin with an underscore are W&B's own; the step is the training's, if it is logged."""
    run = field(17, field(1, "abc") + field(3, "project") + field(4, items(1, {"lr": 0.5, "_wandb": {}})))
    config = field(5, items(1, {"net": {"width": 64}}))
    rows = [
        history(**{"loss/kl": 0.5, "_step": 3, "_timestamp": 1.7e9, "nested": {"a": 1}}),
        history(loss=2, global_step=4096, _step=4, _timestamp=1.7e9 + 1),
    ]
    reader = WandbReader(wandb_file(path, run, config, *rows), facts, not_read)

    assert list(reader.rows(final=True)) == [
        (1_700_000_000_000_000_000, 3, {"loss/kl": 0.5, "nested/a": 1.0}),
        (1_700_000_001_000_000_000, 4096, {"loss": 2.0}),
    ]
    assert facts.config == {"wandb_run": "abc", "wandb_project": "project", "lr": 0.5, "net/width": 64}
    assert len(not_read) == 0


def test_records_may_be_longer_than_a_block(path, facts, not_read):
    """They are joined from their fragments; a block may end in padding."""
    long = history(**{f"name{number:05}": number for number in range(5000)})
    records = [history(a=n, text="x" * 11_000) for n in range(8)]
    rows = list(WandbReader(wandb_file(path, long, *records), facts, not_read).rows(final=True))

    assert len(rows[0].values) == 5000
    assert [row.values for row in rows[1:]] == [{"a": float(n)} for n in range(8)]


def test_a_growing_file_gives_each_row_once(path, facts, not_read):
    """It is read after each further piece."""
    whole = wandb_file(path, *(history(a=n, text="x" * 900) for n in range(100))).read_bytes()
    path.write_bytes(HEADER)
    reader, rows = WandbReader(path, facts, not_read), []
    for end in range(0, len(whole) + 5000, 5000):
        path.write_bytes(whole[:end] if end > 7 else HEADER)
        rows += [row.values["a"] for row in reader.rows(final=False)]

    assert rows == [float(n) for n in range(100)]


def test_damage_costs_its_records_only(path, facts, not_read):
    """A wrong checksum, and a record that is not one."""
    whole = bytearray(wandb_file(path, history(a=1), history(a=2), b"\xff\xff", history(a=3)).read_bytes())
    whole[20] ^= 1
    path.write_bytes(whole)
    rows = list(WandbReader(path, facts, not_read).rows(final=True))

    assert [row.values for row in rows] == [{"a": 2.0}, {"a": 3.0}]
    assert (not_read[WRONG_CHECKSUM], not_read[NOT_RECORDS], len(not_read)) == (1, 1, 2)


def test_a_long_record_with_a_damaged_fragment_is_not_joined(path, facts, not_read):
    """What precedes and follows the fragment is no record."""
    whole = bytearray(wandb_file(path, history(a=1, text="x" * 3 * BLOCK), history(a=2)).read_bytes())
    whole[BLOCK + 100] ^= 1
    path.write_bytes(whole)
    rows = list(WandbReader(path, facts, not_read).rows(final=True))

    assert [row.values for row in rows] == [{"a": 2.0}]
    assert not_read.lines() == [f"{WRONG_CHECKSUM}: 1"]


def test_other_records_are_counted(path, facts, not_read):
    """Console output and system statistics are not values of the training."""
    reader = WandbReader(wandb_file(path, field(13, b""), field(7, b"")), facts, not_read)

    assert list(reader.rows(final=True)) == []
    assert sorted(not_read.lines()) == ["records of console output: 1", "records of system statistics: 1"]


def test_the_header_tells_what_the_file_is():
    """Other files of LevelDB have none."""
    assert is_wandb_file(HEADER + b"data")
    assert not is_wandb_file(b"step,loss\n")


@pytest.mark.slow
@pytest.mark.process
def test_a_run_of_wandb_itself_is_read(tmp_path, facts, not_read):
    """An offline run, with configuration and nested values."""
    pytest.importorskip("wandb")
    program = (
        "import wandb\n"
        "run = wandb.init(project='p', mode='offline', config={'lr': 0.5, 'net': {'width': 64}})\n"
        "for n in range(500): run.log({'losses/kl': n / 8, 'global_step': 64 * n, 'deep': {'a': -n}})\n"
        "run.finish()\n"
    )
    environment = {**os.environ, "WANDB_DIR": str(tmp_path), "WANDB_SILENT": "true", "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=200)
    (path,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    rows = list(WandbReader(path, facts, not_read).rows(final=True))

    assert [row[1:] for row in rows] == [
        (64 * n, {"losses/kl": n / 8, "deep/a": -float(n)}) for n in range(500)
    ]
    assert (facts.config["lr"], facts.config["net/width"]) == (0.5, 64)

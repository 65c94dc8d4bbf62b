"""Options that several commands share."""

from pathlib import Path

import pytest

from esper_cli.options.option import default_client_key


@pytest.mark.parametrize(("value", "path"), [("/a/b.key", Path("/a/b.key")), ("", None), (None, None)])
def test_the_environment_may_name_the_key_of_a_client(monkeypatch, value, path):
    """An empty value means no key."""
    monkeypatch.delenv("ESPER_KEYS", raising=False)
    if value is not None:
        monkeypatch.setenv("ESPER_KEYS", value)

    assert default_client_key() == path

"""Mistakes result in one sentence and exit code 2; abbreviations are mistakes."""

import pytest

from esper_cli.options.argument_parser import OneSentenceParser


@pytest.fixture
def parser():
    """A parser with a subcommand."""
    parser = OneSentenceParser(prog="cook")
    subparsers = parser.add_subparsers(metavar="DISH", required=True)
    cake = subparsers.add_parser("cake")
    cake.add_argument("--runs-dir")
    cake.add_argument("--eggs", type=int)
    return parser


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "cook: the following arguments are required: DISH"),
        (["cake", "--run", "real"], "cook cake: unknown option --run, did you mean --runs-dir?"),
        (["cake", "--run-dir=x"], "cook cake: unknown option --run-dir, did you mean --runs-dir?"),
        (["cake", "--eg", "3"], "cook cake: unknown option --eg, did you mean --eggs?"),
        (["cake", "--sugar"], "cook cake: unknown option --sugar"),
        (["cake", "extra\x1b"], "cook cake: unexpected argument 'extra\\x1b'"),
        (["cake", "--eggs", "x"], "cook cake: argument --eggs: invalid int value: 'x'"),
    ],
)
def test_a_mistake_is_one_sentence(parser, capsys, words, sentence):
    """It starts with the name of the subcommand."""
    with pytest.raises(SystemExit) as stopped:
        parser.parse_args(words)

    assert stopped.value.code == 2
    assert tuple(capsys.readouterr()) == ("", f"{sentence}; see `{sentence.split(':')[0]} --help`\n")

"""The `dualalign` command: thin skins over functions of the same name. Data to stdout; progress and logs to stderr."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import click

from engine.processes import collect_seldom
from ontology.errors import DualAlignError

__all__ = ["cli", "main"]

_COMMANDS = {
    "demo": "demo",
    "catalog": "catalog",
    "link": "link",
    "link-score": "link_score",
    "load": "load",
    "graph": "graph",
    "sample": "sample",
    "generate": "generate",
    "runs": "runs",
    "export": "export",
    "audit": "audit",
}


class _Lazy(click.Group):
    """Imports a command's module when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - same
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"engine.cli.{_COMMANDS[cmd_name]}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        from difflib import get_close_matches

        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            near = get_close_matches(args[0], _COMMANDS, 1, 0)[0]
            ctx.fail(f"no command {args[0]!r}; the nearest is {near!r}")
        return super().resolve_command(ctx, args)


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="dualalign", prog_name="dualalign")
def cli() -> None:
    """Grounded synthetic clinical sentences from a knowledge graph of symptom trajectories.

    GRAPH is a graph file, or a graph on a Neo4j server (neo4j://USER@HOST:7687/DATABASE?graph=NAME, with its password in
    DUALALIGN_NEO4J_PASSWORD); where it is left out, the facts of the shipped pack are used.
    """


def main() -> None:
    """Runs the command; every error made on purpose is one sentence on stderr and its own exit code."""
    collect_seldom()
    try:
        code = cli.main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.Abort:
        _say("stopped; what was committed is kept and the same command goes on")
        sys.exit(130)
    except KeyboardInterrupt:
        _say("stopped; what was committed is kept and the same command goes on")
        sys.exit(130)
    except click.ClickException as error:
        error.show(sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # the reader of our output has gone (`| head`): nothing is wrong
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except DualAlignError as error:
        _say(str(error))
        sys.exit(error.exit_code)


def _say(sentence: str) -> None:
    click.echo(f"dualalign: {sentence}", err=True)

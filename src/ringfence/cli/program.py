"""What every way into the command line shares: the program's name and help, and how it ends."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import typer

from ringfence.cli.terminal import screen
from ringfence.errors import RingfenceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EXIT_NO_MEMORY = 7
EXIT_INTERRUPTED = 130


def new_app() -> typer.Typer:
    """A program without commands."""
    return typer.Typer(
        name="ringfence",
        help="Decides in milliseconds whether a payment is fraud, and shows why.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )


@cache
def _command_of(app: typer.Typer) -> Callable[..., object]:
    """Its commands with all their options, which take most of a tenth of a second to make."""
    return typer.main.get_command(app)


def finish(app: typer.Typer, arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code. An error of ours is one message, never a traceback."""
    try:
        _command_of(app)(args=list(arguments), prog_name="ringfence")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except RingfenceError as error:
        screen.say(f"Error: {error}")
        return error.exit_code
    except MemoryError as error:  # of Python, NumPy and Arrow alike
        screen.say(
            f"Error: there is not enough memory ({error or 'no room is left'}): give the process more, or "
            "take less at once: a shorter history, or a mapping with fewer attributes"
        )
        return EXIT_NO_MEMORY
    except KeyboardInterrupt:
        screen.say("Interrupted.")
        return EXIT_INTERRUPTED
    return 0

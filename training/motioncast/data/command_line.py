"""Commands whose options are frozen dataclasses: each field is an option that typer parses.

    @dataclass(frozen=True, kw_only=True)
    class ForecastOptions(DataOptions):
        part: Annotated[Part, typer.Option(help="of the clips")] = "all"

    main = Program("motioncast evaluate forecast", ForecastOptions, run, __doc__)

A program runs on its own (`main(arguments)`, `python -m`) and below `motioncast`, which uses its
`command()`. Options shared by several programs are inherited.
"""

import inspect
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, ClassVar, Final, Generic, TypeVar, get_type_hints

import typer
from typer.core import TyperCommand

Options = TypeVar("Options")
TYPED: Final = "motioncast.typed"
EITHER: Final = inspect.Parameter.POSITIONAL_OR_KEYWORD


class Refusal(Exception):  # noqa: N818  # a message for the user, not a fault of the program
    """Raised when a request cannot be carried out; the message is one sentence."""

    code: ClassVar[int] = 2  # the process's exit code


class Failure(Refusal):
    """Raised when a valid request failed; the message is a sentence, or several lines."""

    code: ClassVar[int] = 1


@contextmanager
def refusing(*errors: type[Exception]) -> Iterator[None]:
    """Turns errors caused by the user into a Refusal with the first line of their message."""
    try:
        yield
    except errors as error:
        raise Refusal(first_line(error)) from error


def first_line(error: Exception) -> str:
    """Returns the first line of an error; libraries append advice and addresses."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return (str(error).splitlines() or [type(error).__name__])[0]


@dataclass(frozen=True, slots=True)
class Program(Generic[Options]):
    """A command: its name, its options, and what it does.

    Attributes:
        name: As typed.
        options: A dataclass whose fields are Annotated with typer's options.
        run: Takes the options, and the whole command line as typed. A Refusal is printed as a
            sentence on standard error and sets the exit code: 2, or 1 for a Failure.
        about: The help; a module's docstring.
        pairs: Options of two words each, which may be repeated: lists of two strings.
    """

    name: str
    options: type[Options]
    run: Callable[[Options, str], None]
    about: str | None
    pairs: Sequence[str] = ()

    def __call__(self, arguments: Sequence[str] | None = None) -> None:
        """Parses the arguments, by default the process's, and runs; SystemExit on failure."""
        given = sys.argv[1:] if arguments is None else list(arguments)
        try:
            self.command().main(args=given, prog_name=self.name)
        except SystemExit as end:
            if end.code:
                raise

    def command(self) -> TyperCommand:
        """Returns the command in typer's form."""

        def callback(context: typer.Context, **given: Any) -> None:
            try:
                self.run(self.options(**given), context.meta[TYPED])
            except Refusal as refusal:
                typer.echo(f"{self.name}: {refusal}", err=True)
                raise typer.Exit(refusal.code) from refusal

        context = inspect.Parameter("context", EITHER, annotation=typer.Context)
        callback.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [context, *_parameters(self.options)]
        )
        callback.__annotations__ = {}
        callback.__doc__ = _help(self.about)
        app = typer.Typer(
            add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
        )
        app.command(cls=_remembering(self.name))(callback)
        command = typer.main.get_command(app)
        assert isinstance(command, TyperCommand)
        for option in command.params:
            if option.name in self.pairs:
                option.nargs = 2  # not supported by typer's types
                option.process_value = _pairs  # type: ignore[method-assign, assignment]
        return command


def _pairs(context: Any, value: Any) -> list[tuple[str, str]]:
    return [(first, second) for first, second in value or ()]


def _remembering(name: str) -> type[TyperCommand]:
    """Returns a command class that keeps the command line: results record how they were made."""

    class Remembering(TyperCommand):
        def make_context(
            self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
        ) -> Any:
            typed = shlex.join([*name.split(), *args])
            context = super().make_context(info_name, args, parent, **extra)
            context.meta[TYPED] = typed
            return context

    return Remembering


def _parameters(options: type[Any]) -> list[inspect.Parameter]:
    hints = get_type_hints(options, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=_default(field),
            annotation=hints[field.name],
        )
        for field in fields(options)
    ]


def _default(field: Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return inspect.Parameter.empty if field.default is MISSING else field.default


def _help(about: str | None) -> str:
    """Returns a docstring whose indented lines, the commands, are not rewrapped."""
    return re.sub(r"\n\n(?=    )", "\n\n\b\n", inspect.cleandoc(about or ""))

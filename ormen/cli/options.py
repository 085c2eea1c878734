"""Commands and options with the help of our own form, and the options that every command has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import cleandoc
from typing import Any, TypeVar

import click

from ormen.cli.session import Session

F = TypeVar("F", bound=Callable[..., Any])

WIDEST = 28
"""An option whose names are longer than this has its help on the next line."""


class Option(click.Option):
    """An option that belongs to a group of the command's help."""

    def __init__(self, *args: Any, group: str = "Options", **attributes: Any) -> None:
        """Take click's own attributes and the title of the help's group."""
        super().__init__(*args, **attributes)
        self.group = group


class Command(click.Command):
    """A command whose help is: usage, what it does, options by group, examples."""

    def __init__(self, *args: Any, usage: Sequence[str] = (), examples: Sequence[str] = (), **attributes: Any) -> None:
        """Take click's own attributes, the forms of use (without the command) and examples."""
        attributes["context_settings"] = {"help_option_names": ["-h", "--help"]} | (
            attributes.get("context_settings") or {}
        )
        super().__init__(*args, **attributes)
        self.forms = tuple(usage)
        self.examples = tuple(examples)

    def get_help(self, ctx: click.Context) -> str:
        """Return the help; its lines never exceed 80 columns."""
        forms = self.forms or [" ".join(self.collect_usage_pieces(ctx))]
        path = ctx.command_path
        lines = [f"{'Usage:' if not place else '      '} {path} {form}" for place, form in enumerate(forms)]
        lines += ["", *(f"  {line}".rstrip() for line in cleandoc(self.help or "").splitlines())]
        groups = self._groups(ctx)
        wide = max(len(names) for rows in groups.values() for names, _ in rows if len(names) <= WIDEST)
        for title, rows in groups.items():
            lines += ["", f"{title}:", *columned(rows, wide=wide)]
        if self.examples:
            lines += ["", "Examples:", *(f"  {example}" for example in self.examples)]
        return "\n".join(lines)

    def _groups(self, ctx: click.Context) -> dict[str, list[tuple[str, str]]]:
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            if isinstance(param, click.Option) and not param.hidden:
                title = param.group if isinstance(param, Option) else "Options"
                groups.setdefault(title, []).append((names_of(param), help_of(param)))
        if "Options" in groups:
            groups["Options"] = groups.pop("Options")
        return groups


class Family(click.Group):
    """A group whose help is its commands, each on a line."""

    def __init__(self, *args: object, text: str = "", **attributes: object) -> None:
        """Take click's own attributes and the sentence under the usage."""
        super().__init__(*args, **attributes)  # type: ignore[arg-type]
        self.text = text

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments name; a wrong name is answered with the nearest ones."""
        if args[0].startswith("-") or self.get_command(ctx, args[0]):
            return super().resolve_command(ctx, args)
        raise unknown_command(ctx, args[0], list(self.commands))

    def get_help(self, ctx: click.Context) -> str:
        """Return usage, commands, options."""
        params = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        rows = [(names_of(param), help_of(param)) for param in params]
        lines = [f"Usage: {ctx.command_path} COMMAND [ARGS]...", "", *(f"  {line}" for line in self.text.splitlines())]
        lines += ["", "Commands:"]
        lines += [
            f"  {name:<10}  {(command.help or '').splitlines()[0].removesuffix('.')}"
            for name, command in self.commands.items()
        ]
        return "\n".join([*lines, "", "Options:", *columned(rows)])


def unknown_command(ctx: click.Context, word: str, names: Sequence[str]) -> click.UsageError:
    """Return the refusal of a word that is none of a group's commands, with those that were probably meant."""
    import difflib

    near = difflib.get_close_matches(word, names, n=2, cutoff=0.7)
    guess = f"; did you mean {' or '.join(near)}?" if near else f"; {ctx.command_path} --help lists them"
    return click.UsageError(f'no command "{word}"{guess}', ctx)


def names_of(param: click.Option) -> str:
    """Return an option's names and value as the help shows them: ``-e, --env KEY[=VALUE]``."""
    short = [name for name in param.opts if not name.startswith("--")]
    long = [name for name in param.opts if name.startswith("--")][:1]
    metavar = "" if param.is_flag or param.count else f" {param.metavar or 'VALUE'}"
    return ("" if short else "    ") + ", ".join([*short, *long]) + metavar


def help_of(param: click.Option, *, help_text: str = "Show this help") -> str:
    """Return an option's text; click's own for --help is another tone."""
    return help_text if "--help" in param.opts else param.help or ""


def columned(rows: Sequence[tuple[str, str]], *, wide: int | None = None) -> list[str]:
    """Return names and texts in two columns; long texts wrap, long names have a line of their own.

    A default in brackets is never broken.
    """
    from ormen.cli.render.text import wrap

    wide = min(max(len(names) for names, _ in rows), WIDEST) if wide is None else wide
    lines: list[str] = []
    for names, text in rows:
        rest = " " * (2 + wide + 2)
        first = f"  {names.ljust(wide)}  "
        if len(names) > wide:
            lines.append(f"  {names}")
            first = rest
        whole, bracket, default = text.rpartition("[") if text.endswith("]") else (text, "", "")
        shown = whole + (bracket + default).replace(" ", "\x00")
        lines += [line.replace("\x00", " ") for line in wrap(shown, 80, first=first, rest=rest)]
    return lines


def option(*names: str, help: str, group: str = "Options", **attributes: Any) -> Callable[[F], F]:
    """Return the decorator of one option."""
    return click.option(*names, cls=Option, help=help, group=group, **attributes)


def session_of(ctx: click.Context) -> Session:
    """Return the session of this call."""
    session = ctx.find_root().ensure_object(Session)
    return session


def _kept(field: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def keep(ctx: click.Context, _: click.Parameter, value: Any) -> None:
        if value is not None and value is not False:
            setattr(session_of(ctx), field, value)

    return keep


def _stored(*names: str, field: str, help: str, **attributes: Any) -> Callable[[F], F]:
    return option(*names, help=help, expose_value=False, callback=_kept(field), **attributes)


FORMATS = click.Choice(["table", "wide", "json", "yaml", "name"])


def common(function: F) -> F:
    """Give a command the options that all have: -m, -o, -q, --color."""
    colours = click.Choice(["auto", "always", "never"])
    for decorate in (
        _stored("--color", field="colour", type=colours, metavar="WHEN", help="auto, always or never  [auto]"),
        _stored("-q", "--quiet", field="quiet", is_flag=True, help="Lists: ids only. Actions: errors only"),
        _stored(
            "-o", "--output", field="output", type=FORMATS, metavar="FORMAT",
            help="table, wide, json, yaml or name  [table]",
        ),
        _stored(
            "-m", "--manager", field="manager", metavar="ADDR", help="host:port or URL of the deck  [localhost:5555]"
        ),
    ):  # fmt: skip
        function = decorate(function)
    return function


def listing(function: F) -> F:
    """Give a command the options of lists beside `common`."""
    return _stored("--no-trunc", field="whole", is_flag=True, help="Shorten nothing, drop no column")(function)


class Duration(click.ParamType[float]):
    """``10s``, ``1m30s``, ``2h``; a bare number is seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        from ormen.units import UnitError, parse_duration

        try:
            return parse_duration(value)
        except UnitError as error:
            self.fail(f"{error}; {error.hint}" if error.hint else str(error), param, ctx)


DURATION = Duration()

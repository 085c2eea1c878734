"""The blueprint that every noun's routes use: strict query strings, and typed decorators that document a view."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn, Protocol, TypeVar

from flask import Request
from flask_smorest import Blueprint
from marshmallow import Schema, ValidationError
from webargs.flaskparser import FlaskParser

from manager_api.problem_documents import ProblemDocument, SeedError
from manager_api.problems import PROBLEM_TYPE
from ormen.errors import InvalidQuery
from ormen.strict import flatten

View = TypeVar("View", bound=Callable[..., Any])


class Decorator(Protocol):
    """Takes a view and gives it back, better known."""

    def __call__(self, view: View, /) -> View:
        """Return `view`."""


class QueryParser(FlaskParser):
    """Raises our own errors for a faulty query string."""

    def handle_error(
        self,
        error: ValidationError,
        req: Request,
        schema: Schema,
        *,
        error_status_code: int | None,
        error_headers: Mapping[str, str] | None,
    ) -> NoReturn:
        """Raise InvalidQuery; a parameter's pointer is its name."""
        messages = error.messages
        found = messages.get("query", messages) if isinstance(messages, dict) else messages
        raise InvalidQuery(sorted(flatten(found), key=lambda fault: fault.pointer)) from error


class Nouns(Blueprint):  # type: ignore[misc]  # flask-smorest ships no types
    """The routes of one noun."""

    ARGUMENTS_PARSER = QueryParser()

    def route(self, rule: str, **options: Any) -> Decorator:
        """Register a view under a path."""
        decorate: Decorator = super().route(rule, **options)
        return decorate

    def query(self, schema: type[Schema]) -> Decorator:
        """Read the query string as `schema`; the view's first argument is what was found."""
        # One for all requests: each schema that is made copies all of its fields.
        decorate: Decorator = self.arguments(schema(), location="query")
        return decorate

    def body(self, schema: object, *, required: bool = True) -> Decorator:
        """Document the body; the view reads it by itself, whatever its Content-Type says."""
        content = {"application/json": {"schema": schema}}
        decorate: Decorator = self.doc(requestBody={"required": required, "content": content})
        return decorate

    def answers(
        self, status: int, schema: object = None, *, problems: tuple[int, ...] = (), content: str | None = None
    ) -> Decorator:
        """Document the good answer and the statuses of the problems, among them always 401, 403 and 503."""

        def decorate(view: View) -> View:
            for code in sorted({401, 403, 503, *problems}, reverse=True):
                view = self.alt_response(code, schema=ProblemDocument, content_type=PROBLEM_TYPE)(view)
            return self.also_answers(status, schema, content=content)(view)

        return decorate

    def answers_seeds(self, status: int, schema: object = None, *, errors: tuple[int, ...] = ()) -> Decorator:
        """Document the good answer of a route of the seeds' dialect, and the statuses with its error body."""

        def decorate(view: View) -> View:
            for code in sorted({401, 403, 503, *errors}, reverse=True):
                view = self.alt_response(code, schema=SeedError)(view)
            return self.also_answers(status, schema)(view)

        return decorate

    def header(self, name: str, schema: Mapping[str, object]) -> Decorator:
        """Document a header that the view reads."""
        decorate: Decorator = self.doc(parameters=[{"in": "header", "name": name, "schema": schema}])
        return decorate

    def also_answers(self, status: int, schema: object = None, *, content: str | None = None) -> Decorator:
        """Document one more answer."""
        decorate: Decorator = self.alt_response(status, schema=schema, content_type=content, success=True)
        return decorate

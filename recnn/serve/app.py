"""The application: the page, its files, and the endpoints."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from parsers.errors import InputError
from parsers.printing import printable
from parsers.tokens import tokenize
from recnn.serve.analysis import answer_all
from recnn.serve.batching import BusyError, LateError, RequestBatches
from recnn.serve.catalogue import Catalogue
from recnn.serve.figures import colours_css
from recnn.serve.guard import Guard
from recnn.serve.schemas import Answer, Choices, Problem, Question

_PAGE = Path(str(files("recnn"))) / "serve" / "page"
_LETTERS = 40  # of a word, at most on the average
_PROBLEMS = {
    422: "The sentence has no reading, or a parser or model is not offered.",
    413: "The sentence or the request is too long.",
    503: "Too many requests are waiting, or the answer has taken too long.",
}


@dataclass(frozen=True)
class Limits:
    """Limits on requests.

    Attributes:
        max_words: largest number of words of a sentence.
        max_requests: largest number of requests at once.
        batch_size: largest number of sentences that are computed together.
        timeout: seconds for an answer.
    """

    max_words: int = 100
    max_requests: int = 64
    batch_size: int = 16
    timeout: float = 10.0


def make_app(catalogue: Catalogue, limits: Limits | None = None, hosts: Sequence[str] = ()) -> FastAPI:
    """Make the application.

    Args:
        catalogue: models and parsers that can be chosen.
        limits: limits on requests.
        hosts: see `Guard`.
    """
    limits = limits or Limits()
    batches = RequestBatches[Question, "Answer | InputError"](
        partial(answer_all, catalogue), limits.max_requests, limits.batch_size, limits.timeout
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        batches.close()

    app = FastAPI(
        title="recnn serve",
        description="Readings of sentences, and what recursive and recurrent networks compute of them.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        exception_handlers={
            RequestValidationError: _invalid,
            InputError: _wrong,
            HTTPException: _failed,
            Exception: _unexpected,
        },
    )
    _add_page(app)
    _add_endpoints(app, catalogue, limits, batches)
    app.add_middleware(Guard, hosts=hosts)
    return app


def _add_page(app: FastAPI) -> None:
    app.mount("/page", StaticFiles(directory=_PAGE), name="page")

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(_PAGE / "index.html")

    @app.get("/reference", include_in_schema=False)
    async def reference() -> FileResponse:
        return FileResponse(_PAGE / "reference.html")

    @app.get("/colours.css", include_in_schema=False)
    async def colours() -> Response:
        return Response(colours_css(), media_type="text/css")


def _add_endpoints(
    app: FastAPI,
    catalogue: Catalogue,
    limits: Limits,
    batches: RequestBatches[Question, Answer | InputError],
) -> None:
    problems: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem, "description": text} for status, text in _PROBLEMS.items()
    }

    @app.get("/api/choices", summary="The parsers, models and examples that can be chosen")
    async def choices() -> Choices:
        return catalogue.choices(limits.max_words)

    @app.post("/api/analyse", summary="The readings of a sentence, and what models compute of them", responses=problems)
    async def analyse(question: Question) -> Answer:
        _check(question.sentence, limits.max_words)
        try:
            found = await batches.answer(question)
        except BusyError:
            raise HTTPException(503, "too many requests at once: try again in a moment", {"retry-after": "1"}) from None
        except LateError:
            problem = f"no answer within {limits.timeout:g} seconds: try a shorter sentence, or again in a moment"
            raise HTTPException(503, problem, {"retry-after": "5"}) from None
        if isinstance(found, InputError):
            raise found
        return found


def _check(sentence: str, max_words: int) -> None:
    if any("\ud800" <= letter <= "\udfff" for letter in sentence):
        raise InputError(f"sentence {sentence[:60]!r}: not Unicode text")
    words, most = len(sentence.split()), _LETTERS * max_words
    if words <= max_words and len(sentence) > most:
        raise HTTPException(413, f"a sentence of {len(sentence):,} characters: at most {most:,} are taken here")
    if words <= max_words:  # there may be many words between two blanks
        words = len(tokenize(sentence))
    if words > max_words:
        raise HTTPException(413, f"a sentence of {words:,} words: at most {max_words:,} are taken here")


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part != "body")
    message = str(first["msg"])
    return _problem(f"{place}: {message}" if place else message, 422)


async def _wrong(request: Request, error: Exception) -> JSONResponse:
    return _problem(str(error), 422)


async def _failed(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return _problem(error.detail, error.status_code, error.headers)


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    return _problem("the server has failed on this request; its log says why", 500)


def _problem(error: str, status: int, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": printable(error)}, status, headers)

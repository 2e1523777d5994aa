"""Every error as the one envelope: `{"success": false, "error": {"code", "message"}}`."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from orchestrator.errors import RequestError

_CODES = {
    HTTPStatus.BAD_REQUEST: "invalid_json",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "body_too_large",
}
NOT_JSON = "The body is not JSON."


def envelope(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The answer to a request that failed."""
    body = {"success": False, "error": {"code": code, "message": message}}
    return JSONResponse(body, status_code=status, headers=headers)


def add_error_handlers(app: FastAPI) -> None:
    """Give every error of the application its envelope."""
    app.add_exception_handler(RequestError, _request_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)


def _request_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestError)  # noqa: S101 - Starlette's type is wider
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    return envelope(error.status, error.code, error.message, headers)


def _http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - Starlette's type is wider
    status = HTTPStatus(error.status_code)
    message = NOT_JSON if status is HTTPStatus.BAD_REQUEST else f"{status.phrase}."
    return envelope(status, _CODES.get(status, "http_error"), message, error.headers)


def _validation_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - Starlette's type is wider
    problems = error.errors()
    if any(_is_not_json(problem) for problem in problems):
        return envelope(400, "invalid_json", NOT_JSON)
    message = "; ".join(f"{_field(p['loc'])}: {p['msg']}" for p in problems[:5])
    return envelope(422, "invalid_field", message)


def _is_not_json(problem: Mapping[str, object]) -> bool:
    if problem["type"] == "json_invalid":
        return True
    # A body with another content type is handed on as bytes.
    return problem["loc"] == ("body",) and isinstance(problem.get("input"), bytes)


def _field(location: tuple[int | str, ...]) -> str:
    inner = [str(part) for part in location if part != "body"]
    return ".".join(inner)[:200] or "body"

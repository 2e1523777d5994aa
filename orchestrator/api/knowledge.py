"""Collections of documents: what is in them, uploading and removing."""

import asyncio
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from orchestrator.api.schemas import (
    CollectionAnswer,
    CollectionsAnswer,
    DocumentAnswer,
    DocumentsAnswer,
    ErrorAnswer,
    RemovedAnswer,
    UploadAnswer,
    UploadedDocument,
)
from orchestrator.api.services import Provided
from orchestrator.errors import InvalidField, RequestError, RequestTimeout
from orchestrator.security.api_keys import check_api_key

MAX_FILES = 50
"""In one request."""
UPLOAD_TIMEOUT_S = 300.0
MAX_LISTED = 5_000

_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "array", "items": {"type": "string", "format": "binary"}}
                    },
                }
            }
        },
    }
}


def _authorized(request: Request, services: Provided) -> None:
    check_api_key(request.headers, services.settings.api_keys)


async def _not_too_often(request: Request, services: Provided) -> None:
    await services.upload_limit.count(request.client.host if request.client else "unknown")


router = APIRouter(
    prefix="/api/knowledge",
    tags=["knowledge"],
    dependencies=[Depends(_authorized)],
    responses={
        code: {"model": ErrorAnswer} for code in (401, 403, 404, 408, 409, 413, 422, 429, 503, 507)
    },
)
_changing = [Depends(_not_too_often)]


@router.get("")
async def list_collections(services: Provided) -> CollectionsAnswer:
    """Names of all collections."""
    return CollectionsAnswer(collections=list(await services.documents.collections()))


@router.get("/{collection}")
async def get_collection(services: Provided, collection: str) -> CollectionAnswer:
    """How far a collection is indexed, for a client that polls."""
    return CollectionAnswer.of(await services.documents.contents(collection))


@router.get("/{collection}/documents")
async def list_documents(
    services: Provided,
    collection: str,
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_LISTED)] = 1_000,
) -> DocumentsAnswer:
    """The documents of a collection, by name."""
    documents = (await services.documents.contents(collection)).documents
    return DocumentsAnswer(
        collection=collection,
        total=len(documents),
        documents=[DocumentAnswer.of(each) for each in documents[offset : offset + limit]],
    )


@router.post(
    "/{collection}/documents", status_code=202, dependencies=_changing, openapi_extra=_FORM
)
async def upload_documents(request: Request, services: Provided, collection: str) -> UploadAnswer:
    """Take files, each in a part of the form; they are indexed after the answer.

    A file that cannot be taken says why, and the others are; when none can, the answer is the
    first one's error. Whether a file can be read shows in its status.
    """
    # read here, and not by FastAPI, so that nobody without a key makes us read anything
    try:
        async with (
            asyncio.timeout(UPLOAD_TIMEOUT_S),
            services.documents.uploading,
            request.form(max_files=MAX_FILES) as form,
        ):
            files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
            if not files:
                raise InvalidField("file: a form with at least one file is needed.")
            outcomes = [await _take(services, collection, file) for file in files]
    except TimeoutError:
        raise RequestTimeout("The upload took too long.") from None
    except HTTPException as error:
        if error.status_code != HTTPStatus.BAD_REQUEST:
            raise
        raise InvalidField(f"file: a form with at most {MAX_FILES} files is needed.") from None
    taken = [each for each in outcomes if isinstance(each, UploadedDocument)]
    errors = [each for each in outcomes if isinstance(each, tuple)]
    if not taken:
        raise errors[0][1]
    await services.documents.hurry()
    refused = [
        UploadedDocument(filename=name, status="refused", error=error.message)
        for name, error in errors
    ]
    return UploadAnswer(collection=collection, documents=taken + refused)


async def _take(
    services: Provided, collection: str, file: UploadFile
) -> UploadedDocument | tuple[str, RequestError]:
    name = file.filename or ""
    try:
        state = await services.documents.add(collection, name, file.file)
    except RequestError as error:
        return name[:200], error
    return UploadedDocument(filename=state.filename, status=state.status, error=None)


@router.get("/{collection}/documents/{filename:path}")
async def get_document(services: Provided, collection: str, filename: str) -> DocumentAnswer:
    """One document and its status."""
    return DocumentAnswer.of(await services.documents.document(collection, filename))


@router.delete("/{collection}/documents/{filename:path}", dependencies=_changing)
async def remove_document(services: Provided, collection: str, filename: str) -> RemovedAnswer:
    """Remove a document that was uploaded; its passages follow at once."""
    await services.documents.remove(collection, filename)
    await services.documents.hurry()
    return RemovedAnswer(message="The document is removed.")

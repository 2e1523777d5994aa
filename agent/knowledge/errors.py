"""The error tree of the package; see `agent.knowledge`."""

from typing import ClassVar


class KnowledgeError(Exception):
    """Base of all errors of the package."""

    code: ClassVar[str] = "knowledge_failed"
    """For the wire."""
    retryable: ClassVar[bool] = False
    """Whether the same call may succeed a little later."""


class InvalidCollectionName(KnowledgeError):
    """The name cannot be that of a collection."""

    code = "invalid_collection"


class UnknownCollection(KnowledgeError):
    """No index of that name is there."""

    code = "unknown_collection"


class UnreadableDocument(KnowledgeError):
    """The document cannot be made into passages; the message says why, in a few words."""

    code = "unreadable_document"


class InvalidDocumentName(KnowledgeError):
    """The name cannot be that of a document; the message says why."""

    code = "invalid_document_name"


class UnknownDocument(KnowledgeError):
    """The collection has no document of that name."""

    code = "unknown_document"


class NotUploaded(KnowledgeError):
    """The document did not come over the API, so it does not go that way."""

    code = "not_uploaded"


class DocumentTooLarge(KnowledgeError):
    """The file is larger than one of its kind may be."""

    code = "document_too_large"


class LibraryFull(KnowledgeError):
    """No further document or collection finds room."""

    code = "library_full"


class EmbeddingFailed(KnowledgeError):
    """The embedding service gave no vectors; the message says why, without what was sent."""

    code = "embedding_failed"
    retryable = True


class IndexUnavailable(KnowledgeError):
    """SQLite could not read or write the index: locked for too long, no space, damaged."""

    code = "index_unavailable"
    retryable = True

"""Knowledge: documents → passages → index → retrieval.

`python -m agent.knowledge index` turns each folder of documents into one SQLite file, the index
of a collection; `KnowledgeBase` answers queries from it. No model and no network take part.

Errors:

    KnowledgeError
        InvalidCollectionName   not `[a-z0-9][a-z0-9_-]{0,63}`
        UnknownCollection       there is no index of that name, or an older program wrote it
        UnreadableDocument      a file that cannot be made into passages; says why
        InvalidDocumentName     no plain name, or of a kind that no parser reads
        UnknownDocument         the collection has none of that name
        NotUploaded             it did not come over the API
        DocumentTooLarge        for its kind
        LibraryFull             no room for a further document
        EmbeddingFailed         the embedding service gave no vectors
        IndexUnavailable        the index cannot be read or written now; trying again can help
"""

from agent.knowledge.errors import (
    IndexUnavailable,
    InvalidCollectionName,
    KnowledgeError,
    UnknownCollection,
    UnreadableDocument,
)
from agent.knowledge.passages import Passage
from agent.knowledge.retrieval import Hit, KnowledgeBase, Retrieval, collections

__all__ = [
    "Hit",
    "IndexUnavailable",
    "InvalidCollectionName",
    "KnowledgeBase",
    "KnowledgeError",
    "Passage",
    "Retrieval",
    "UnknownCollection",
    "UnreadableDocument",
    "collections",
]

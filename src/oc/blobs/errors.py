"""What a blob store can answer when it cannot do what it was asked."""

from __future__ import annotations

from oc.model.errors import Failed, NotFound, Unavailable


class BlobUnavailable(Unavailable):
    """The store did not do it within the patience given: it is away, slow, or refuses. Nothing was acknowledged."""

    code = "blobs_unavailable"


class BlobMissing(NotFound):
    code = "blob_missing"


class BlobCorrupt(Failed):
    """What was read is not what was written: its digest differs."""

    code = "blob_corrupt"

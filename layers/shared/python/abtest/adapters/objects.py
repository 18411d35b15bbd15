"""Bodies in S3.

Depends on: boto3. Used by: wiring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from abtest.contracts.object_keys import JSONL
from abtest.core.errors import NotFoundError, StoreError, StoreThrottledError, StoreUnavailableError
from abtest.management.ports import Upload

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

Result = TypeVar("Result")


class S3ObjectStore:
    """Implements `ObjectStore` over one bucket.

    Args:
        client: an S3 client.
        bucket: the bucket's name.
    """

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def get(self, key: str) -> bytes:
        """Return a body.

        Raises:
            NotFoundError: nothing is there.
        """
        return _call(key, lambda: self._body(key).read())

    def put(self, key: str, body: bytes, *, content_type: str = "application/json") -> None:
        """Write a body whole; readers see the old or the new one."""
        _call(
            key,
            lambda: self._client.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType=content_type),
        )

    def lines(self, key: str) -> Iterator[bytes]:
        """Return the lines of a body one by one, read as they are needed.

        Raises:
            NotFoundError: nothing is there.
        """
        return _call(key, lambda: self._body(key)).iter_lines(chunk_size=1 << 20)

    def _body(self, key: str) -> StreamingBody:
        return self._client.get_object(Bucket=self._bucket, Key=key)["Body"]

    def keys(self, prefix: str) -> Sequence[str]:
        """Return the keys under a prefix, sorted."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        found: list[str] = _call(prefix, lambda: [item["Key"] for page in pages for item in page.get("Contents", [])])
        return sorted(found)

    def upload(self, key: str, *, expires_in_s: int) -> Upload:
        """Return how a client writes a body by itself."""
        params: dict[str, Any] = {"Bucket": self._bucket, "Key": key, "ContentType": JSONL}
        url = self._client.generate_presigned_url("put_object", Params=params, ExpiresIn=expires_in_s)
        return Upload(url=url, headers={"content-type": JSONL})

    def download_url(self, key: str, *, expires_in_s: int, filename: str) -> str:
        """Return an address from which a client reads a body by itself."""
        params = {
            "Bucket": self._bucket,
            "Key": key,
            "ResponseContentDisposition": f'attachment; filename="{filename}"',
        }
        return self._client.generate_presigned_url("get_object", Params=params, ExpiresIn=expires_in_s)


def _call(key: str, request: Callable[[], Result]) -> Result:
    try:
        return request()
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in {"NoSuchKey", "404", "NotFound"}:
            raise NotFoundError(f"There is no object {key!r}.") from error
        if code in {"SlowDown", "Throttling", "RequestLimitExceeded"}:
            raise StoreThrottledError("S3 asks to slow down; try again later.") from error
        if code in {"InternalError", "ServiceUnavailable"}:
            raise StoreUnavailableError("S3 is not available; try again later.") from error
        raise StoreError(f"S3 refused the request for {key!r}: {code}.", details={"code": code}) from error
    except BotoCoreError as error:
        raise StoreUnavailableError(f"S3 did not answer: {type(error).__name__}.") from error

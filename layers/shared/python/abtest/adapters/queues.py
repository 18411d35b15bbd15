"""SQS: putting a batch back, keeping a message while its worker lives.

Depends on: boto3. Used by: wiring.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from abtest.contracts.steps import QueuedMessage
from abtest.core.errors import StoreUnavailableError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MAX_DELAY_S = 900


class SqsBatchQueue:
    """The queues of the provider vendors."""

    def __init__(self, client: SQSClient) -> None:
        self._client = client

    def put_back(self, message: QueuedMessage, *, delay_s: int = 0) -> None:
        """Send a batch again with its task token: a deferral, not a failed receive.

        Args:
            delay_s: seconds before a worker may see it, at most 900.
        """
        again = message.model_copy(update={"deferrals": message.deferrals + 1})
        _call(
            lambda: self._client.send_message(
                QueueUrl=message.batch.queue_url,
                MessageBody=again.model_dump_json(),
                DelaySeconds=min(max(delay_s, 0), MAX_DELAY_S),
                # Fair queues: a run with many batches does not hold up another one's.
                MessageGroupId=message.batch.run_id,
            )
        )

    def keep(self, queue_url: str, receipt_handle: str, lease_s: int) -> None:
        """Hide a message from other workers for some seconds from now.

        A short lease that is renewed brings a batch back soon after its worker died, where the queue's own
        visibility time-out, which must cover the longest invocation, would let it wait.
        """
        _call(
            lambda: self._client.change_message_visibility(
                QueueUrl=queue_url, ReceiptHandle=receipt_handle, VisibilityTimeout=lease_s
            )
        )


def _call(request: Callable[[], object]) -> None:
    try:
        request()
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        raise StoreUnavailableError(f"SQS refused the request: {code}.") from error
    except BotoCoreError as error:
        raise StoreUnavailableError(f"SQS did not answer: {type(error).__name__}.") from error

"""Limits that trainers and aggregators share."""

RESEND_EVENTS = 4096
"""Recent events that a trainer keeps in memory for sending them again."""
RESEND_BYTES = 16 * 1024 * 1024
READ_AHEAD_BYTES = 4 * 1024 * 1024
"""Older events that a trainer reads from its spool at once."""
CREDIT_EVENTS = 4096
"""Events that a trainer may send before the aggregator acknowledges them."""
CREDIT_BYTES = 4 * 1024 * 1024
BATCH_EVENTS = 512
"""Events in one message."""
BATCH_BYTES = 512 * 1024
MAX_EVENT_BYTES = 4 * 1024 * 1024
"""A larger event is refused by `emit`: it could never be sent and would block its stream."""
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""A larger message closes the connection it came from."""
MAX_REQUEST_BYTES = 64 * 1024
"""A viewer that sends a larger request (a subscription or a query) loses its connection."""
MAX_MEMORY_GROWTH_BYTES = 512 * 1024 * 1024
"""An aggregator that grows by more closes all connections: peers may have filled its buffers."""
MAX_STREAMS = 10_000
"""Streams that one aggregator keeps track of."""
CHUNK_BYTES = 1024 * 1024
"""Size at which a chunk of a file is closed even before a flush."""
MAX_RECORD_BYTES = 64 * 1024 * 1024
"""A larger record in a file is damage."""
LOG_FILE_BYTES = 256 * 1024 * 1024
"""Size at which a log continues in a new file."""
SPOOL_FILE_BYTES = 256 * 1024 * 1024
"""Size at which a spool continues in a new file, unless its quota requires smaller files."""
SPOOL_FILES = 8
"""Files of a spool that fit into its quota: removing the oldest one then leaves most of the spool."""
SPOOL_QUOTA_BYTES = 2 * 1024 * 1024 * 1024
"""Default for the size of all files of one spool together."""
MIN_SPOOL_QUOTA_BYTES = 16 * 1024 * 1024
SYNC_S = 1.0
"""Minimum interval between two syncs of a file to the disk."""

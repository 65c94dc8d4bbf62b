"""The numbers that both ends of the bus keep to."""

RING_EVENTS = 4096
"""Recent events that a trainer keeps in memory for sending them again."""
RING_BYTES = 16 * 1024 * 1024
READ_AHEAD_BYTES = 4 * 1024 * 1024
"""Older events that a trainer reads from its spool at once."""
CREDIT_EVENTS = 4096
"""Events that a trainer may have on the way before the aggregator acknowledges."""
CREDIT_BYTES = 4 * 1024 * 1024
BATCH_EVENTS = 512
"""Events in one message."""
BATCH_BYTES = 512 * 1024
MAX_EVENT_BYTES = 4 * 1024 * 1024
"""A larger event is refused where it is emitted, so that it can never block a stream."""
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""A larger message closes the connection that it came from."""
MAX_REQUEST_BYTES = 64 * 1024
"""A screen that sends a longer one, to subscribe or to ask, loses its connection."""
HOARD_BYTES = 512 * 1024 * 1024
"""By so much an aggregator may grow before it closes all connections, lest a peer make it hoard."""
MAX_STREAMS = 10_000
"""Streams that one aggregator keeps track of."""
CHUNK_BYTES = 1024 * 1024
"""Size at which a chunk of a file is closed even before a flush."""
MAX_RECORD_BYTES = 64 * 1024 * 1024
"""A longer record in a file is damage."""
LOG_FILE_BYTES = 256 * 1024 * 1024
"""Size at which the log goes on in a new file."""
SPOOL_FILE_BYTES = 256 * 1024 * 1024
"""Size at which a spool goes on in a new file, where its quota allows so large ones."""
SPOOL_FILES = 8
"""So many files of a spool fit into its quota, that removing the oldest one leaves most of it."""
SPOOL_QUOTA_BYTES = 2 * 1024 * 1024 * 1024
"""What the files of one spool take together at most, unless another quota is named."""
MIN_SPOOL_QUOTA_BYTES = 16 * 1024 * 1024
SYNC_S = 1.0
"""Written data is forced to the disk at most this often."""

"""The messages between the processes and the state machines of both ends; no sockets, no clock."""

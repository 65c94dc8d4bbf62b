"""The messages between the processes, and the state machines of both ends; without sockets and clocks."""

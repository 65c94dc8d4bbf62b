"""Sockets: everything that uses zmq, except for authentication."""

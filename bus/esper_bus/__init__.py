"""The way of an event from a trainer to a log and of a picture from the log to a screen.

Log first, then send: every event is in the trainer's spool before anybody else hears of it. The only
part of Esper that knows sockets. Import what is needed from its modules, e.g. `esper_bus.emitter`.
"""

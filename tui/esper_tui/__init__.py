"""Sanctum, the terminal cockpit.

Panels are pure functions from a snapshot and a size to rows of toned text. `esper_tui.app.SanctumApp` paints
them on a terminal, `esper_tui.terminal.export.print_frame` writes one frame to a stream; both draw
whatever a `SnapshotSource` delivers.
"""

"""The subcommands of `esper`: the options of each, and what it prints."""

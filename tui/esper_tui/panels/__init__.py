"""One module for each panel, and the parts that panels share with pages."""

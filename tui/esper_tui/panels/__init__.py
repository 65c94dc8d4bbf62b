"""One module for each panel, and the cells and rows that they are made of."""

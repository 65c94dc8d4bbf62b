"""Numbers, words, spans, symbols and colours."""

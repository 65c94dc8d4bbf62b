"""Bars, sparklines and block charts as text."""

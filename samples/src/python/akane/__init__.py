"""Akane: orders of a fictional shop, from acceptance to shipping."""

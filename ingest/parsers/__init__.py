"""Readers of complex formats: pure functions from a file's bytes to plain data, which `ingest.sandbox` runs."""

"""Ingest: collectors, chunkers, the ledger and the jobs that keep the index true."""

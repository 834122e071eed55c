"""Embedding models that somebody else hosts: OpenAI, Cohere, and servers that speak OpenAI's API. No torch, no ray."""

"""The search engine: the embedded node, mappings, queries, the store and its index generations."""

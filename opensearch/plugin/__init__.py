"""Everything Shirabe puts into an OpenSearch so that its own users get hybrid search and reranking from it.

The plan says what should be there, as values (`plan`); a shelf says how the cluster keeps one kind of thing
(`shelves`); `install`, `remove` and `status` compare the two.
"""

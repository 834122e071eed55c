"""What calls the model server from within the cluster: connectors, and the remote models over them.

Passages and queries are embedded by models of their own: the bundled model and its relatives put another word before
each. Every request names the revision that the plan was made for, so that a server with other weights refuses instead
of mixing two vector spaces.
"""

from __future__ import annotations

from typing import Any, Final

from opensearch.plugin.calls import Ref
from opensearch.plugin.marks import PREFIX, described, digest
from opensearch.plugin.served import ServedModels
from opensearch.plugin.shelves import CONNECTOR, MODEL, MODEL_GROUP, Thing

DENSE_PASSAGE: Final = f"{PREFIX}dense-passage"
DENSE_QUERY: Final = f"{PREFIX}dense-query"
SPARSE_PASSAGE: Final = f"{PREFIX}sparse-passage"
SPARSE_QUERY: Final = f"{PREFIX}sparse-query"
RERANK: Final = f"{PREFIX}rerank"
GROUP: Final = f"{PREFIX}models"

_NO_KEY: Final = "none"  # a connector without a credential is refused, even for a server that asks for none
_CLIENT: Final = {
    "max_connection": 30,
    "connection_timeout": 5,
    "read_timeout": 60,
    "max_retry_times": 3,
    "retry_backoff_policy": "exponential_full_jitter",
    "retry_backoff_millis": 200,
    "retry_timeout_seconds": 30,
}


def models_of(served: ServedModels, *, guarded: bool = False) -> list[Thing]:
    """Return connectors, the group, and the models, for everything that the server gives.

    `guarded`: ml-commons keeps models to those who made them, unless their group says that it is everybody's.
    """
    pairs = {name: _connector(name, served) for name in _names(served)}
    access = {"access": "public"} if guarded else {}  # refused where nothing is guarded
    group = Thing(MODEL_GROUP, GROUP, {"description": described("models of the model server"), **access})
    models = [_model(name, connector, group.ref) for name, connector in pairs.items()]
    return [*pairs.values(), group, *models]


def _names(served: ServedModels) -> list[str]:
    names = [DENSE_PASSAGE, DENSE_QUERY]
    if served.sparse:
        names += [SPARSE_PASSAGE, SPARSE_QUERY]
    if served.reranker is not None:
        names.append(RERANK)
    return names


def _connector(name: str, served: ServedModels) -> Thing:
    if name == RERANK:
        parameters = {"model": served.reranker, "revision": served.reranker_revision}
        action = _action(
            served,
            "/v2/rerank",
            '"documents": ${parameters.documents}, "query": "${parameters.query}", ',
            pre="connector.pre_process.cohere.rerank",
            post="connector.post_process.cohere.rerank",
        )
    else:
        kind = "query" if name in (DENSE_QUERY, SPARSE_QUERY) else "passage"
        parameters = {"model": served.name, "revision": served.revision}
        asked = f'"input": ${{parameters.input}}, "input_type": "{kind}", '
        if name in (DENSE_PASSAGE, DENSE_QUERY):
            post = "connector.post_process.openai.embedding"
            action = _action(served, "/v1/embeddings", asked, pre="connector.pre_process.openai.embedding", post=post)
        else:
            # Sparse weights are what neural-search wants as they come: no function after.
            action = _action(served, "/opensearch/sparse", asked, pre="connector.pre_process.default.embedding")
    spec = {"version": "1", "protocol": "http", "parameters": parameters, "client_config": _CLIENT, "actions": [action]}
    key = _NO_KEY if served.key is None else served.key.get_secret_value()
    what = f"{parameters['model']} at revision {parameters['revision']}"
    return Thing(CONNECTOR, name, {**spec, "description": _plain(what, spec), "credential": {"key": key}})


def _action(served: ServedModels, path: str, asked: str, *, pre: str, post: str | None = None) -> dict[str, Any]:
    named = '"model": "${parameters.model}", "revision": "${parameters.revision}"'
    action: dict[str, Any] = {
        "action_type": "PREDICT",
        "method": "POST",
        "url": f"{served.url}{path}",
        "request_body": f"{{ {asked}{named} }}",
        "pre_process_function": pre,
    }
    if post is not None:
        action["post_process_function"] = post
    if served.key is not None:
        action["headers"] = {"Authorization": "Bearer ${credential.key}"}
    return action


def _model(name: str, connector: Thing, group: Ref) -> Thing:
    return Thing(
        MODEL,
        name,
        {
            "description": _plain("remote model", connector.body["description"]),
            "connector_id": connector.ref,
            "model_group_id": group,
        },
    )


def _plain(what: str, spec: Any) -> str:
    """Return a description in the characters that ml-commons takes."""
    kept = "".join(char if char.isascii() and (char.isalnum() or char in " .,!?():@-_'/") else "-" for char in what)
    return described(f"{kept[:200]}, {digest(spec)}")

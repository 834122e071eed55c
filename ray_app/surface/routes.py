"""One path space over the models: which family answers what."""

from __future__ import annotations

from pydantic import SecretStr

from ray_app.observer import Observer
from ray_app.service import Bounds, Routes, Service
from ray_app.surface.cohere import CohereApi
from ray_app.surface.late import LateInteraction
from ray_app.surface.native import NativeApi
from ray_app.surface.openai import OpenAiApi
from ray_app.surface.opensearch import OpenSearchApi
from ray_app.surface.operations import OperationsApi
from ray_app.surface.parts import EmbeddingModel, PairScorer
from ray_app.surface.rerank import EitherRerank
from ray_app.surface.tei import TeiApi


def open_service(
    model: EmbeddingModel,
    cross_encoder: PairScorer | None,
    bounds: Bounds,
    api_key: SecretStr | None,
    observer: Observer | None = None,
) -> Service:
    """Return the service that answers every path for an embedder and, where there is one, a cross-encoder.

    Without a cross-encoder the embedder's token vectors rerank; a model that has none of those says so when asked.
    """
    scorer = cross_encoder or LateInteraction(model)
    cohere, tei = CohereApi(scorer), TeiApi(model, scorer)
    service: Service
    operations = OperationsApi(model, scorer.card, lambda: service.bounds)
    routes: Routes = {
        **NativeApi(model, cross_encoder).routes,
        **OpenAiApi(model, (scorer.card,)).routes,
        **cohere.routes,
        **tei.routes,
        **EitherRerank(tei, cohere).routes,
        **OpenSearchApi(model).routes,
        **operations.routes,
    }
    service = Service(routes, bounds, api_key, observer)
    return service

import json

import pytest
from api_files import Opener, cut, cut_files, texts_of

from ingest import media_types
from ingest.media_types import media_type_of
from shirabe.errors import InvalidInput

TWO = """asyncapi: 2.6.0
info: {title: 在庫イベント, version: '1.0.0', description: 在庫の動きを知らせる}
servers:
  production: {url: 'kafka.example.com:9092', protocol: kafka, description: 本番}
channels:
  stock/{warehouse}/changed:
    description: 在庫数が変わった
    parameters:
      warehouse: {description: 倉庫コード, schema: {type: string, enum: [TYO, OSA]}}
    subscribe:
      operationId: onStockChanged
      summary: 在庫の変化を受け取る
      tags: [{name: stock}]
      traits: [{$ref: '#/components/operationTraits/kafka'}]
      message: {oneOf: [{$ref: '#/components/messages/Changed'}, {$ref: '#/components/messages/Reset'}]}
    publish:
      message: {name: asked, payload: {type: object, properties: {n: {type: integer}}}}
components:
  operationTraits: {kafka: {description: Kafka の取り決め}}
  messages:
    Changed:
      title: 在庫変動
      contentType: application/json
      headers: {type: object, properties: {trace: {type: string, description: 追跡番号}}}
      payload: {$ref: '#/components/schemas/Stock'}
      examples: [{name: one, payload: {sku: A, quantity: 3}}]
    Reset: {schemaFormat: application/vnd.apache.avro, payload: {type: record, fields: [{name: sku, type: string}]}}
  schemas:
    Stock:
      type: object
      required: [sku]
      properties:
        sku: {type: string, description: 商品コード}
        reason:
          {type: string, enum: [S, R], description: "理由\\n\\n| 値 | 意味 |\\n|---|---|\\n| S | 出荷 |\\n| R | 返品 |"}
"""
THREE = {
    "asyncapi": "3.0.0",
    "info": {"title": "Accounts", "version": "1", "tags": [{"name": "users", "description": "about users"}]},
    "servers": {"test": {"host": "broker.example.com", "protocol": "amqp"}},
    "channels": {
        "signedUp": {
            "address": "user/signedup",
            "title": "Sign-ups",
            "servers": [{"$ref": "#/servers/test"}],
            "messages": {
                "SignedUp": {
                    "payload": {
                        "schemaFormat": "application/vnd.aai.asyncapi;version=3.0.0",
                        "schema": {"type": "object", "properties": {"displayName": {"type": "string"}}},
                    }
                }
            },
        },
        "replies": {"address": None, "messages": {"Ack": {"$ref": "#/components/messages/Ack"}}},
    },
    "operations": {
        "sendSignedUp": {
            "action": "send",
            "summary": "Tell that a user signed up",
            "channel": {"$ref": "#/channels/signedUp"},
            "reply": {
                "channel": {"$ref": "#/channels/replies"},
                "messages": [{"$ref": "#/channels/replies/messages/Ack"}],
            },
            "security": [{"$ref": "#/components/securitySchemes/key"}],
        }
    },
    "components": {
        "messages": {"Ack": {"payload": {"type": "string"}}},
        "securitySchemes": {"key": {"type": "apiKey", "in": "user"}},
    },
}


def test_version_2_becomes_channels_operations_messages_and_schemas() -> None:
    found = cut(TWO, path="two.yaml")
    assert found.title == "在庫イベント"
    channel = "/channels/stock~1{warehouse}~1changed"
    assert [(c.kind, c.locator) for c in found.chunks] == [
        ("overview", "two.yaml#/info"),
        ("channel", f"two.yaml#{channel}"),
        ("operation", f"two.yaml#{channel}/publish"),
        ("operation", f"two.yaml#{channel}/subscribe"),
        ("message", "two.yaml#/components/messages/Changed"),
        ("message", "two.yaml#/components/messages/Reset"),
        ("schema", "two.yaml#/components/schemas/Stock"),
    ]
    texts = list(texts_of(found).values())
    assert texts[0].endswith("Server: production kafka.example.com:9092 kafka 本番")
    assert texts[1] == (
        "Channel stock/{warehouse}/changed\n在庫数が変わった\nParameters:\n"
        "- warehouse (string): 倉庫コード; values: TYO, OSA\n"
        "Operations: PUBLISH stock/{warehouse}/changed; SUBSCRIBE stock/{warehouse}/changed 在庫の変化を受け取る\n"
        "Messages: asked, Changed, Reset"
    )
    assert "Message asked (object)\n- n (integer)" in texts[2]
    assert texts[3].startswith(
        "SUBSCRIBE stock/{warehouse}/changed\noperationId: onStockChanged\n在庫の変化を受け取る\ntags: stock\n"
        "Kafka の取り決め\nChannel stock/{warehouse}/changed: 在庫数が変わった\n"
        "Message Changed (Stock): 在庫変動\n- sku (string, required): 商品コード\n"
        "- reason (string): 理由; values: S (出荷), R (返品)"
    )
    assert texts[4] == (
        "Message Changed (application/json)\n在庫変動\nHeaders:\n- trace (string): 追跡番号\nPayload (Stock)\n"
        "- sku (string, required): 商品コード\n- reason (string): 理由; values: S (出荷), R (返品)\n"
        'Example, one: {"sku": "A", "quantity": 3}\n'
        "Used by operations: SUBSCRIBE stock/{warehouse}/changed (message)"
    )
    assert '"fields": [{"name": "sku", "type": "string"}]' in texts[5]
    assert texts[6].endswith(
        "Used by operations through Changed: SUBSCRIBE stock/{warehouse}/changed (message)\nUsed by messages: Changed"
    )
    assert found.chunks[0].meta.keys().isdisjoint(("errors", "warnings"))


def test_version_3_has_its_operations_beside_the_channels() -> None:
    found = cut(json.dumps(THREE), path="three.json")
    texts = texts_of(found)
    assert [(c.kind, c.locator.split("#")[1]) for c in found.chunks] == [
        ("overview", "/info"),
        ("channel", "/channels/signedUp"),
        ("channel", "/channels/replies"),
        ("operation", "/operations/sendSignedUp"),
        ("message", "/components/messages/Ack"),
        ("message", "/channels/signedUp/messages/SignedUp"),
    ]
    assert "Tag users: about users" in texts["three.json#/info"]
    assert texts["three.json#/channels/signedUp"].startswith("Channel user/signedup\nSign-ups\nServers: test")
    assert texts["three.json#/operations/sendSignedUp"] == (
        "SEND user/signedup\noperationId: sendSignedUp\nTell that a user signed up\nChannel user/signedup: Sign-ups\n"
        "Security: key (API key in user)\nMessage SignedUp (object)\n- displayName (string)\nReply on replies: Ack"
    )
    assert "Used by operations: SEND user/signedup (reply)" in texts["three.json#/components/messages/Ack"]
    assert "errors" not in found.chunks[0].meta


@pytest.mark.parametrize("max_tokens", [30, 1000])
def test_every_locator_opens(max_tokens: int) -> None:
    opener = Opener({"two.yaml": TWO, "three.json": json.dumps(THREE)})
    for path, text in (("two.yaml", TWO), ("three.json", json.dumps(THREE))):
        for chunk in cut(text, max_tokens, path).chunks:
            assert opener.open(chunk.locator) is not None


def test_files_are_joined() -> None:
    found = cut_files(
        {
            "api.yaml": "asyncapi: 2.6.0\ninfo: {title: t, version: '1'}\n"
            "channels: {c: {subscribe: {message: {$ref: 'messages.yaml#/Told'}}}}\n",
            "messages.yaml": "Told: {payload: {$ref: s.yaml}}\n",
            "s.yaml": "type: object\nproperties: {x: {type: string}}\n",
        }
    )
    assert [(c.kind, c.locator) for c in found.chunks[2:]] == [
        ("operation", "api.yaml#/channels/c/subscribe"),
        ("message", "messages.yaml#/Told"),
        ("schema", "s.yaml"),
    ]


def test_what_is_wrong_is_told_and_the_rest_is_read() -> None:
    operations = {
        "good": {"action": "send", "channel": {"$ref": "#/channels/signedUp"}},
        "bad": {"action": "shout", "channel": {"$ref": "#/channels/nothing"}},
    }
    found = cut(json.dumps({**THREE, "operations": operations, "info": {"title": "t"}}), path="a.json").chunks
    assert sum(chunk.kind == "operation" for chunk in found) == 2
    told = "\n".join(found[0].meta["errors"])
    for words in ("version is missing", "action shout", "channel is missing", "reference to nothing"):
        assert words in told
    with pytest.raises(InvalidInput, match="AsyncAPI 2 and 3 are read"):
        cut("asyncapi: 1.2.0\nchannels: {}\n")
    with pytest.raises(InvalidInput, match="channels must be a mapping"):
        cut("asyncapi: 2.0.0\nchannels: []\n")


def test_files_are_recognised() -> None:
    assert media_type_of("a.yaml", b"asyncapi: 2.6.0\n") == media_types.ASYNCAPI
    assert media_type_of("a.yml", b"info: {}\nasyncapi: '3.0.0'\n") == media_types.ASYNCAPI
    assert media_type_of("a.json", b'{"info": {"asyncapi": "1"}, "asyncapi": "3.0.0"}') == media_types.ASYNCAPI
    assert media_type_of("a.json", b'{"info": {"asyncapi": "3.0.0"}}') == media_types.JSON
    # Generators that sort their keys write the version last.
    long = json.dumps({"definitions": {"A": {"description": "x" * 100_000}}, "swagger": "2.0"}).encode()
    assert media_type_of("a.json", long) == media_types.OPENAPI
    assert media_type_of("a.json", long.replace(b'"swagger": "2.0"', b'"a": {"swagger": "2.0"}')) == media_types.JSON
    assert media_type_of("a.json", long[:-1] + b',"openapi"') == media_types.JSON

"""One small file of each language that is read by its structure: an order system's, comments in Japanese among them.

`units` is what stands in it with room for all of it: the kind, the symbol and the first line of each chunk.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """A file and its chunks as `kind symbol line`; `tight` is what is cut out of it where there is little room."""

    path: str
    media_type: str
    text: str
    units: tuple[str, ...]
    tight: tuple[str, ...] = ()


SAMPLES = (
    Sample(
        "src/OrderService.java",
        "text/x-java",
        """\
package jp.akane.order;

import java.util.List;

/**
 * 受注を扱うサービス。
 */
@Service
public class OrderService extends Base implements Runnable {
    private final List<String> names = List.of();

    /** Creates it. */
    public OrderService(Repository repository) {
        this.repository = repository;
    }

    // 在庫を引き当てる
    @Override
    public <R> R allocate(Order order) throws IOException {
        if (order == null) {
            return null;
        }
        return run();
    }

    enum State {
        OPEN,
        CLOSED;

        State next() {
            return CLOSED;
        }
    }
}

interface Visitor {
    void visit(Node node);
}

record Point(int x, int y) {
}
""",
        ("module - 1", "class OrderService 5", "interface Visitor 36", "record Point 40"),
        ("method OrderService.OrderService 12", "method OrderService.allocate 17", "enum OrderService.State 26"),
    ),
    Sample(
        "web/orders.ts",
        "text/x-typescript",
        """\
import { Api, type Order } from "./api";
import * as fs from "node:fs";

/** 受注 */
export interface Line {
  id: string;
  quantity: number;
}

export type Id = string | number;

@Component({ selector: "orders" })
export class OrderStore<T> extends Base {
  private cache = new Map<string, T>();

  constructor(private readonly api: Api) {
    super();
  }

  /** 引き当てる */
  @Log()
  async allocate(order: Order): Promise<void> {
    await this.api.allocate(order);
  }

  onChange = (event: Event) => {
    this.cache.clear();
  };
}

export const useOrder = (id: string) => {
  return fetch(id);
};

namespace Shop {
  export function open(): void {}
}

export default async function main() {
  await fs.promises.readFile("x");
}
""",
        (
            "module - 1",
            "interface Line 4",
            "type Id 10",
            "class OrderStore 12",
            "function useOrder 31",
            "function Shop.open 35",
            "function main 39",
        ),
        ("method OrderStore.constructor 16", "method OrderStore.allocate 20", "method OrderStore.onChange 26"),
    ),
    Sample(
        "web/Card.tsx",
        "text/x-typescript",
        """\
import { memo } from "react";

type Props = { id: string };

// 受注のカード
export const Card = memo(function Card({ id }: Props) {
  return <div className="card">{id}</div>;
});

export function List<T,>(props: Props) {
  return (
    <>
      <Card id={props.id} />
    </>
  );
}
""",
        ("module - 1", "type Props 3", "function Card 5", "function List 10"),
    ),
    Sample(
        "web/legacy.jsx",
        "text/x-javascript",
        """\
'use strict';
const api = require('./api');

// 受注を取り消す
function cancel(order) {
  return api.cancel(order);
}

class Page extends Component {
  state = { open: false };

  render() {
    return <a href="#">{this.state.open}</a>;
  }
}

Order.prototype.close = function () {
  this.open = false;
};

module.exports.cancel = cancel;
""",
        ("module - 1", "function cancel 4", "class Page 9", "method Order.close 17", "module - 21"),
        ("method Page.render 12",),
    ),
    Sample(
        "web/orders.test.mjs",
        "text/x-javascript",
        """\
import { allocate } from "./orders.mjs";

describe("引き当て", () => {
  beforeEach(() => reset());

  it("takes what is in stock", async () => {
    expect(await allocate(1)).toBe(1);
  });

  it.skip(`fails
    when nothing is left`, () => {
    expect(allocate(2)).toBe(0);
  });
});
""",
        ("module - 1", "test 引き当て 3"),
        ("test 引き当て.takes what is in stock 6", "test 引き当て.fails when nothing is left 10"),
    ),
    Sample(
        "spec/order_spec.rb",
        "text/x-ruby",
        """\
require "spec_helper"

RSpec.describe Akane::Order do
  let(:order) { described_class.new(1) }

  # 取り消し
  it "can be closed" do
    order.close!
    expect(order).to be_closed
  end

  context "when shipped" do
    it "cannot be closed" do
      expect { order.close! }.to raise_error(Shipped)
    end
  end
end
""",
        ("module - 1", "block Akane::Order 3"),
        (
            "block Akane::Order.can be closed 6",
            "block Akane::Order.when shipped.cannot be closed 12",
        ),
    ),
    Sample(
        "src/order.rs",
        "text/x-rust",
        """\
//! 受注のモデル
use std::collections::HashMap;

/// 受注
#[derive(Debug, Clone)]
pub struct Order<'a> {
    id: &'a str,
}

impl<'a> Order<'a> {
    const MAX: usize = 3;

    /// Makes one.
    pub fn new(id: &'a str) -> Self {
        Self { id }
    }

    #[inline]
    async fn close(&mut self) {}
}

impl fmt::Display for Order<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.id)
    }
}

pub trait Repository {
    fn find(&self, id: &str) -> Option<Order>;
}

macro_rules! order {
    ($id:expr) => {
        Order::new($id)
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens() {
        assert!(true);
    }
}
""",
        (
            "module - 1",
            "struct Order 4",
            "impl Order 10",
            "impl fmt::Display for Order 22",
            "trait Repository 28",
            "macro order 32",
            "function tests.opens 38",
        ),
        ("method Order.new 13", "method Order.close 18"),
    ),
    Sample(
        "src/order.c",
        "text/x-c",
        """\
#include <stdio.h>

/* 受注 */
typedef struct order {
    int id;
    char *name;
} order_t;

enum state { OPEN, CLOSED };

/** Finds one. */
order_t *find_order(const char *id);

static int (*const table[])(int) = { 0 };

#ifdef DEBUG
static void dump(const order_t *order)
{
    printf("%d", order->id);
}
#endif

int main(int argc, char **argv)
{
    return 0;
}
""",
        (
            "module - 1",
            "struct order_t 3",
            "enum state 9",
            "function find_order 11",
            "module - 14",
            "function dump 16",
            "function main 23",
        ),
    ),
    Sample(
        "src/order.h",
        "text/x-c",
        """\
#pragma once
#include <vector>

namespace akane {
namespace orders {

/// 受注の一覧
template <typename T>
class OrderList : public Base<T> {
 public:
  explicit OrderList(int id) : id_(id) {
    open();
  }

  /// Adds one.
  void add(const T& order);

  bool operator==(const OrderList& other) const {
    return id_ == other.id_;
  }

 private:
  int id_;
};

}  // namespace orders
}  // namespace akane

void akane::orders::OrderList<int>::add(const int& order) {
  size_ += 1;
}
""",
        ("module - 1", "class akane.orders.OrderList 4", "method akane.orders.OrderList.add 29"),
        (
            "method akane.orders.OrderList.OrderList 10",
            "method akane.orders.OrderList.add 15",
            "method akane.orders.OrderList.operator== 18",
        ),
    ),
    Sample(
        "src/Order.kt",
        "text/x-kotlin",
        """\
package jp.akane

import jp.akane.store.Store

/** 受注 */
@Service
class OrderService(
    private val store: Store,
) : Base() {
    val size = 1

    /** 引き当てる */
    suspend fun allocate(order: Order): Result<Int> = runCatching {
        store.take(order)
    }

    companion object {
        fun of(store: Store) = OrderService(store)
    }
}

data class Line(val id: String)

object Clock {
    fun now() = 0
}

fun Order.close(): Int {
    return 1
}

typealias Id = String
""",
        (
            "module - 1",
            "class OrderService 5",
            "class Line 22",
            "object Clock 24",
            "function close 28",
            "type Id 32",
        ),
        ("method OrderService.allocate 12", "object OrderService.Companion 17"),
    ),
    Sample(
        "lib/order.rb",
        "text/x-ruby",
        """\
# frozen_string_literal: true

require "json"

module Akane
  # 受注
  class Order < Base
    attr_reader :id

    def initialize(id)
      @id = id
    end

    # Builds one.
    def self.build(*args)
      new(*args)
    end

    private

    def close!
      @open = false
    end
  end
end

def top(value)
  value
end
""",
        ("module - 1", "class Akane.Order 5", "function top 27"),
        ("method Akane.Order.initialize 10", "method Akane.Order.build 14", "method Akane.Order.close! 19"),
    ),
    Sample(
        "src/OrderService.php",
        "text/x-php",
        """\
<?php

declare(strict_types=1);

namespace Akane\\Order;

use Akane\\Store\\Store;

/**
 * 受注
 */
#[Service]
final class OrderService extends Base implements Closable
{
    use Logs;

    public function __construct(private Store $store)
    {
    }

    /** 引き当てる */
    public static function allocate(Order $order): ?int
    {
        return 1;
    }
}

enum State: string
{
    case Open = 'open';
}

function top(int $value): int
{
    return $value;
}
""",
        ("module - 1", "class OrderService 9", "enum State 28", "function top 33"),
        ("method OrderService.__construct 17", "method OrderService.allocate 21"),
    ),
    Sample(
        "src/OrderService.cs",
        "text/x-csharp",
        """\
using System;

namespace Akane.Orders
{
    /// <summary>受注</summary>
    [Service]
    public partial class OrderService<T> : Base where T : class
    {
        private readonly int _size = 1;

        public OrderService(Store store) : base(store)
        {
        }

        /// <summary>引き当てる</summary>
        [HttpGet]
        public async Task<int> Allocate(Order order) => await store.Take(order);

        public int Size { get; set; }
    }

    public interface IStore
    {
        int Take(Order order);
    }

    public record Line(string Id, int Quantity);
}
""",
        (
            "module - 1",
            "class Akane.Orders.OrderService 3",
            "interface Akane.Orders.IStore 22",
            "record Akane.Orders.Line 27",
        ),
        ("method Akane.Orders.OrderService.OrderService 11", "method Akane.Orders.OrderService.Allocate 15"),
    ),
    Sample(
        "deploy/deploy.sh",
        "text/x-shell",
        """\
#!/usr/bin/env bash
set -euo pipefail

# 受注サービスを配る
function deploy() {
  cat <<EOF
rollback() { }
EOF
}

rollback () {
  kubectl rollout undo deployment/orders
}

deploy "$@"
""",
        ("module - 1", "function deploy 4", "function rollback 11", "module - 15"),
    ),
    Sample(
        "deploy/main.tf",
        "text/x-terraform",
        """\
terraform {
  required_version = ">= 1.6"
}

# 受注の置き場
resource "aws_s3_bucket" "orders" {
  bucket = "orders-${var.region}"
  policy = <<EOF
resource "x" {
EOF
}

variable "region" {
  default = "ap-northeast-1"
}

module "vpc" {
  source = "./vpc"
}
""",
        ("block terraform 1", "block aws_s3_bucket.orders 5", "block var.region 13", "block module.vpc 17"),
    ),
    Sample(
        "deploy/Dockerfile",
        "text/x-dockerfile",
        """\
# syntax=docker/dockerfile:1
ARG VERSION=3.11

# 作る
FROM python:${VERSION} AS build
WORKDIR /app
RUN <<EOF
FROM inside a script
EOF
COPY . .

FROM --platform=linux/amd64 debian:12
COPY --from=build /app /app
CMD ["/app/run"]
""",
        ("module - 1", "stage build 4", "stage debian:12 12"),
    ),
    Sample(
        "db/schema.sql",
        "text/x-sql",
        """\
SET client_encoding = 'UTF8';

-- 受注
CREATE TABLE IF NOT EXISTS sales.orders (
    id bigint PRIMARY KEY,
    note text DEFAULT 'a;b' -- 備考; note
);
COMMENT ON COLUMN sales.orders.note IS '受注の備考';
CREATE INDEX CONCURRENTLY orders_by_note ON sales.orders (note);

CREATE OR REPLACE VIEW open_orders AS
SELECT id FROM sales.orders;

CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.note IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END;
$$;
INSERT INTO sales.orders (id) VALUES (1);
ALTER TABLE sales.orders ADD COLUMN state text;
""",
        (
            "module - 1",
            "table sales.orders 3",
            "view open_orders 11",
            "function touch 14",
            "module - 22",
            "table sales.orders 23",
        ),
    ),
    Sample(
        "db/mysql.sql",
        "text/x-sql",
        """\
DELIMITER $$
CREATE DEFINER=`root`@`%` PROCEDURE `add_order`(IN p_id INT)
BEGIN
  DECLARE total INT DEFAULT 0;
  IF p_id > 0 THEN
    INSERT INTO orders (note) VALUES ('it\\'s; 1');
  END IF;
END$$
DELIMITER ;

CREATE TABLE `order lines` (`id` int) COMMENT='明細';
""",
        ("procedure add_order 1", "table order lines 9"),
    ),
    Sample(
        "db/server.sql",
        "text/x-sql",
        """\
CREATE TABLE [dbo].[Orders] (
    [Id] int NOT NULL
)
GO

CREATE PROCEDURE dbo.AddOrder @Id INT AS
BEGIN
    SET NOCOUNT ON;
    INSERT INTO dbo.Orders VALUES (@Id);
END
GO
""",
        ("table dbo.Orders 1", "procedure dbo.AddOrder 6"),
    ),
    Sample(
        "db/oracle.sql",
        "text/x-sql",
        """\
CREATE OR REPLACE PACKAGE BODY orders_api AS
  PROCEDURE add_order(p_id NUMBER) IS
    total NUMBER;
  BEGIN
    INSERT INTO orders VALUES (p_id);
  END add_order;
END orders_api;
/
CREATE TABLE lines (id NUMBER(10));
""",
        ("package orders_api 1", "table lines 9"),
    ),
    Sample(
        "api/orders.proto",
        "text/x-protobuf",
        """\
syntax = "proto3";
package akane.v1;
import "google/protobuf/timestamp.proto";

// 受注
message Order {
  // 識別子; { id }
  string id = 1; // "trailing }
  repeated Line lines = 2;

  message Line {
    int32 quantity = 1;
  }
  oneof owner {
    string person = 3;
    string team = 4;
  }
}

// 受注のサービス
service Orders {
  // Makes one.
  rpc Create(CreateRequest) returns (Order) {
    option (google.api.http) = { post: "/v1/orders" body: "*" };
  }
  rpc Watch(WatchRequest) returns (stream Order);
}

enum State {
  UNKNOWN = 0;
}
""",
        (
            "module - 1",
            "message Order 5",
            "service Orders 20",
            "rpc Orders.Create 22",
            "rpc Orders.Watch 26",
            "enum State 29",
        ),
        ("message Order.Line 11",),
    ),
    Sample(
        "api/schema.graphql",
        "text/x-graphql",
        '''\
# 受注のスキーマ
schema {
  query: Root
}

"""受注 { }"""
type Order implements Node @key(fields: "id") {
  "識別子"
  id: ID!
  lines(first: Int = 10): [Line!]!
}

type Root {
  "一件を返す"
  order(id: ID!): Order
  # the newest first
  orders: [Order!]!
}

extend type Mutation {
  createOrder(
    input: CreateOrder!
  ): Order!
}

enum State {
  OPEN
}

query GetOrder($id: ID!) {
  order(id: $id) {
    ...Parts
  }
}
''',
        (
            "schema schema 1",
            "type Order 6",
            "type Root 13",
            "query Root.order 14",
            "query Root.orders 16",
            "type Mutation 20",
            "mutation Mutation.createOrder 21",
            "enum State 26",
            "query GetOrder 30",
        ),
    ),
    Sample(
        "k8s/orders.yaml",
        "application/yaml",
        """\
# 受注サービス
apiVersion: apps/v1
kind: Deployment
metadata:
  name: orders
  namespace: shop
spec:
  replicas: 3
---
# 設定
apiVersion: v1
kind: ConfigMap
metadata: {name: "orders-config"}
data:
  run.sh: |
    # not a comment
    echo 1
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Service
  metadata:
    name: front
# 二つ目
- apiVersion: v1
  kind: Service
  metadata:
    name: back
""",
        (
            "manifest Deployment/shop/orders 1",
            "manifest ConfigMap/orders-config 9",
            "config - 18",
            "manifest Service/front 21",
            "manifest Service/back 26",
        ),
    ),
    Sample(
        "chart/service.yaml",
        "application/yaml",
        """\
{{- if .Values.enabled }}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "orders.name" . }}
  labels:
    {{- include "orders.labels" . | nindent 4 }}
spec:
  type: "{{ .Values.type }}-{{ .Values.kind }}"
{{- end }}
""",
        ('manifest Service/{{ include "orders.name" . }} 1',),
    ),
    Sample(
        ".github/workflows/ci.yml",
        "application/yaml",
        """\
name: ci
on: [push]
jobs:
  # 試験
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: make test TOKEN=${{ secrets.TOKEN }}
  lint:
    runs-on: ubuntu-latest
""",
        ("config - 1",),
        ("config jobs.test 3", "config jobs.lint 10"),
    ),
)

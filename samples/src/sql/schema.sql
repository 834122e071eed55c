-- Akane: the order database (PostgreSQL 16). Inventory lives in a database of its own (ADR-0004); here it is shown together.

CREATE TABLE customers (
    customer_id      text PRIMARY KEY CHECK (customer_id ~ '^CUS-\d{8}$'),
    name             text NOT NULL,
    is_company       boolean NOT NULL DEFAULT false,
    is_priority      boolean NOT NULL DEFAULT false,   -- 優先得意先: may use safety stock
    credit_limit     bigint NOT NULL DEFAULT 300000,   -- 与信枠, yen (REQ-CRD-001)
    credit_suspended boolean NOT NULL DEFAULT false,   -- 与信停止
    closing_day      smallint NOT NULL DEFAULT 31 CHECK (closing_day IN (20, 31))
);

CREATE TABLE orders (
    order_id       text PRIMARY KEY CHECK (order_id ~ '^ORD-\d{8}-\d{6}$'),
    customer_id    text NOT NULL REFERENCES customers,
    channel        text NOT NULL CHECK (channel IN ('SHOP', 'TERMINAL', 'EDI')),
    status         text NOT NULL CHECK (status IN (
                       'RECEIVED', 'CREDIT_HOLD', 'CONFIRMED', 'BACKORDERED', 'ALLOCATED',
                       'PICKING', 'SHIPPED', 'DELIVERED', 'CANCELLED', 'RETURNED')),
    hold_reason    text CHECK (hold_reason IN ('E1020', 'E1021')),
    version        integer NOT NULL DEFAULT 1,          -- optimistic lock (REQ-ORD-021)
    total_with_tax bigint NOT NULL,
    shipping_fee   bigint NOT NULL DEFAULT 0,
    points_used    integer NOT NULL DEFAULT 0 CHECK (points_used % 100 = 0),
    created_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX orders_by_customer ON orders (customer_id, created_at DESC);
CREATE INDEX orders_waiting ON orders (status, created_at) WHERE status IN ('CREDIT_HOLD', 'BACKORDERED');

CREATE TABLE order_lines (
    order_id   text NOT NULL REFERENCES orders,
    line_no    smallint NOT NULL CHECK (line_no BETWEEN 1 AND 200),
    sku        text NOT NULL,
    quantity   smallint NOT NULL CHECK (quantity BETWEEN 1 AND 999),
    unit_price bigint NOT NULL,                         -- as it was on acceptance (REQ-ORD-041)
    tax_class  text NOT NULL CHECK (tax_class IN ('STANDARD', 'REDUCED')),
    PRIMARY KEY (order_id, line_no)
);

CREATE TABLE stock (
    warehouse   text NOT NULL CHECK (warehouse IN ('WH-TYO', 'WH-OSA', 'WH-FUK')),
    sku         text NOT NULL,
    lot         text NOT NULL,
    on_hand     integer NOT NULL CHECK (on_hand >= 0),  -- 実在庫
    allocated   integer NOT NULL DEFAULT 0 CHECK (allocated >= 0),  -- 引当済数; may exceed on_hand after an adjustment
    best_before date,
    stocktaking boolean NOT NULL DEFAULT false,
    version     integer NOT NULL DEFAULT 1,
    PRIMARY KEY (warehouse, sku, lot)                   -- also the locking order (REQ-INV-032)
);

CREATE TABLE allocations (
    allocation_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id      text REFERENCES orders,               -- null while soft
    warehouse     text NOT NULL,
    sku           text NOT NULL,
    lot           text NOT NULL,
    quantity      integer NOT NULL CHECK (quantity > 0),
    expires_at    timestamptz,                          -- soft allocations only: 30 minutes (REQ-INV-010)
    FOREIGN KEY (warehouse, sku, lot) REFERENCES stock,
    CHECK ((order_id IS NULL) <> (expires_at IS NULL))
);

CREATE TABLE idempotency_keys (
    client_id   text NOT NULL,
    key         text NOT NULL CHECK (length(key) BETWEEN 8 AND 64),
    fingerprint bytea NOT NULL,
    state       text NOT NULL CHECK (state IN ('running', 'done')),
    status      smallint,
    body        jsonb,
    created_at  timestamptz NOT NULL DEFAULT now(),     -- kept for 24 hours (REQ-ORD-015)
    PRIMARY KEY (client_id, key)
);

CREATE TABLE webhooks (
    webhook_id text PRIMARY KEY,
    url        text NOT NULL CHECK (url LIKE 'https://%'),
    paused_at  timestamptz
);

CREATE TABLE outbox (
    event_id     uuid NOT NULL DEFAULT gen_random_uuid(),
    aggregate_id text NOT NULL,
    event_type   text NOT NULL,
    destination  text NOT NULL,
    payload      jsonb NOT NULL,
    attempts     smallint NOT NULL DEFAULT 0,
    created_at   timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz,
    PRIMARY KEY (event_id, created_at)
) PARTITION BY RANGE (created_at);
CREATE TABLE outbox_default PARTITION OF outbox DEFAULT;
CREATE INDEX outbox_undelivered ON outbox (aggregate_id, created_at) WHERE delivered_at IS NULL;
CREATE TABLE outbox_dead (LIKE outbox INCLUDING DEFAULTS);

CREATE TABLE points (
    customer_id text NOT NULL REFERENCES customers,
    entry_id    bigint GENERATED ALWAYS AS IDENTITY,
    delta       integer NOT NULL,
    reason      text NOT NULL CHECK (reason IN ('GRANT', 'CAMPAIGN', 'USE', 'RESTORE', 'REVOKE', 'EXPIRE', 'MANUAL')),
    order_id    text REFERENCES orders,
    expires_on  date,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (customer_id, entry_id)
);

CREATE TABLE audit_log (
    audit_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    occurred_at timestamptz NOT NULL DEFAULT now(),
    actor       text NOT NULL,
    roles       text[] NOT NULL DEFAULT '{}',
    action      text NOT NULL,
    target      text NOT NULL,
    before      jsonb,
    after       jsonb,
    reason      text,
    request_id  text,
    break_glass boolean NOT NULL DEFAULT false,
    prev_hash   bytea NOT NULL,
    hash        bytea NOT NULL UNIQUE                   -- hash chain (REQ-AUD-020)
);
REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM PUBLIC;

CREATE TABLE batch_lock (
    batch_id   text PRIMARY KEY CHECK (batch_id ~ '^BAT-\d{3}$'),
    holder     text NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE batch_progress (
    batch_id text NOT NULL,
    run_date date NOT NULL,
    last_id  text NOT NULL,
    done     integer NOT NULL,
    PRIMARY KEY (batch_id, run_date)
);

CREATE TABLE batch_failures (
    batch_id   text NOT NULL,
    run_date   date NOT NULL,
    item_id    text NOT NULL,
    error_code text NOT NULL CHECK (error_code ~ '^E1\d{3}$'),
    message    text NOT NULL,
    PRIMARY KEY (batch_id, run_date, item_id)
);

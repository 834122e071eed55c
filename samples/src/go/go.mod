module akane.example/outbox-relay

go 1.22

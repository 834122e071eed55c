package main

import (
	"context"
	"errors"
	"testing"
	"time"
)

type failing struct{ failures int }

func (f *failing) Notify(context.Context, Event) error {
	if f.failures > 0 {
		f.failures--
		return errors.New("not now")
	}
	return nil
}

func immediately(context.Context, time.Duration) error { return nil }

func TestSignIsStable(t *testing.T) {
	got := Sign([]byte("key"), time.Unix(1775001600, 0), []byte(`{"a":1}`))
	want := "t=1775001600,v1=d96c1455aec8169b655f92652c7725366fd565f7e6c554a57ab3436726718ea7"
	if got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}

func TestDrainRetriesThenGivesUp(t *testing.T) {
	events := []Event{{EventID: "1", AggregateID: "ORD-20260401-000123", Type: "order.created"}}
	delivered, dead := Worker{&failing{failures: 6}, 7, immediately}.Drain(context.Background(), events)
	if delivered != 1 || len(dead) != 0 {
		t.Fatalf("seventh attempt: delivered %d, dead %d", delivered, len(dead))
	}
	delivered, dead = Worker{&failing{failures: 7}, 7, immediately}.Drain(context.Background(), events)
	if delivered != 0 || len(dead) != 1 || dead[0].Attempts != 7 {
		t.Fatalf("delivered %d, dead %v", delivered, dead)
	}
}

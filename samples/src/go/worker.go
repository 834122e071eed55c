package main

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// schedule is the wait before each attempt of a delivery (REQ-NTF-013).
var schedule = []time.Duration{
	0,
	10 * time.Second,
	30 * time.Second,
	2 * time.Minute,
	10 * time.Minute,
	time.Hour,
	6 * time.Hour,
}

// Worker delivers events. Events of one aggregate go out in order; aggregates do not wait for each other.
type Worker struct {
	Notifier    Notifier
	MaxAttempts int
	Wait        func(context.Context, time.Duration) error
}

// Drain delivers all events and returns how many were delivered, and the dead letters.
func (w Worker) Drain(ctx context.Context, events []Event) (int, []Event) {
	queues := map[string][]Event{}
	for _, event := range events {
		queues[event.AggregateID] = append(queues[event.AggregateID], event)
	}
	var (
		mutex     sync.Mutex
		group     sync.WaitGroup
		delivered int
		dead      []Event
	)
	for _, queue := range queues {
		group.Add(1)
		go func() {
			defer group.Done()
			for _, event := range queue {
				sent, failed := w.deliver(ctx, event)
				mutex.Lock()
				if sent {
					delivered++
				} else {
					dead = append(dead, failed)
				}
				mutex.Unlock()
			}
		}()
	}
	group.Wait()
	return delivered, dead
}

// deliver tries one event by the schedule and returns it with its attempts counted.
func (w Worker) deliver(ctx context.Context, event Event) (bool, Event) {
	for event.Attempts < w.MaxAttempts {
		if err := w.Wait(ctx, backoff(event.Attempts)); err != nil {
			return false, event
		}
		event.Attempts++
		err := w.Notifier.Notify(ctx, event)
		if err == nil {
			return true, event
		}
		slog.Warn("delivery failed", "event", event.EventID, "attempt", event.Attempts, "error", err)
	}
	return false, event
}

// backoff returns the wait before the attempt after `attempts` failures: the schedule, less up to a tenth, so that
// destinations that failed together are not called together.
func backoff(attempts int) time.Duration {
	wait := schedule[min(attempts, len(schedule)-1)]
	return wait - time.Duration(rand.Float64()*0.1*float64(wait))
}

func sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

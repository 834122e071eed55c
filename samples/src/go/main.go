// Command outbox-relay delivers the events of the outbox: webhooks, mail and chat (ADR-0002).
//
// It reads events as JSON lines from a file, which stands in for the table outbox of production.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Event is one row of the outbox. EventID lets a receiver drop repetitions.
type Event struct {
	EventID     string          `json:"eventId"`
	AggregateID string          `json:"aggregateId"`
	Type        string          `json:"type"`
	Payload     json.RawMessage `json:"payload"`
	Attempts    int             `json:"attempts"`
}

func main() {
	file := flag.String("events", "-", "file of events, one JSON object a line; - is standard input")
	url := flag.String("url", "", "webhook destination; empty prints the events instead")
	once := flag.Bool("once", false, "try each event once and stop")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	if err := run(ctx, *file, *url, *once); err != nil {
		slog.Error("stopped", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, file, url string, once bool) error {
	events, err := readEvents(file)
	if err != nil {
		return err
	}
	notifier, err := chooseNotifier(url)
	if err != nil {
		return err
	}
	attempts := len(schedule)
	if once {
		attempts = 1
	}
	worker := Worker{Notifier: notifier, MaxAttempts: attempts, Wait: sleep}
	delivered, dead := worker.Drain(ctx, events)
	slog.Info("drained", "delivered", delivered, "dead", len(dead))
	return ctx.Err()
}

func chooseNotifier(url string) (Notifier, error) {
	if url == "" {
		return PrintNotifier{Out: os.Stdout}, nil
	}
	key, err := hex.DecodeString(os.Getenv("AKANE_WEBHOOK_KEY"))
	if err != nil || len(key) == 0 {
		return nil, fmt.Errorf("AKANE_WEBHOOK_KEY must hold the signing key in hex")
	}
	return WebhookNotifier{
		URL:    url,
		Key:    key,
		Client: &http.Client{Timeout: 5 * time.Second},
		Now:    time.Now,
	}, nil
}

func readEvents(file string) ([]Event, error) {
	var in io.Reader = os.Stdin
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer opened.Close()
		in = opened
	}
	var events []Event
	lines := bufio.NewScanner(in)
	for number := 1; lines.Scan(); number++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var event Event
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		events = append(events, event)
	}
	return events, lines.Err()
}

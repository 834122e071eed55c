package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Notifier delivers one event once. An error means that the event is to be tried again.
type Notifier interface {
	Notify(ctx context.Context, event Event) error
}

// WebhookNotifier posts events to a partner, signed with HMAC-SHA256 (ADR-0009).
type WebhookNotifier struct {
	URL    string
	Key    []byte
	Client *http.Client
	Now    func() time.Time
}

// Notify posts the event; every attempt is signed anew, so that a late retry is not refused as stale.
func (n WebhookNotifier) Notify(ctx context.Context, event Event) error {
	body, err := json.Marshal(event)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, n.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Akane-Signature", Sign(n.Key, n.Now(), body))
	response, err := n.Client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return fmt.Errorf("%s answered %d", n.URL, response.StatusCode)
	}
	return nil
}

// Sign returns the value of the Akane-Signature header: the time and the HMAC over time, dot and raw body.
func Sign(key []byte, at time.Time, body []byte) string {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(stamp + "."))
	mac.Write(body)
	return "t=" + stamp + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

// printing keeps lines of concurrent deliveries whole.
var printing sync.Mutex

// PrintNotifier writes events as JSON lines, for development.
type PrintNotifier struct {
	Out io.Writer
}

// Notify writes the event.
func (n PrintNotifier) Notify(_ context.Context, event Event) error {
	printing.Lock()
	defer printing.Unlock()
	return json.NewEncoder(n.Out).Encode(event)
}

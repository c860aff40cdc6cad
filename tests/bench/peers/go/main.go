// net/http and franz-go.
package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

type route struct{ Account, System, Secret string }

type server struct {
	routes map[string]route
	kafka  *kgo.Client
}

func verified(secret string, body []byte, signature string) bool {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	given, err := hex.DecodeString(signature)
	return err == nil && hmac.Equal(mac.Sum(nil), given)
}

// events takes one event, or an array of them.
func events(body []byte) ([]map[string]any, error) {
	var many []map[string]any
	if len(body) > 0 && body[0] == '[' {
		return many, json.Unmarshal(body, &many)
	}
	var one map[string]any
	err := json.Unmarshal(body, &one)
	return []map[string]any{one}, err
}

func header(key, value string) kgo.RecordHeader {
	return kgo.RecordHeader{Key: key, Value: []byte(value)}
}

func traceparent() string {
	var random [24]byte
	_, _ = rand.Read(random[:])
	return fmt.Sprintf("00-%x-%x-01", random[:16], random[16:])
}

func (s *server) record(r route, event map[string]any, id string, at time.Time, trace string) (*kgo.Record, error) {
	resource, _ := event["resource"].(string)
	kind, _ := event["eventType"].(string)
	subject, _ := event["resourceId"].(string)
	event["account"], event["system"], event["provider"] = r.Account, r.System, "maesn"
	value, err := json.Marshal(event)
	if err != nil {
		return nil, err
	}
	slug := strings.ToLower(strings.ReplaceAll(resource, "_", "-"))
	date, _ := event["filterDate"].(string)
	return &kgo.Record{
		Topic: "maesn." + slug, Key: []byte(resource + ":" + r.Account), Value: value,
		Headers: []kgo.RecordHeader{
			header("content-type", "application/json"), header("ce_specversion", "1.0"), header("ce_id", id),
			header("ce_source", "/maesn/"+r.Account), header("ce_type", "com.maesn."+slug+"."+strings.ToLower(kind)),
			header("ce_subject", subject), header("ce_time", date),
			header("ce_recordedtime", at.UTC().Format(time.RFC3339Nano)), header("ce_dataschema", "urn:maesn:"+slug+":1"),
			header("traceparent", trace),
		},
	}, nil
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/ready" {
		return
	}
	at := time.Now()
	route, found := s.routes[r.URL.Path]
	if !found {
		http.NotFound(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<18))
	if err != nil {
		http.Error(w, "body", http.StatusRequestEntityTooLarge)
		return
	}
	if !verified(route.Secret, body, r.Header.Get("X-MAESN-SIGNATURE")) {
		http.Error(w, "signature", http.StatusUnauthorized)
		return
	}
	all, err := events(body)
	if err != nil {
		http.Error(w, "json", http.StatusBadRequest)
		return
	}
	digest := sha256.Sum256(append([]byte(r.URL.Path+"\x00"), body...))
	trace := traceparent()
	records := make([]*kgo.Record, 0, len(all))
	for i, event := range all {
		record, err := s.record(route, event, fmt.Sprintf("%x-%d", digest[:16], i), at, trace)
		if err != nil {
			http.Error(w, "json", http.StatusBadRequest)
			return
		}
		records = append(records, record)
	}
	ctx, cancel := context.WithTimeout(r.Context(), 2500*time.Millisecond)
	defer cancel()
	if err := s.kafka.ProduceSync(ctx, records...).FirstErr(); err != nil {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "kafka", http.StatusServiceUnavailable)
	}
}

// tuned is what the ordinary configuration, the library's own, becomes after an afternoon of measuring.
func tuned() []kgo.Opt {
	debug.SetGCPercent(400)
	return []kgo.Opt{kgo.ProducerLinger(time.Millisecond), kgo.ProducerBatchCompression(kgo.NoCompression())}
}

// serve ends when everybody who asked before SIGTERM has an answer.
func serve(s *server) error {
	web := &http.Server{Addr: os.Getenv("LISTEN"), Handler: s}
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	stopped := make(chan error)
	go func() {
		<-terminated
		stopped <- web.Shutdown(context.Background())
	}()
	var err error
	if certificate := os.Getenv("TLS_CERTIFICATE"); certificate != "" {
		err = web.ListenAndServeTLS(certificate, os.Getenv("TLS_KEY"))
	} else {
		err = web.ListenAndServe()
	}
	if err != http.ErrServerClosed {
		return err
	}
	return <-stopped
}

func main() {
	text, err := os.ReadFile(os.Getenv("ROUTES"))
	if err != nil {
		log.Fatal(err)
	}
	s := &server{}
	if err := json.Unmarshal(text, &s.routes); err != nil {
		log.Fatal(err)
	}
	options := []kgo.Opt{kgo.SeedBrokers(strings.Split(os.Getenv("BROKERS"), ",")...), kgo.RequiredAcks(kgo.AllISRAcks())}
	if os.Getenv("TUNED") != "" {
		options = append(options, tuned()...)
	}
	s.kafka, err = kgo.NewClient(options...)
	if err != nil {
		log.Fatal(err)
	}
	if err := serve(s); err != nil {
		log.Fatal(err)
	}
}

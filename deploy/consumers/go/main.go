// Reads what the bridge writes, and says which record is to be read again at Maesn.
//
//	go run . BROKERS GROUP TOPIC...
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

// More than this machine's clock and the bridge's may differ.
const clocks = 10 * time.Second

// The members every event has; what else a provider sent is in the value too.
type event struct {
	Account  string `json:"account"`
	Resource string `json:"resource"`
}

// A CloudEvent in binary mode has its attributes in headers whose names begin with ce_.
func header(message kafka.Message, name string) string {
	for _, h := range message.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

func main() {
	ctx := context.Background()
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: strings.Split(os.Args[1], ","), GroupID: os.Args[2], GroupTopics: os.Args[3:],
		StartOffset: kafka.FirstOffset,
	})
	lastRead := map[string]time.Time{} // record -> when the last read of it began; keep it in your database
	for {
		message, err := reader.FetchMessage(ctx)
		if err != nil {
			log.Fatal(err)
		}
		var e event
		if err := json.Unmarshal(message.Value, &e); err != nil {
			log.Fatal(err)
		}
		received, err := time.Parse(time.RFC3339, header(message, "ce_recordedtime"))
		if err != nil {
			log.Fatal(err)
		}
		record := e.Account + " " + e.Resource + " " + header(message, "ce_subject")
		if !lastRead[record].After(received) {
			lastRead[record] = time.Now().Add(-clocks) // before the read
			fmt.Println("read", record)
		} else {
			fmt.Println("skip", record)
		}
		if err := reader.CommitMessages(ctx, message); err != nil {
			log.Fatal(err)
		}
	}
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// Event is what a subscriber is told. Type: Publication, Gap, Recall or Subscribed.
type Event struct {
	Type      string          `json:"type"`
	Channel   string          `json:"channel"`
	Offset    int64           `json:"offset"`              // 0 in the plain protocol, which tells none
	Data      any             `json:"data"`                // string, or []byte of a binary publication
	Count     int64           `json:"count,omitempty"`     // of a sum: what it adds up to
	After     int64           `json:"after,omitempty"`     // of a gap: what is in (After, Upto] does not come;
	Upto      int64           `json:"upto,omitempty"`      // -1: the channel's order began anew
	Reason    string          `json:"reason,omitempty"`    // of a gap: slow, bus, missed or epoch
	Recall    json.RawMessage `json:"recall,omitempty"`    // {"offsets":[…]}, or {"upto":…} for all up to it
	Recovered bool            `json:"recovered,omitempty"` // subscribed again: the history gave what was missed
}

// ErrRefused ends Run: the gateway does not want this client back, or refused a subscription or its token.
var ErrRefused = errors.New("refused")

// Subscriber gives the events of channels, over as many connections as it takes. The plain protocol has one channel.
type Subscriber struct {
	URL, Token string // no Token: nobody
	Channels   []string
	Plain      bool

	handle    func(Event)
	positions map[string]position
	backoff   *message
}

// Run hands over events until ctx ends, or until ErrRefused.
func (s *Subscriber) Run(ctx context.Context, handle func(Event)) error {
	s.handle = handle
	s.positions, s.backoff = map[string]position{}, &message{BaseMs: 500, CapMs: 20_000}
	for failures := 0; ; failures++ {
		began := time.Now()
		wait, err := s.session(ctx)
		code := int(websocket.CloseStatus(err))
		if slices.Contains([]int{1000, 1002, 1003, 1007, 1008, 1009, 1010}, code) || code >= 4500 && code <= 4999 {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
		if errors.Is(err, ErrRefused) || ctx.Err() != nil {
			return err
		}
		if time.Since(began) >= 10*time.Second { // only a connection that lasted makes the next wait short again
			failures = 0
		}
		most := min(s.backoff.CapMs, s.backoff.BaseMs*math.Pow(2, float64(min(failures, 20))))
		select {
		case <-ctx.Done():
		case <-time.After(wait + millis(rand.Float64()*most)):
		}
	}
}

// session is one connection. It returns how long the gateway asks to stay away, and why it ended.
func (s *Subscriber) session(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	protocol, speak := []string{"barrage.v1"}, s.v1
	if s.Plain {
		protocol, speak = nil, s.plain
	}
	conn, response, err := websocket.Dial(ctx, s.URL, &websocket.DialOptions{Subprotocols: protocol})
	if err != nil { // nobody there, full, or too many dial at once
		return retryAfter(response), err
	}
	defer conn.CloseNow()
	conn.SetReadLimit(-1)
	return 0, speak(ctx, conn)
}

// plain has no positions: nothing tells of what is missed while there is no connection.
func (s *Subscriber) plain(ctx context.Context, conn *websocket.Conn) error {
	kind, name, _ := strings.Cut(s.Channels[0], ":") // video:1 is 1@video here
	commands := []map[string]any{{"op": "auth", "token": s.Token}, {"op": "subscribe", "channel": name + "@" + kind}}
	if s.Token == "" {
		commands = commands[1:]
	}
	for _, command := range commands {
		send(ctx, conn, command)
		_, frame, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		if strings.HasPrefix(string(frame), `{"code":`) {
			return fmt.Errorf("%w: %s: %s", ErrRefused, command["op"], frame)
		}
	}
	s.handle(Event{Type: "Subscribed", Channel: s.Channels[0]})
	go every(ctx, 20*time.Second, func() {
		patience, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if conn.Ping(patience) != nil {
			conn.CloseNow() // the other end is gone without a word
		}
	})
	for {
		kind, frame, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		event := Event{Type: "Publication", Channel: s.Channels[0], Data: string(frame), Count: 1}
		if kind == websocket.MessageBinary {
			event.Data = frame
		}
		s.handle(event)
	}
}

func send(ctx context.Context, conn *websocket.Conn, command map[string]any) {
	text, _ := json.Marshal(command)
	conn.Write(ctx, websocket.MessageText, text) // a connection that is broken is found by reading
}

func every(ctx context.Context, interval time.Duration, do func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval):
			do()
		}
	}
}

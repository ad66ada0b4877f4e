package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/coder/websocket"
)

type position struct {
	Epoch  string `json:"epoch"`
	Offset int64  `json:"offset"`
}

// message is any message of a gateway.
type message struct {
	Type, Channel, Epoch, Reason, Message                 string
	ID, After, Upto                                       int64
	BaseMs, CapMs, PingIntervalMs, PongTimeoutMs, AfterMs float64
	Backoff                                               *message
	Before                                                position
	Items                                                 []item
	Result                                                struct {
		position
		Recovered bool
	}
	Error *struct {
		Message string
		Retry   bool
	}
}

type item struct {
	Offset, Size, Count int64
	Data, Kind          string
	Parts               []int64
	Recall              json.RawMessage
	payload             any // string or []byte
}

func (s *Subscriber) v1(ctx context.Context, conn *websocket.Conn) error {
	hello, err := read(ctx, conn, 10*time.Second)
	if err != nil {
		return err
	}
	s.backoff = hello.Backoff
	interval := millis(hello.PingIntervalMs)
	var commands []map[string]any // before the pings, by id
	if s.Token != "" {
		commands = append(commands, map[string]any{"id": 0, "op": "auth", "token": s.Token})
	}
	for _, channel := range s.Channels {
		command := map[string]any{"id": len(commands), "op": "subscribe", "channel": channel}
		if since, known := s.positions[channel]; known {
			command["since"] = since
		}
		commands = append(commands, command)
	}
	for _, command := range commands {
		send(ctx, conn, command)
	}
	go every(ctx, interval, func() { send(ctx, conn, map[string]any{"id": len(commands), "op": "ping"}) })
	for {
		told, err := read(ctx, conn, interval+millis(hello.PongTimeoutMs))
		if err != nil {
			return err
		}
		switch at := s.positions[told.Channel]; told.Type {
		case "reply":
			if told.Error != nil && told.Error.Retry {
				return errors.New(told.Error.Message) // come back, and ask again
			} else if told.Error != nil {
				return fmt.Errorf("%w: %s: %s", ErrRefused, commands[told.ID]["op"], told.Error.Message)
			} else if told.ID < int64(len(commands)) && commands[told.ID]["op"] == "subscribe" {
				s.subscribed(commands[told.ID]["channel"].(string), told.Result.position, told.Result.Recovered)
			}
		case "batch":
			s.batch(told)
		case "gap":
			s.positions[told.Channel] = position{told.Epoch, told.Upto}
			s.handle(Event{Type: "Gap", Channel: told.Channel, After: told.After, Upto: told.Upto, Reason: told.Reason})
		case "epoch":
			if strings.HasPrefix(told.Before.Epoch, at.Epoch) && at.Offset <= told.Before.Offset {
				s.positions[told.Channel] = position{told.Epoch, at.Offset}
			}
		case "backoff":
			s.backoff = told
		case "unsubscribed":
			return fmt.Errorf("%w: %s: %s", ErrRefused, told.Channel, told.Message)
		case "reconnect": // the SDK keeps both connections for a moment; here the history fills what comes between
			time.AfterFunc(millis(rand.Float64()*told.AfterMs), func() { conn.Close(websocket.StatusGoingAway, "") })
		}
	}
}

func (s *Subscriber) subscribed(channel string, to position, recovered bool) {
	s.handle(Event{Type: "Subscribed", Channel: channel, Recovered: recovered})
	at, known := s.positions[channel]
	switch {
	case known && !recovered && !strings.HasPrefix(to.Epoch, at.Epoch):
		s.handle(Event{Type: "Gap", Channel: channel, After: at.Offset, Upto: -1, Reason: "epoch"})
	case known && !recovered && to.Offset > at.Offset:
		s.handle(Event{Type: "Gap", Channel: channel, After: at.Offset, Upto: to.Offset, Reason: "missed"})
	case known:
		to.Offset = at.Offset // a lower one repeats what is known
	}
	s.positions[channel] = to
}

func (s *Subscriber) batch(batch *message) {
	at, known := s.positions[batch.Channel]
	if !known || !strings.HasPrefix(batch.Epoch, at.Epoch) {
		if known {
			s.handle(Event{Type: "Gap", Channel: batch.Channel, After: at.Offset, Upto: -1, Reason: "epoch"})
		}
		at.Offset = batch.After
	} else if batch.After > at.Offset {
		s.handle(Event{Type: "Gap", Channel: batch.Channel, After: at.Offset, Upto: batch.After, Reason: "missed"})
	}
	for _, item := range batch.Items {
		if item.Offset <= at.Offset {
			continue
		} else if item.Recall != nil {
			s.handle(Event{Type: "Recall", Channel: batch.Channel, Offset: item.Offset, Recall: item.Recall})
			continue
		}
		item.Count = max(1, item.Count)
		for part, offset := 0, item.Offset; part < len(item.Parts); part += 2 {
			// Its parts: count, distance, count, … from the newest on. One at or below the position is known already.
			if part > 0 {
				offset -= item.Parts[part-1]
			}
			if offset <= at.Offset {
				item.Count -= item.Parts[part]
			}
		}
		s.handle(Event{Type: "Publication", Channel: batch.Channel, Offset: item.Offset, Data: item.payload, Count: item.Count})
	}
	s.positions[batch.Channel] = position{batch.Epoch, max(batch.Upto, at.Offset)}
}

// read reads a message. A binary frame has a batch: the length of its header, the header, and the payloads.
func read(ctx context.Context, conn *websocket.Conn, patience time.Duration) (*message, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	kind, header, err := conn.Read(ctx)
	if err != nil {
		return nil, err
	}
	var payloads []byte
	if kind == websocket.MessageBinary {
		at := 4 + binary.BigEndian.Uint32(header)
		header, payloads = header[4:at], header[at:]
	}
	var told message
	if err := json.Unmarshal(header, &told); err != nil {
		return nil, err
	}
	for index := range told.Items {
		item := &told.Items[index]
		item.payload = item.Data
		if kind == websocket.MessageBinary {
			item.payload = payloads[:item.Size]
			if item.Kind != "binary" {
				item.payload = string(payloads[:item.Size])
			}
			payloads = payloads[item.Size:]
		}
	}
	return &told, nil
}

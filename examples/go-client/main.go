// Command barrage subscribes to a channel of Barrage (subscribe.go), or publishes to one (publish.go).
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"
)

const usage = `usage: barrage [-plain] [-token TOKEN] ws://localhost:6790/ CHANNEL
       barrage [-api-key KEY] http://localhost:6789 CHANNEL TEXT`

func main() {
	plain := flag.Bool("plain", false, "subscribe by the plain protocol")
	token := flag.String("token", "", "who subscribes")
	apiKey := flag.String("api-key", os.Getenv("BARRAGE_API_KEY"), "who publishes; default: the variable BARRAGE_API_KEY")
	flag.Parse()
	ctx := context.Background()
	out := json.NewEncoder(os.Stdout)
	var err error
	switch flag.NArg() {
	case 2:
		subscriber := Subscriber{URL: flag.Arg(0), Token: *token, Channels: flag.Args()[1:], Plain: *plain}
		err = subscriber.Run(ctx, func(event Event) { out.Encode(event) })
	case 3:
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		var result json.RawMessage
		if result, err = Publish(ctx, flag.Arg(0), *apiKey, map[string]any{"c": flag.Arg(1), "d": flag.Arg(2)}); err == nil {
			fmt.Println(string(result))
		}
	default:
		err = errors.New(usage)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "barrage:", err)
		os.Exit(1)
	}
}

package main

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// ErrRefused is the failure of a request that must not be repeated as it is.
var ErrRefused = errors.New("refused")

// Publish publishes once, however often it has to ask. The fields are those of docs/publish-api.md.
func Publish(ctx context.Context, url, apiKey string, fields map[string]any) (json.RawMessage, error) {
	body, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	key := crand.Text()
	for attempt := 0; ; attempt++ {
		result, wait, err := publishOnce(ctx, url, apiKey, key, body)
		if err == nil || errors.Is(err, ErrRefused) {
			return result, err
		}
		asked := wait + wait*time.Duration(rand.IntN(50))/100
		wait = max(asked, millis(rand.Float64()*min(5_000, 200*math.Pow(2, float64(attempt)))))
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(wait):
		}
	}
}

func publishOnce(ctx context.Context, url, apiKey, key string, body []byte) (json.RawMessage, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "POST", url+"/v1/mesh/publish", bytes.NewReader(body))
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	request.Header = http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {key}}
	if apiKey != "" {
		request.Header.Set("Authorization", "Bearer "+apiKey)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil { // it may have been published, so the key stays the same
		return nil, 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	var answer struct{ R json.RawMessage }
	if err == nil && response.StatusCode == 200 && json.Unmarshal(text, &answer) == nil {
		return answer.R, 0, nil
	}
	if response.StatusCode != 429 && response.StatusCode < 500 {
		return nil, 0, fmt.Errorf("%w: %d: %s", ErrRefused, response.StatusCode, text)
	}
	return nil, retryAfter(response), fmt.Errorf("%d: %s", response.StatusCode, text)
}

func millis(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

func retryAfter(response *http.Response) time.Duration {
	if response == nil {
		return 0
	}
	seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
	return time.Duration(seconds) * time.Second
}

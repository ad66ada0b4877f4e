// Command backend gives clients of Barrage tokens, checks and publishes their comments, and answers the auth webhook.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var (
	barrageURL = cmp.Or(os.Getenv("BARRAGE_URL"), "http://localhost:6789")
	apiKey     = os.Getenv("BARRAGE_API_KEY")
	secret     = []byte(os.Getenv("BARRAGE_JWT_SECRET")) // of at least 32 characters, the gateways have the same

	userForm    = regexp.MustCompile(`^[\w-]{1,64}$`)
	channelForm = regexp.MustCompile(`^video:\w{1,64}$`)
	limiter     = newLimiter()
)

type claims struct {
	UID string `json:"uid"`
	jwt.RegisteredClaims
}

// userOf is the user of a token that this backend made; empty for any other.
func userOf(token string) string {
	var found claims
	key := func(*jwt.Token) (any, error) { return secret, nil }
	if _, err := jwt.ParseWithClaims(token, &found, key, jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired()); err != nil {
		return ""
	}
	return found.UID
}

// token believes everybody: put your own sign-in before it.
func token(w http.ResponseWriter, r *http.Request) {
	user := r.URL.Query().Get("user")
	if !userForm.MatchString(user) {
		answer(w, http.StatusBadRequest, map[string]any{"error": "user: letters, digits, _ and -"})
		return
	}
	expires := jwt.NewNumericDate(time.Now().Add(time.Hour))
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{user, jwt.RegisteredClaims{ExpiresAt: expires}}).SignedString(secret)
	if err != nil {
		answer(w, http.StatusInternalServerError, map[string]any{"error": "our mistake"})
		return
	}
	answer(w, http.StatusOK, map[string]any{"token": signed})
}

func comment(w http.ResponseWriter, r *http.Request) {
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	user := userOf(bearer)
	if user == "" {
		answer(w, http.StatusUnauthorized, map[string]any{"error": "sign in again"})
		return
	}
	var given struct{ Channel, Text string }
	if !read(w, r, &given) {
		return
	}
	if !channelForm.MatchString(given.Channel) {
		answer(w, http.StatusBadRequest, map[string]any{"error": "channel: video:NAME"})
		return
	}
	if fault := faultOf(given.Text); fault != "" {
		answer(w, http.StatusUnprocessableEntity, map[string]any{"error": fault})
		return
	}
	if !limiter.mayWrite(user, time.Now()) {
		answer(w, http.StatusTooManyRequests, map[string]any{"error": "not so fast"})
		return
	}
	data, _ := json.Marshal(map[string]string{"user": user, "text": given.Text})
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	published, err := Publish(ctx, barrageURL, apiKey, map[string]any{"c": given.Channel, "d": string(data), "user": user})
	switch {
	case errors.Is(err, ErrRefused):
		log.Print(err)
		answer(w, http.StatusInternalServerError, map[string]any{"error": "our mistake"})
	case err != nil:
		log.Print(err)
		answer(w, http.StatusServiceUnavailable, map[string]any{"error": "try again"})
	default:
		var place struct{ Offset int64 }
		json.Unmarshal(published, &place)
		answer(w, http.StatusCreated, map[string]any{"offset": place.Offset})
	}
}

// auth is for gateways with BARRAGE_AUTH_URL in place of the secret.
func auth(w http.ResponseWriter, r *http.Request) {
	var given struct{ Token string }
	if !read(w, r, &given) {
		return
	}
	if user := userOf(given.Token); user != "" {
		answer(w, http.StatusOK, map[string]any{"uid": user})
		return
	}
	answer(w, http.StatusUnauthorized, map[string]any{"error": "no such token"})
}

// read reads a JSON object of at most 8 KiB, or answers what is wrong.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 8192)).Decode(into); err != nil {
		answer(w, http.StatusBadRequest, map[string]any{"error": "send a JSON object of at most 8 KiB"})
		return false
	}
	return true
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

func main() {
	if len(secret) < 32 {
		log.Fatal("BARRAGE_JWT_SECRET must have at least 32 characters, such as of: openssl rand -hex 32")
	}
	http.HandleFunc("GET /token", token)
	http.HandleFunc("POST /comments", comment)
	http.HandleFunc("POST /auth", auth)
	address := fmt.Sprintf("%s:%s", cmp.Or(os.Getenv("HOST"), "127.0.0.1"), cmp.Or(os.Getenv("PORT"), "8080"))
	log.Printf("http://%s", address)
	server := &http.Server{Addr: address, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 20 * time.Second}
	log.Fatal(server.ListenAndServe())
}

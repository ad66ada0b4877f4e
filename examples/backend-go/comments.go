package main

import (
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// The rules of comments. Put your own here.
const (
	lengthMax = 200
	burst     = 5
	perSecond = 1
)

var badWords = []string{"spamword", "脏话"}

// faultOf is why a comment is refused; empty for a good one.
func faultOf(text string) string {
	if strings.TrimSpace(text) == "" {
		return "write something"
	}
	if utf8.RuneCountInString(text) > lengthMax {
		return fmt.Sprintf("at most %d characters", lengthMax)
	}
	// "ＳＰＡＭＷＯＲＤ" and "SpamWord" are the same word.
	plain := strings.ToLower(strings.Map(func(r rune) rune {
		if r >= '！' && r <= '～' {
			return r - '！' + '!'
		}
		return r
	}, text))
	for _, word := range badWords {
		if strings.Contains(plain, word) {
			return "mind your words"
		}
	}
	return ""
}

type spent struct {
	level float64
	at    time.Time
}

// left is what of it is not taken back yet: one second's worth each second.
func (s spent) left(now time.Time) float64 {
	return max(0, s.level-now.Sub(s.at).Seconds()*perSecond)
}

type rateLimiter struct {
	mutex sync.Mutex
	users map[string]spent
}

func newLimiter() *rateLimiter { return &rateLimiter{users: map[string]spent{}} }

// mayWrite takes one from what this user may write now. A user who wrote nothing for a while is forgotten.
func (l *rateLimiter) mayWrite(user string, now time.Time) bool {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if len(l.users) > 10_000 {
		for name, spent := range l.users {
			if spent.left(now) == 0 {
				delete(l.users, name)
			}
		}
	}
	level := l.users[user].left(now) + 1
	if level > burst {
		return false
	}
	l.users[user] = spent{level, now}
	return true
}

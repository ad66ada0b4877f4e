// The floor: what writing the same WebSocket frames to the same sockets costs a C program that does nothing else.
//
// usage: floor            prints "listening PORT", then obeys lines on standard input until it ends:
//   publish RATE BURST COUNT   COUNT publications at RATE a second, BURST frames to a write; prints "published COUNT"
//
// Clients connect without an upgrade: the frames are those of a WebSocket server, the handshake costs nothing per frame.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { payload_bytes = 200, header_bytes = 4, frame_bytes = header_bytes + payload_bytes, members_max = 20000, burst_max = 1000 };

// The same text as in load.ts.
static const char payload_start[] = "{\"event\":\"@video\",\"data\":{\"uid\":1001,\"video_id\":100001,\"msg\":\"#seq=";
static const char payload_end[] = "\"}}";
static const char filler[] = " comments fly over the video";

static int members[members_max];
static size_t member_count;
static unsigned long long sequence;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static unsigned long long now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (unsigned long long)now.tv_sec * 1000000000ULL + (unsigned long long)now.tv_nsec;
}

static void write_frame(char *frame) {
  frame[0] = (char)0x81;
  frame[1] = 126;
  frame[2] = (char)(payload_bytes >> 8);
  frame[3] = (char)(payload_bytes & 0xff);
  char *payload = frame + header_bytes;
  char marker[64];
  int marker_length = snprintf(marker, sizeof marker, "%012llu,%019llu", ++sequence, now_ns());
  size_t at = sizeof payload_start - 1;
  memcpy(payload, payload_start, at);
  memcpy(payload + at, marker, (size_t)marker_length);
  at += (size_t)marker_length;
  const size_t end = payload_bytes - (sizeof payload_end - 1);
  for (size_t index = 0; at < end; at++, index++) payload[at] = filler[index % (sizeof filler - 1)];
  memcpy(payload + end, payload_end, sizeof payload_end - 1);
}

static void write_whole(int socket, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t written = write(socket, bytes, length);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write");
    bytes += written;
    length -= (size_t)written;
  }
}

static void publish(unsigned long rate, unsigned long burst, unsigned long count) {
  static char frames[burst_max * frame_bytes];
  const unsigned long long interval = burst * 1000000000ULL / rate;
  unsigned long long next = now_ns();
  for (unsigned long published = 0; published < count;) {
    struct timespec wake = {(time_t)(next / 1000000000ULL), (long)(next % 1000000000ULL)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, NULL) == EINTR) continue;
    size_t length = 0;
    for (unsigned long index = 0; index < burst && published < count; index++, published++, length += frame_bytes)
      write_frame(frames + length);
    for (size_t member = 0; member < member_count; member++) write_whole(members[member], frames, length);
    next += interval;
  }
  printf("published %lu\n", count);
}

static void obey(const char *line) {
  unsigned long rate, burst, count;
  if (sscanf(line, "publish %lu %lu %lu", &rate, &burst, &count) != 3 || rate == 0 || burst == 0 || burst > burst_max) {
    fprintf(stderr, "floor: not a command: %s", line);
    exit(1);
  }
  publish(rate, burst, count);
}

static void accept_member(int listener) {
  int socket = accept(listener, NULL, NULL);
  if (socket < 0) fail("accept");
  if (member_count == members_max) exit(1);
  int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  members[member_count++] = socket;
}

static int listen_on_loopback(void) {
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 4096) < 0) fail("listen");
  if (getsockname(listener, (struct sockaddr *)&address, &length) < 0) fail("getsockname");
  printf("listening %d\n", ntohs(address.sin_port));
  return listener;
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  setvbuf(stdout, NULL, _IOLBF, 0);
  struct pollfd watched[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = listen_on_loopback(), .events = POLLIN}};
  for (;;) {
    if (poll(watched, 2, -1) < 0) fail("poll");
    if (watched[1].revents) accept_member(watched[1].fd);
    if (watched[0].revents) {
      char line[256];
      if (fgets(line, sizeof line, stdin) == NULL) return 0;
      obey(line);
    }
  }
}

// The clients of a benchmark: N connections in one thread, which count what reaches them.
//
// usage: sink PORT CONNECTIONS MODE [RECEIVE_BUFFER_BYTES]
//   raw         connects, no upgrade (the C floor)
//   ws          upgrades, sends nothing (a bare WebSocket server)
//   plain       upgrades and subscribes with Barrage's plain protocol
//   barrage.v1  upgrades and subscribes with subprotocol barrage.v1
//   sse         asks for an event stream of the channel
//   returning   upgrades with subprotocol barrage.v1, and subscribes when told to come
//   dialing     connects only when told to come, all at once, and subscribes with subprotocol barrage.v1
//
// Prints "ready" when every connection is subscribed, then obeys lines on standard input until it ends:
//   count   prints one line of JSON: what arrived since the start, and latencies since the last reset
//   reset   forgets the latencies
//   stall   reads no more: what the server sends waits in the receive buffers, which are small where RECEIVE_BUFFER_BYTES is given
//   resume  reads again
//   come FILE   each connection sends a line of FILE, a subscribe with a position; when all have their answers, prints one line of JSON:
//               how many were told that nothing is missing, how many that something is, and the microseconds since the command
//   departures  prints one line of JSON: when each connection was sent away, in microseconds since the first was, in that order
//
// Who is told to go elsewhere (a close with 1012, or barrage.v1's "reconnect") is gone at once.
//
// Publications are counted by a marker in their payload, "#seq=SEQUENCE,NANOSECONDS" (12 and 19 digits, CLOCK_MONOTONIC of the
// publisher, which runs on the same machine), so that neither merging nor TCP segments change the count.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  connections_max = 20000,
  in_flight_max = 64,
  setup_bytes = 2048,
  read_bytes = 256 * 1024,
  marker_start_bytes = 5,
  sequence_digits = 12,
  time_digits = 19,
  marker_bytes = marker_start_bytes + sequence_digits + 1 + time_digits,
  sub_buckets = 64,
  bucket_count = 60 * sub_buckets,
};

enum state { connecting, upgrading, subscribing, receiving, ended };

struct connection {
  int socket;
  enum state state;
  // Text received before the subscription was confirmed.
  char *setup;
  size_t setup_length;
  // The end of what was read last, where a marker may have been cut in two.
  char tail[marker_bytes - 1];
  size_t tail_length;
  uint64_t last_sequence;
  int is_back;
};

static struct connection *connections;
static size_t connection_count, opened, subscribed;
static int poller;
static uint16_t port;
static const char *upgrade_headers, *subscribe_command, *confirmation;
static const char *expected_status = "HTTP/1.1 101";
static int upgrades, streams, receive_buffer_bytes, dials;
static char **comings;
static size_t coming_count, recovered, lost;
static uint64_t told_to_come;

static uint64_t publications, bytes, reads, missing, misordered, closed;
static uint64_t *departures, departed;
static uint64_t latency_buckets[bucket_count], latency_total, latency_max;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

// Buckets of microseconds, 64 to a power of two: at most 1.6 % wide.
static size_t bucket_of(uint64_t value) {
  if (value < sub_buckets) return value;
  unsigned shift = (unsigned)(63 - __builtin_clzll(value)) - 6;
  return (shift + 1) * sub_buckets + ((value >> shift) & (sub_buckets - 1));
}

static uint64_t bucket_start(size_t bucket) {
  if (bucket < sub_buckets) return bucket;
  unsigned shift = (unsigned)(bucket / sub_buckets) - 1;
  return (uint64_t)(sub_buckets + bucket % sub_buckets) << shift;
}

static uint64_t latency_quantile(double quantile) {
  uint64_t wanted = (uint64_t)(quantile * (double)latency_total), seen = 0;
  for (size_t bucket = 0; bucket < bucket_count; bucket++) {
    seen += latency_buckets[bucket];
    if (seen > wanted) return bucket_start(bucket);
  }
  return latency_max;
}

static uint64_t digits(const char *text, int count) {
  uint64_t value = 0;
  for (int index = 0; index < count; index++) value = value * 10 + (uint64_t)(text[index] - '0');
  return value;
}

static void count_publication(struct connection *connection, const char *marker, uint64_t now) {
  uint64_t sequence = digits(marker + marker_start_bytes, sequence_digits);
  uint64_t published = digits(marker + marker_start_bytes + sequence_digits + 1, time_digits);
  if (sequence <= connection->last_sequence) {
    misordered++;
  } else {
    missing += sequence - connection->last_sequence - 1;
    connection->last_sequence = sequence;
  }
  publications++;
  uint64_t micros = now > published ? (now - published) / 1000 : 0;
  latency_buckets[bucket_of(micros)]++;
  latency_total++;
  if (micros > latency_max) latency_max = micros;
}

static void end(struct connection *connection) {
  close(connection->socket);
  connection->state = ended;
  closed++;
}

// The answer to a subscribe with a position.
static void look_for_answer(struct connection *connection, const char *text, size_t length) {
  const int is_recovered = memmem(text, length, "\"recovered\":true", 16) != NULL;
  if (!is_recovered && memmem(text, length, "\"recovered\":false", 17) == NULL) {
    if (memmem(text, length, "\"error\":{", 10) == NULL) return;
    fprintf(stderr, "sink: subscribing was refused: %.200s\n", text);
    exit(1);
  }
  connection->is_back = 1;
  if (is_recovered) recovered++;
  else lost++;
  if (recovered + lost < connection_count) return;
  printf("{\"recovered\":%zu,\"lost\":%zu,\"microseconds\":%lu}\n", recovered, lost, (now_ns() - told_to_come) / 1000);
}

// Payloads are ASCII: no other frame holds these bytes, but for a header whose length is made of them.
static int is_sent_away(const char *text, size_t length) {
  static const char close_head = (char)0x88, restart[] = {(char)0x03, (char)0xf4};
  const char *stop = text + length;
  for (const char *at = text; (at = memchr(at, close_head, (size_t)(stop - at))) != NULL; at++)
    if (stop - at >= 4 && memcmp(at + 2, restart, sizeof restart) == 0) return 1;
  return memmem(text, length, "\"reconnect\"", 11) != NULL;
}

static void receive(struct connection *connection) {
  static char buffer[marker_bytes + read_bytes];
  memcpy(buffer, connection->tail, connection->tail_length);
  ssize_t received = read(connection->socket, buffer + connection->tail_length, read_bytes);
  if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (received <= 0) {
    end(connection);
    return;
  }
  const uint64_t now = now_ns();
  bytes += (uint64_t)received;
  reads++;
  if (comings != NULL && !connection->is_back) look_for_answer(connection, buffer, connection->tail_length + (size_t)received);
  char *at = buffer, *stop = buffer + connection->tail_length + received;
  for (;;) {
    char *marker = memmem(at, (size_t)(stop - at), "#seq=", marker_start_bytes);
    if (marker == NULL || stop - marker < marker_bytes) break;
    count_publication(connection, marker, now);
    at = marker + marker_bytes;
  }
  if (is_sent_away(buffer, (size_t)(stop - buffer))) {
    departures[departed++] = now;
    end(connection);
    return;
  }
  size_t rest = (size_t)(stop - at);
  connection->tail_length = rest < sizeof connection->tail ? rest : sizeof connection->tail;
  memcpy(connection->tail, stop - connection->tail_length, connection->tail_length);
}

static void send_whole(struct connection *connection, const char *text, size_t length) {
  if (write(connection->socket, text, length) != (ssize_t)length) fail("write");
}

// A text frame of less than 126 bytes; the masking key 0 leaves the text as it is.
static void send_command(struct connection *connection, const char *command) {
  char frame[6 + 125] = {(char)0x81, (char)(0x80 | strlen(command))};
  memcpy(frame + 6, command, strlen(command));
  send_whole(connection, frame, 6 + strlen(command));
}

static void now_receiving(struct connection *connection) {
  free(connection->setup);
  connection->setup = NULL;
  connection->state = receiving;
  subscribed++;
}

static void forget_setup(struct connection *connection, size_t length) {
  connection->setup_length -= length;
  memmove(connection->setup, connection->setup + length, connection->setup_length + 1);
}

static void connected(struct connection *connection) {
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(connection->socket, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) {
    fprintf(stderr, "sink: connect: %s\n", strerror(error));
    exit(1);
  }
  struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = connection};
  if (epoll_ctl(poller, EPOLL_CTL_MOD, connection->socket, &wanted) < 0) fail("epoll_ctl");
  if (!upgrades) {
    now_receiving(connection);
    return;
  }
  char request[512];
  if (streams) {
    int length = snprintf(request, sizeof request, "GET /v1/stream?channel=room:bench HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n", port);
    send_whole(connection, request, (size_t)length);
    connection->state = upgrading;
    return;
  }
  int written = snprintf(request, sizeof request,
                         "GET / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
                         port, upgrade_headers);
  send_whole(connection, request, (size_t)written);
  connection->state = upgrading;
}

static void come(struct connection *connection) { send_command(connection, comings[(size_t)(connection - connections) % coming_count]); }

static void set_up(struct connection *connection) {
  size_t room = setup_bytes - 1 - connection->setup_length;
  ssize_t received = room == 0 ? 0 : read(connection->socket, connection->setup + connection->setup_length, room);
  if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (received <= 0) {
    fprintf(stderr, "sink: the server ended a connection while it was set up: %s\n", connection->setup);
    exit(1);
  }
  connection->setup_length += (size_t)received;
  connection->setup[connection->setup_length] = '\0';
  if (connection->state == upgrading) {
    char *head_end = strstr(connection->setup, "\r\n\r\n");
    if (head_end == NULL) return;
    if (strncmp(connection->setup, expected_status, strlen(expected_status)) != 0) {
      fprintf(stderr, "sink: another answer than %s: %.200s\n", expected_status, connection->setup);
      exit(1);
    }
    if (confirmation == NULL) {
      now_receiving(connection);
      if (dials) come(connection);
      return;
    }
    forget_setup(connection, (size_t)(head_end + 4 - connection->setup));
    if (subscribe_command != NULL) send_command(connection, subscribe_command);
    connection->state = subscribing;
  }
  // Frame headers may hold a zero byte, at which strstr would stop.
  if (memmem(connection->setup, connection->setup_length, confirmation, strlen(confirmation)) != NULL) {
    now_receiving(connection);
  } else if (memmem(connection->setup, connection->setup_length, "\"error\"", 7) != NULL) {
    fprintf(stderr, "sink: subscribing was refused\n");
    exit(1);
  }
}

static void open_connection(void) {
  struct connection *connection = &connections[opened++];
  connection->setup = calloc(1, setup_bytes);
  connection->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (connection->socket < 0 || connection->setup == NULL) fail("socket");
  // Before the connection is made, since it decides what window is offered.
  if (receive_buffer_bytes > 0) {
    // Loopback's segments of 64 KiB would give the server a send buffer of megabytes.
    const int segment_bytes = 1400;
    if (setsockopt(connection->socket, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes) < 0) fail("SO_RCVBUF");
    if (setsockopt(connection->socket, IPPROTO_TCP, TCP_MAXSEG, &segment_bytes, sizeof segment_bytes) < 0) fail("TCP_MAXSEG");
  }
  struct epoll_event wanted = {.events = EPOLLOUT, .data.ptr = connection};
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (connect(connection->socket, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS) fail("connect");
  if (epoll_ctl(poller, EPOLL_CTL_ADD, connection->socket, &wanted) < 0) fail("epoll_ctl");
}

static void report(void) {
  printf("{\"publications\":%lu,\"bytes\":%lu,\"reads\":%lu,\"missing\":%lu,\"misordered\":%lu,\"closed\":%lu,"
         "\"latencyMicroseconds\":{\"p50\":%lu,\"p99\":%lu,\"max\":%lu}}\n",
         publications, bytes, reads, missing, misordered, closed, latency_quantile(0.5), latency_quantile(0.99), latency_max);
}

static void report_departures(void) {
  printf("[");
  for (uint64_t index = 0; index < departed; index++)
    printf("%s%lu", index == 0 ? "" : ",", (departures[index] - departures[0]) / 1000);
  printf("]\n");
}

static void watch(uint32_t wanted_events) {
  for (size_t index = 0; index < opened; index++) {
    struct connection *connection = &connections[index];
    if (connection->state != receiving) continue;
    struct epoll_event wanted = {.events = wanted_events, .data.ptr = connection};
    if (epoll_ctl(poller, wanted_events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_ADD, connection->socket, &wanted) < 0) fail("epoll_ctl");
  }
}

static void all_come(const char *path) {
  FILE *file = fopen(path, "r");
  comings = calloc(connection_count, sizeof *comings);
  if (file == NULL || comings == NULL) fail(path);
  size_t size = 0;
  while (coming_count < connection_count && getline(&comings[coming_count], &size, file) > 0) {
    char *line = comings[coming_count++];
    line[strcspn(line, "\n")] = '\0';
    size = 0;
  }
  fclose(file);
  told_to_come = now_ns();
  if (!dials)
    for (size_t index = 0; index < connection_count; index++) come(&connections[index]);
}

static void obey(void) {
  char line[512];
  ssize_t length = read(STDIN_FILENO, line, sizeof line - 1);
  if (length <= 0) exit(0);
  line[length] = '\0';
  if (strncmp(line, "come ", 5) == 0) {
    line[strcspn(line, "\n")] = '\0';
    all_come(line + 5);
    return;
  }
  if (memmem(line, (size_t)length, "reset", 5) != NULL) {
    memset(latency_buckets, 0, sizeof latency_buckets);
    latency_total = latency_max = 0;
  }
  if (memmem(line, (size_t)length, "stall", 5) != NULL) watch(0);
  if (memmem(line, (size_t)length, "resume", 6) != NULL) watch(EPOLLIN);
  if (memmem(line, (size_t)length, "count", 5) != NULL) report();
  if (memmem(line, (size_t)length, "departures", 10) != NULL) report_departures();
}

static void read_arguments(int count, char **values) {
  if (count != 4 && count != 5) {
    fprintf(stderr, "usage: sink PORT CONNECTIONS raw|ws|plain|barrage.v1|sse|returning|dialing [RECEIVE_BUFFER_BYTES]\n");
    exit(2);
  }
  port = (uint16_t)atoi(values[1]);
  connection_count = (size_t)atol(values[2]);
  if (connection_count == 0 || connection_count > connections_max) exit(2);
  receive_buffer_bytes = count == 5 ? atoi(values[4]) : 0;
  upgrades = strcmp(values[3], "raw") != 0;
  upgrade_headers = "";
  if (strcmp(values[3], "plain") == 0) {
    subscribe_command = "{\"op\":\"subscribe\",\"channel\":\"bench@room\"}";
    confirmation = "\"result\":true";
  } else if (strcmp(values[3], "returning") == 0 || strcmp(values[3], "dialing") == 0) {
    dials = strcmp(values[3], "dialing") == 0;
    upgrade_headers = "Sec-WebSocket-Protocol: barrage.v1\r\n";
  } else if (strcmp(values[3], "barrage.v1") == 0) {
    upgrade_headers = "Sec-WebSocket-Protocol: barrage.v1\r\n";
    subscribe_command = "{\"id\":1,\"op\":\"subscribe\",\"channel\":\"room:bench\"}";
    confirmation = "\"offset\":";
  } else if (strcmp(values[3], "sse") == 0) {
    streams = 1;
    expected_status = "HTTP/1.1 200";
    confirmation = "\"offset\":";
  }
}

int main(int count, char **values) {
  read_arguments(count, values);
  setvbuf(stdout, NULL, _IOLBF, 0);
  connections = calloc(connection_count, sizeof *connections);
  poller = epoll_create1(0);
  departures = calloc(connection_count, sizeof *departures);
  if (connections == NULL || departures == NULL || poller < 0) fail("epoll_create1");
  struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &input) < 0) fail("epoll_ctl");
  int told = dials;
  if (dials) printf("ready\n");
  for (;;) {
    while (opened < connection_count && (dials ? comings != NULL : opened - subscribed < in_flight_max)) open_connection();
    struct epoll_event events[256];
    int ready = epoll_wait(poller, events, 256, -1);
    for (int index = 0; index < ready; index++) {
      struct connection *connection = events[index].data.ptr;
      if (connection == NULL) obey();
      else if (connection->state == receiving) receive(connection);
      else if (connection->state == connecting) connected(connection);
      else if (connection->state != ended) set_up(connection);
    }
    if (!told && subscribed == connection_count) {
      told = 1;
      printf("ready\n");
    }
  }
}

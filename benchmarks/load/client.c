/* Sends HTTP/1.1 requests over kept-alive connections and measures each answer.

   load PORT CONNECTIONS open|closed REQUESTS ANSWERS

   REQUESTS holds, one after another: double, seconds after the start at which it is meant to be sent;
   uint32 length; that many bytes. ANSWERS gets a pair of doubles per request, in order: status and seconds
   since it was meant to be sent; at the end the seconds of the whole run. A lost connection ends it.
   Open: sent at its time if a connection is idle, else as soon as one is; what it waits for counts.
   Closed: each connection sends its next request as soon as it has an answer. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

typedef struct { double at; uint32_t length; const char *bytes; } Request;
typedef struct { int fd; long request; size_t held; char buffer[65536]; } Connection;

static Request *requests;
static long count, next_request, answered;
static double *answers, began;
static Connection *connections;
static int *idle, first_idle, n_idle, n_connections, is_open; /* idle: a ring, so that all are used */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void die(const char *what) { perror(what); exit(1); }

static void read_requests(const char *path) {
    FILE *file = fopen(path, "rb");
    struct stat about;
    if (!file || fstat(fileno(file), &about)) die(path);
    char *all = malloc(about.st_size ? about.st_size : 1);
    if (fread(all, 1, about.st_size, file) != (size_t)about.st_size) die(path);
    fclose(file);
    long room = 0;
    for (char *at = all; at < all + about.st_size;) {
        if (count == room) requests = realloc(requests, (room = room * 2 + 1024) * sizeof *requests);
        Request *request = &requests[count++];
        memcpy(&request->at, at, 8);
        memcpy(&request->length, at + 8, 4);
        request->bytes = at + 12;
        at += 12 + request->length;
    }
}

static void send_on(int which) {
    Connection *connection = &connections[which];
    long number = next_request++;
    Request *request = &requests[number];
    if (!is_open) request->at = now() - began;
    connection->request = number;
    connection->held = 0;
    ssize_t sent = write(connection->fd, request->bytes, request->length);
    if (sent != (ssize_t)request->length) die("write");
}

static void done(int which, double status) {
    Connection *connection = &connections[which];
    answers[2 * connection->request] = status;
    answers[2 * connection->request + 1] = now() - began - requests[connection->request].at;
    connection->request = -1;
    answered++;
    idle[(first_idle + n_idle++) % n_connections] = which;
}

/* Whether the whole answer is there; its status. */
static int complete(Connection *connection, double *status) {
    connection->buffer[connection->held] = 0;
    char *body = strstr(connection->buffer, "\r\n\r\n");
    if (!body) return 0;
    char *length = strcasestr(connection->buffer, "content-length:");
    if (!length || length > body) die("no content-length");
    if (connection->held - (body + 4 - connection->buffer) < (size_t)atol(length + 15)) return 0;
    *status = atof(connection->buffer + 9);
    return 1;
}

static void receive(int which) {
    Connection *connection = &connections[which];
    for (;;) {
        ssize_t got = recv(connection->fd, connection->buffer + connection->held,
                           sizeof connection->buffer - 1 - connection->held, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) {
            fprintf(stderr, "a connection was lost\n");
            exit(1);
        }
        connection->held += got;
        double status;
        if (connection->request >= 0 && complete(connection, &status)) {
            done(which, status);
            return;
        }
    }
}

int main(int argc, char **argv) {
    if (argc != 6) { fprintf(stderr, "load PORT CONNECTIONS open|closed REQUESTS ANSWERS\n"); return 2; }
    int n = n_connections = atoi(argv[2]);
    is_open = !strcmp(argv[3], "open");
    read_requests(argv[4]);
    answers = calloc(2 * count + 1, sizeof *answers);
    connections = calloc(n, sizeof *connections);
    idle = calloc(n, sizeof *idle);
    int poll = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = UINT32_MAX};
    epoll_ctl(poll, EPOLL_CTL_ADD, timer, &event);
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int i = 0; i < n; i++) {
        int one = 1;
        connections[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        connections[i].request = -1;
        if (connect(connections[i].fd, (struct sockaddr *)&where, sizeof where)) die("connect");
        setsockopt(connections[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        event.events = EPOLLIN;
        event.data.u32 = i;
        epoll_ctl(poll, EPOLL_CTL_ADD, connections[i].fd, &event);
        idle[n_idle++] = i;
    }
    began = now() + 0.05;
    while (answered < count) {
        double elapsed = now() - began;
        while (n_idle && next_request < count && (is_open ? requests[next_request].at <= elapsed : elapsed >= 0)) {
            int which = idle[first_idle];
            first_idle = (first_idle + 1) % n;
            n_idle--;
            send_on(which);
        }
        if (n_idle && next_request < count) {
            double wait = (is_open ? requests[next_request].at : 0) - (now() - began);
            if (wait < 1e-6) wait = 1e-6;
            struct itimerspec due = {.it_value = {(time_t)wait, (long)((wait - (time_t)wait) * 1e9) + 1}};
            timerfd_settime(timer, 0, &due, 0);
        }
        struct epoll_event ready[256];
        int found = epoll_wait(poll, ready, 256, 60000);
        if (!found) { fprintf(stderr, "no answer for a minute\n"); return 1; }
        for (int i = 0; i < found; i++) {
            uint64_t times;
            if (ready[i].data.u32 == UINT32_MAX) {
                if (read(timer, &times, sizeof times) < 0 && errno != EAGAIN) die("timer");
            } else receive(ready[i].data.u32);
        }
    }
    answers[2 * count] = now() - began;
    FILE *file = fopen(argv[5], "wb");
    if (!file || fwrite(answers, sizeof *answers, 2 * count + 1, file) != (size_t)(2 * count + 1)) die(argv[5]);
    fclose(file);
    return 0;
}

/* An ingress on a free port of the loopback, with a provider, a registry and a sink that do as they
 * are told, and a client that speaks raw bytes. */
#pragma once

#include <pthread.h>

#include "bridge/domain/route_table.h"
#include "bridge/ingress/ingress.h"

/* Publications that a sink holds back, at most. */
#define HELD_MAX 4096

struct fake_sink {
    struct event_sink port; /* first */
    pthread_mutex_t lock;   /* guards the rest */
    bool holds;             /* reports wait for fake_sink_report(); else they come at once */
    enum status refuses;    /* what publish returns instead; STATUS_OK: it takes */
    enum status reports;
    struct publication *held[HELD_MAX];
    size_t held_len;
    size_t taken;           /* publications */
    size_t records;         /* of them */
    size_t abandoned;       /* of those reported */
    char last_value[65536]; /* of the last record, as a string */
    size_t last_value_len;
    int64_t last_due_mono_ms; /* of the last publication */
};

struct ingress_fixture {
    struct fake_sink sink;
    struct registry registry;
    struct route *active;  /* /in/fake/acme-42/by-hand */
    struct route *pending; /* /in/fake/acme-42/pending, of a provider that probes */
    struct route *waiting; /* /in/fake/acme-42/waiting, of one that does not */
    struct route *young;   /* not yet known, of the provider that does not probe */
    struct route *probed;  /* likewise, of the one that does */
    struct route *awaited; /* pending, and its secret is on its way */
    struct route *arrived; /* the same with it */
    _Atomic enum route_lookup awaited_lookup; /* as what AWAITED_PATH is found */
    struct activity activity;
    atomic_size_t noted; /* callbacks that the activity heard of */
    struct metrics *metrics;
    struct rejections *rejections;
    struct ingress *ingress;
    struct ingress_options opt;
    uint16_t port;
};

/* Options for tests: short timeouts, two loops. */
void ingress_fixture_init(struct ingress_fixture *f);

/* Starts the ingress with f->opt. */
void ingress_fixture_start(struct ingress_fixture *f);

/* From now on AWAITED_PATH is found as that; ROUTE_FOUND: with its secret. */
void ingress_fixture_turn(struct ingress_fixture *f, enum route_lookup lookup);

/* Stops it if it runs, and frees all. */
void ingress_fixture_done(struct ingress_fixture *f);

/* Reports all that is held. Returns how many there were. */
size_t fake_sink_report(struct fake_sink *s, enum status status);

/* Waits until so many publications were taken in all; fails the test after 10 s. */
void fake_sink_await(struct fake_sink *s, size_t taken);

/* The content of /metrics, cut to fit. */
void ingress_metrics(struct ingress_fixture *f, char *ret, size_t ret_size);

/* --- a client -------------------------------------------------------------------------------- */

struct reply {
    unsigned code;   /* 0: the connection ended, or was reset, without an answer */
    char head[2048]; /* status line and headers */
    char body[1024];
    bool reset; /* the connection was reset */
};

int client_connect(uint16_t port);

/* Sends all; returns false when the other side has gone. */
bool client_send(int fd, const char *data, size_t len);
bool client_send_text(int fd, const char *text);

/* Reads one answer; gives up after 10 s. */
struct reply client_read(int fd);

/* Whether the other side has closed, or closes within 10 s, after everything sent was read. */
bool client_sees_end(int fd);

/* Writes a request signed as the fake provider wants it. Returns its length. */
size_t client_format(char *ret, size_t ret_size, const char *path, const char *body);

/* A signed request on a connection of its own. */
struct reply client_post(uint16_t port, const char *path, const char *body);

/* The request as it stands, on a connection of its own. */
struct reply client_exchange(uint16_t port, const char *request, size_t len);

#define ACTIVE_PATH "/in/fake/acme-42/by-hand"
#define PENDING_PATH "/in/fake/acme-42/pending"
#define WAITING_PATH "/in/fake/acme-42/waiting"
#define NOT_YET_PATH "/in/fake/acme-42/not-yet"
#define YOUNG_PATH "/in/fake/acme-42/young"
#define PROBED_PATH "/in/fake/acme-42/probed"
#define AWAITED_PATH "/in/fake/acme-42/awaited"
#define SIGNATURE_LINE "X-Fake-Signature: good\r\n"

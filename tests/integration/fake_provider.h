/* A provider's API on loopback that answers as a test says, well or badly, and remembers what came.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fake_reply_end {
    FAKE_KEEPS,   /* the connection stays */
    FAKE_CLOSES,  /* after the bytes */
    FAKE_RESETS,  /* RST after the bytes */
    FAKE_HANGS,   /* after the bytes, until the client goes */
    FAKE_FLOODS,  /* the filler goes on until the client goes */
    FAKE_DAWDLES, /* one byte of filler every 20 ms until the client goes */
};

struct fake_reply {
    const char *bytes; /* "" for none */
    enum fake_reply_end end;
    int pause_ms; /* before the answer */
};

struct fake_call {
    char text[8192];   /* head and body as they came */
    size_t connection; /* counted from 0 */
    int64_t at_mono_us;
};

struct fake_provider;

/* The nth request, over all connections, gets the nth reply, the last one for all that follow. The
 * replies are borrowed until fake_provider_free(), which the caller owes. */
struct fake_provider *fake_provider_new(const struct fake_reply replies[], size_t replies_len);

/* Each request gets the reply that is chosen for it, borrowed likewise. Thread: any. */
typedef const struct fake_reply *fake_choose_fn(const struct fake_call *call);
struct fake_provider *fake_provider_new_choosing(fake_choose_fn *choose);

/* Ends every connection. */
void fake_provider_free(struct fake_provider *f);

uint16_t fake_provider_port(const struct fake_provider *f);

/* Wait until so many requests were read, or connections ended. */
void fake_provider_await_calls(struct fake_provider *f, size_t calls);
void fake_provider_await_closed(struct fake_provider *f, size_t connections);

size_t fake_provider_calls(struct fake_provider *f);
size_t fake_provider_connections(struct fake_provider *f);

/* The most requests that were answered at the same time. */
size_t fake_provider_at_once(struct fake_provider *f);

/* Borrowed until fake_provider_free(). */
const struct fake_call *fake_provider_call(struct fake_provider *f, size_t n);

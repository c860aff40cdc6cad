/* Lines, each read as a traceparent and as a tracestate: what is passed on is well-formed, and
 * reads as the same. */
#include <string.h>

#include "bridge/domain/trace_context.h"
#include "tests/fuzz/fuzz.h"

void fuzz_start(void)
{
}

static void check_traceparent(const char *text)
{
    struct traceparent t, again;
    char written[TRACEPARENT_SIZE];
    if (!traceparent_parse(text, &t))
        return;
    FUZZ_ASSERT(strlen(t.trace_id) == 32 && strlen(t.parent_id) == 16 && t.flags <= 255);
    FUZZ_ASSERT(strspn(t.trace_id, "0") < 32 && strspn(t.parent_id, "0") < 16);
    traceparent_format(&t, written);
    FUZZ_ASSERT(strlen(written) == TRACEPARENT_SIZE - 1);
    FUZZ_ASSERT(traceparent_parse(written, &again));
    FUZZ_ASSERT(strcmp(t.trace_id, again.trace_id) == 0);
    FUZZ_ASSERT(strcmp(t.parent_id, again.parent_id) == 0);
    /* Version 00, and of the flags those that it knows. Source: W3C Trace Context Level 2. */
    FUZZ_ASSERT(strncmp(written, "00-", 3) == 0 && again.flags == (t.flags & 3));
    FUZZ_ASSERT(strncmp(text + 2, written + 2, 50) == 0);

    struct traceparent next = t;
    FUZZ_ASSERT(traceparent_continue(&next) == STATUS_OK);
    FUZZ_ASSERT(strcmp(next.trace_id, t.trace_id) == 0);
    FUZZ_ASSERT(strcmp(next.parent_id, t.parent_id) != 0);
    FUZZ_ASSERT(traceparent_restart(&next) == STATUS_OK);
    FUZZ_ASSERT(strcmp(next.trace_id, t.trace_id) != 0);
}

/* Each member is one that came, none of them twice. */
static void check_members(const char *came, const char *passed)
{
    size_t members = 0;
    for (const char *at = passed; at != NULL; members++) {
        size_t len = strcspn(at, ","), key_len = strcspn(at, "=");
        FUZZ_ASSERT(len > 0 && key_len > 0 && key_len < len);
        FUZZ_ASSERT(memmem(came, strlen(came), at, len) != NULL);
        for (size_t i = 0; i < len; i++)
            FUZZ_ASSERT(at[i] >= 0x20 && at[i] <= 0x7e);
        at = at[len] == ',' ? at + len + 1 : NULL;
    }
    FUZZ_ASSERT(members <= 32);
}

static void check_tracestate(const char *tracestate)
{
    const char *passed = NULL, *again = NULL;
    if (fuzz_is_nomem(tracestate_forward(tracestate, fuzz_arena(), &passed)) || passed == NULL)
        return;
    FUZZ_ASSERT(strlen(passed) > 0 && strlen(passed) <= 512);
    check_members(tracestate, passed);
    if (fuzz_is_nomem(tracestate_forward(passed, fuzz_arena(), &again)))
        return;
    FUZZ_ASSERT(again != NULL && strcmp(passed, again) == 0);
}

static void check_line(struct bytes line)
{
    const char *text = fuzz_text(line);
    check_traceparent(text);
    check_tracestate(text);
}

void fuzz_one(struct bytes input)
{
    struct traceparent none;
    const char *passed = NULL;
    FUZZ_ASSERT(!traceparent_parse(NULL, &none));
    FUZZ_ASSERT(tracestate_forward(NULL, fuzz_arena(), &passed) == STATUS_OK && passed == NULL);
    fuzz_lines(input, check_line);
}

#include "bridge/base/arena.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* A single event with its headers fits into the first chunk: about 2 KB were counted for a Maesn
 * event. */
#define FIRST_CAPACITY 3072

/* Freed arenas that are kept for the next callbacks, 1.6 MB at most: one thread makes an arena and
 * another frees it, which malloc does under locks and with walks through its lists.
 * AddressSanitizer is to see each end. */
#ifdef BRIDGE_KEEPS_NOTHING
static const size_t reserve_max = 0;
#else
static const size_t reserve_max = 512;
#endif

struct arena_chunk {
    struct arena_chunk *previous;
    size_t used;
    size_t capacity;
    _Alignas(max_align_t) uint8_t data[];
};

struct arena {
    struct arena *next;        /* in the reserve */
    struct arena_chunk *chunk; /* the newest; nothing more is taken from the older ones */
    size_t handed_out;
    size_t max;
    _Alignas(max_align_t) uint8_t first[sizeof(struct arena_chunk) + FIRST_CAPACITY];
};

static struct {
    pthread_mutex_t lock;
    struct arena *first;
    size_t len;
} reserve = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct arena *take_from_reserve(void)
{
    pthread_mutex_lock(&reserve.lock);
    struct arena *a = reserve.first;
    if (a != NULL) {
        reserve.first = a->next;
        reserve.len--;
    }
    pthread_mutex_unlock(&reserve.lock);
    return a;
}

static bool give_to_reserve(struct arena *a)
{
    pthread_mutex_lock(&reserve.lock);
    bool is_taken = reserve.len < reserve_max;
    if (is_taken) {
        a->chunk = NULL; /* whoever uses or frees it once more faults */
        a->next = reserve.first;
        reserve.first = a;
        reserve.len++;
    }
    pthread_mutex_unlock(&reserve.lock);
    return is_taken;
}

struct arena *arena_new(size_t max)
{
    struct arena *a = take_from_reserve();
    if (a == NULL)
        a = malloc(sizeof(*a));
    if (a == NULL)
        return NULL;
    struct arena_chunk *first = (struct arena_chunk *)a->first;
    *first = (struct arena_chunk){.capacity = FIRST_CAPACITY};
    a->chunk = first;
    a->handed_out = 0;
    a->max = max;
    return a;
}

void arena_free(struct arena *a)
{
    if (a == NULL)
        return;
    for (struct arena_chunk *chunk = a->chunk, *previous; chunk->previous != NULL;
         chunk = previous) {
        previous = chunk->previous;
        free(chunk);
    }
    if (!give_to_reserve(a))
        free(a);
}

static struct arena_chunk *arena_add_chunk(struct arena *a, size_t size)
{
    size_t capacity = a->chunk->capacity * 2;
    if (capacity < size)
        capacity = size;
    struct arena_chunk *chunk = malloc(sizeof(*chunk) + capacity);
    if (chunk == NULL)
        return NULL;
    chunk->previous = a->chunk;
    chunk->used = 0;
    chunk->capacity = capacity;
    a->chunk = chunk;
    return chunk;
}

void *arena_alloc(struct arena *a, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    /* Half: what is added to it for alignment and the chunk's head must not overflow. */
    if (size > a->max - a->handed_out || size > SIZE_MAX / 2)
        return NULL;

    size_t rounded = (size + align - 1) / align * align;
    struct arena_chunk *chunk = a->chunk;
    if (chunk->capacity - chunk->used < rounded)
        chunk = arena_add_chunk(a, rounded);
    if (chunk == NULL)
        return NULL;

    void *memory = chunk->data + chunk->used;
    chunk->used += rounded;
    a->handed_out += size;
    return memory;
}

char *arena_dup(struct arena *a, struct bytes bytes)
{
    if (bytes.data == NULL || bytes.len == SIZE_MAX)
        return NULL;
    char *copy = arena_alloc(a, bytes.len + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, bytes.data, bytes.len);
    copy[bytes.len] = '\0';
    return copy;
}

char *arena_join(struct arena *a, const struct bytes parts[], size_t parts_len)
{
    size_t len = 0;
    for (size_t i = 0; i < parts_len; i++)
        len += parts[i].len;
    char *text = arena_alloc(a, len + 1), *to = text;
    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < parts_len; i++) {
        memcpy(to, parts[i].data, parts[i].len);
        to += parts[i].len;
    }
    *to = '\0';
    return text;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = len < 0 ? NULL : arena_alloc(a, (size_t)len + 1);
    if (text == NULL)
        return NULL;

    va_start(args, format);
    vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return text;
}

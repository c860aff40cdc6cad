#include "tests/support/alloc_fail.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local long left = -1; /* allocations until the one that fails; negative: none will */
static _Thread_local bool has_failed;

void alloc_fail_at(long n)
{
    left = n;
    has_failed = false;
}

bool alloc_fail_end(void)
{
    left = -1;
    return has_failed;
}

bool alloc_fail_has_failed(void)
{
    return has_failed;
}

static bool fails(void)
{
    if (left < 0 || left-- > 0)
        return false;
    has_failed = true;
    errno = ENOMEM;
    return true;
}

/* The names that ld's --wrap gives. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t len);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t len);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails() ? NULL : __real_realloc(memory, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t len)
{
    return fails() ? NULL : __real_strndup(text, len);
}

/* A fuzz target: a parser of a stranger's bytes, and what must be true of it whatever they are.
 *
 * libFuzzer makes the inputs; replay.c takes them from files instead, for compilers that have no
 * fuzzer. Of some inputs a second run follows, in which one allocation fails.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "bridge/base/arena.h"
#include "bridge/base/bytes.h"
#include "bridge/base/status.h"

/* Both are the target's. fuzz_one() fails an assertion where what it holds is not true, and frees
 * all it makes. */
void fuzz_start(void);
void fuzz_one(struct bytes input);

/* Runs the target on the input while the nth allocation, counted from 0, fails; negative: none.
 * Returns whether there was one to fail. For who feeds the target. */
bool fuzz_run(struct bytes input, long failing);

/* Runs it with failing allocations, one a run: of those behind the first twenty a sample, or, with
 * TORTURE=all in the environment, each. */
void fuzz_torture(struct bytes input);

/* What an assertion of the standard library does, with the values of an optimised build still
 * there. */
#define FUZZ_ASSERT(claim)                                                                         \
    do {                                                                                           \
        if (!(claim)) {                                                                            \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #claim);                  \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Whether memory was short in this run, so that STATUS_NOMEM, or less than was asked for, is right.
 */
bool fuzz_is_short_of_memory(void);

/* Whether the status is STATUS_NOMEM, which only a lack of memory may make it. */
bool fuzz_is_nomem(enum status status);

/* Memory that is there until fuzz_one() returns; of it the code under test may have all. */
struct arena *fuzz_arena(void);

/* Memory for the target itself, which never lacks any: zeroed, until fuzz_one() returns. */
void *fuzz_alloc(size_t size);
char *fuzz_text(struct bytes bytes); /* cut at its first NUL, as C sees it */

/* Takes the first line off, without its end. Of the last one nothing is left behind. */
struct bytes fuzz_line(struct bytes *input);

/* Calls it for each of the first 64 lines, and once for an input of none. */
void fuzz_lines(struct bytes input, void (*check)(struct bytes line));

/* The text with "{name}" replaced by its value; both lists end with NULL. */
char *fuzz_expand(const char *text, const char *const names[], const char *const values[]);

/* The next number of a sequence that the input decides: two runs of it do the same. */
uint32_t fuzz_choose(uint32_t below);

/* A place of this process's own for files; the path is absolute. Made once, removed at the end. */
const char *fuzz_directory(void);
void fuzz_write(const char *name, struct bytes content); /* in that place */

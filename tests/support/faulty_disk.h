/* A disk that loses power, runs full or fails to flush, between SQLite and the files of a spool.
 *
 * A VFS of SQLite around the usual one. It remembers of every file what has been flushed and what
 * was written since; faulty_disk_cut() writes down what a disk may hold after the power went: what
 * was flushed, and of the rest any part, in any order, torn at sectors.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Makes it the VFS that everybody gets, with everything forgotten and the power on. Once a test. */
void faulty_disk_start(void);

/* The power goes in the middle of the nth write, truncation or flush from now; negative: never.
 * From then on every one of them fails, and nothing more is remembered. */
void faulty_disk_power_off_after(long operations);
bool faulty_disk_is_off(void);

/* No file can grow. */
void faulty_disk_set_full(bool is_full);

/* Reads fail, also of what was opened before. */
void faulty_disk_set_read_fails(bool fails);

/* Flushes fail, and what they should have flushed stays unflushed for ever, as on Linux. */
void faulty_disk_set_flush_fails(bool fails);

/* Flushes take as long as this is set. */
void faulty_disk_set_flush_stuck(bool stuck);

/* Flushes say that they have done it, and have not. */
void faulty_disk_set_flush_lies(bool lies);

/* Writes what the disk may hold into another directory, by this seed, and turns the power on. */
void faulty_disk_cut(uint64_t seed, const char *directory);

/* The next number of a sequence that the seed decides (xorshift64*). */
uint64_t faulty_disk_random(uint64_t *seed);

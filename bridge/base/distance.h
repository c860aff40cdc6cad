/* How far an instant is from now, for people: "in 12 d", "3 min ago", "now". */
#pragma once

#include <stdint.h>

#define DISTANCE_TEXT_SIZE 32

/* Writes it in the largest unit of which there are two. */
void distance_text(int64_t unix_ms, int64_t now_unix_ms, char ret[DISTANCE_TEXT_SIZE]);

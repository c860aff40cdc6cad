/* SQLite's memory and its system calls fail as well. */
#pragma once

/* Before anything uses SQLite. */
void sqlite_calls_start(void);

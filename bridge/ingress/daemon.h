/* A loop's libmicrohttpd daemon: its options, and what it calls back. */
#pragma once

struct loop;
struct MHD_Daemon;

/* Returns NULL when libmicrohttpd refuses. It then runs only inside the loop's MHD_run(). */
struct MHD_Daemon *daemon_start(struct loop *l);

#include "bridge/app/memory_pause.h"

#include <poll.h>
#include <stddef.h>

/* Memory comes back as work ends, which takes milliseconds; a busy loop would only hinder it. */
static const int pause_ms = 100;

void memory_pause(void)
{
    poll(NULL, 0, pause_ms);
}

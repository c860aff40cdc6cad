/* What is done when memory is short for something that may not be left out. */
#pragma once

/* Returns after a tenth of a second, in which others may have given memory back: the caller tries
 * again. Thread: any that may wait so long. */
void memory_pause(void);

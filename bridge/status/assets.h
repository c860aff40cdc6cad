/* The page's style and script, which embed.cmake makes of the files of these names. */
#pragma once

extern const char page_css[];
extern const char page_js[];

/*
 * Text in normal form C (Unicode Standard Annex 15): é is one character, however
 * the keyboard made it.
 */
#ifndef ASHLAR_NFC_H
#define ASHLAR_NFC_H

#include "lib/base/arena.h"

/* A character in NFC is at most this many in any other spelling: U+1F82 is a letter and three marks. */
enum { NFC_MAX_SPELLING = 4 };

/*
 * The text in NFC: the very pointer where it is so already, else the arena's;
 * NULL when it is not UTF-8.  It may have up to three times as many bytes.
 */
const char *nfc(struct arena *a, const char *text);

#endif

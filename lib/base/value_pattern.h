/*
 * Regular expressions that clients wrote: what a text value has to have a match of.
 *
 * They are read as JavaScript and most others read them: . [a-z] [^a-z] \d \w \s and their opposites, ^ $ \b
 * is not there, groups, |, * + ? {2} {2,} {2,4}.  Without references back and without looking around a match
 * takes time in proportion to pattern and text, whatever they are: that is why neither the C library's
 * expressions (whose memory a pattern can fill) nor a backtracking one is taken.  Characters are Unicode's;
 * \d, \w and \s mean those of ASCII.
 */
#ifndef ASHLAR_VALUE_PATTERN_H
#define ASHLAR_VALUE_PATTERN_H

#include <stdbool.h>

#include "lib/base/arena.h"

enum {
	VALUE_PATTERN_MAX = 255,   /* characters */
	VALUE_PATTERN_STEPS = 500, /* that a pattern comes to, repetitions written out */
};

/* NULL, or what is wrong with it, to stand behind its name: "must not look around". */
const char *value_pattern_check(const char *pattern);

/* Has the text a match of it?  Of a pattern that value_pattern_check finds wrong no text has. */
bool value_pattern_fits(struct arena *a, const char *pattern, const char *text);

#endif

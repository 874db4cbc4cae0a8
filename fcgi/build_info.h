/*
 * What the program was built of: written by tools/build_info.
 */
#ifndef ASHLAR_BUILD_INFO_H
#define ASHLAR_BUILD_INFO_H

struct build_info {
	const char *commit; /* NULL: not built in a checkout */
	const char *branch; /* NULL: of none */
	int dirty;          /* did files differ from the commit?  -1: nobody knows */
	long long built_s;  /* since 1970 */
};

extern const struct build_info build_info;

#endif

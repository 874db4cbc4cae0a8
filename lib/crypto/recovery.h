/*
 * Recovery codes: what opens an account whose second factor is lost.
 */
#ifndef ASHLAR_RECOVERY_H
#define ASHLAR_RECOVERY_H

struct arena;

/* A random recovery code, xxxxx-xxxxx of an alphabet without look-alikes: 49 bits.  The arena's. */
char *recovery_code(struct arena *a);

/*
 * A recovery code as people type it (capitals, blanks, without the dash) in the form in which it
 * was given out and is hashed; NULL when it cannot be one.  The arena's.
 */
char *recovery_read(struct arena *a, const char *text);

#endif

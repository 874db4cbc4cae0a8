/*
 * A list of strings that may be larger than memory: written one behind the other into a file, found by their
 * number.  What stays in memory is where each block of some KiB begins, and the blocks that were asked for
 * last.
 */
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "providers/import_child.h"

enum {
	BLOCK = 4096,            /* a block ends with the string that reaches it */
	SLOTS = 256,             /* blocks that are kept */
	SLOT_BYTES = 65536,      /* larger ones, of one long string, are not */
	HEAD = sizeof(uint32_t), /* in front of each: how long it is */
};

struct slot {
	size_t block; /* from 1; 0: none */
	char *p;
	size_t cap;
};

struct import_strings {
	int fd;
	uint64_t n, size;           /* strings, and bytes that are written */
	uint64_t *firsts, *offsets; /* of blocks: their first string, and where they begin; of one more than
				       there are */
	size_t nblocks, cap;
	char *pending; /* of the block that is not written yet */
	size_t npending, pending_cap;
	struct slot slots[SLOTS + 1]; /* the last one is for the large */
};

struct import_strings *import_child_strings(int fd)
{
	struct import_strings *s = import_child_alloc(sizeof(*s));

	s->fd = fd;
	return s;
}

static void mark_block(struct import_strings *s)
{
	if (s->nblocks + 1 >= s->cap) {
		s->cap = s->cap ? 2 * s->cap : 1024;
		s->firsts = import_child_grow(s->firsts, s->cap * sizeof(*s->firsts));
		s->offsets = import_child_grow(s->offsets, s->cap * sizeof(*s->offsets));
	}
	s->firsts[s->nblocks] = s->n;
	s->offsets[s->nblocks] = s->size;
}

static void flush(struct import_strings *s)
{
	size_t done = 0;

	while (done < s->npending) {
		ssize_t k = pwrite(s->fd, s->pending + done, s->npending - done, (off_t)(s->size + done));

		if (k <= 0)
			import_child_fail(IMPORT_SPILL, 0);
		done += (size_t)k;
	}
	s->size += s->npending;
	s->npending = 0;
	s->nblocks++;
}

void import_child_add_string(struct import_strings *s, const char *p, size_t n)
{
	uint32_t len = (uint32_t)n;

	if (!s->npending)
		mark_block(s);
	if (s->npending + HEAD + n > s->pending_cap) {
		s->pending_cap = s->npending + HEAD + n + BLOCK;
		s->pending = import_child_grow(s->pending, s->pending_cap);
	}
	memcpy(s->pending + s->npending, &len, HEAD);
	if (n)
		memcpy(s->pending + s->npending + HEAD, p, n);
	s->npending += HEAD + n;
	s->n++;
	if (s->npending >= BLOCK)
		flush(s);
}

void import_child_end_strings(struct import_strings *s)
{
	if (s->npending)
		flush(s);
	mark_block(s); /* where the last one ends */
}

/* The block that a string is in. */
static size_t find(const struct import_strings *s, uint64_t number)
{
	size_t low = 0, high = s->nblocks;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (s->firsts[middle] <= number)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static const char *load(struct import_strings *s, size_t block)
{
	size_t n = (size_t)(s->offsets[block + 1] - s->offsets[block]), done = 0;
	struct slot *slot = &s->slots[n > SLOT_BYTES ? SLOTS : block % SLOTS];

	if (slot->block == block + 1)
		return slot->p;
	if (slot->cap < n) {
		slot->p = import_child_grow(slot->p, n);
		slot->cap = n;
	}
	while (done < n) {
		ssize_t k = pread(s->fd, slot->p + done, n - done, (off_t)(s->offsets[block] + done));

		if (k <= 0)
			import_child_fail(IMPORT_READ, 0);
		done += (size_t)k;
	}
	slot->block = block + 1;
	return slot->p;
}

const char *import_child_string(struct import_strings *s, uint64_t number, size_t *n)
{
	const char *p;
	size_t block;
	uint32_t len;

	if (number >= s->n)
		return NULL;
	block = find(s, number);
	p = load(s, block);
	for (uint64_t i = s->firsts[block]; i < number; i++) {
		memcpy(&len, p, HEAD);
		p += HEAD + len;
	}
	memcpy(&len, p, HEAD);
	*n = len;
	return p + HEAD;
}

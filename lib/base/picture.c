/*
 * What is kept is listed, so that what a camera or an editor adds next year is left out.
 *
 * JPEG: ITU-T T.81, JFIF 1.02, Exif 2.32.  PNG: W3C, third edition.  GIF: GIF89a.  WebP: RFC 9649.
 */
#include "lib/base/picture.h"

#include <stdint.h>
#include <string.h>

struct reader {
	const unsigned char *p;
	size_t n, at;
};

static bool has(const struct reader *r, size_t n)
{
	return r->n - r->at >= n;
}

static const unsigned char *here(const struct reader *r)
{
	return r->p + r->at;
}

static uint32_t be16(const unsigned char *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t be32(const unsigned char *p)
{
	return be16(p) << 16 | be16(p + 2);
}

static uint32_t le16(const unsigned char *p)
{
	return (uint32_t)p[1] << 8 | p[0];
}

static uint32_t le32(const unsigned char *p)
{
	return le16(p + 2) << 16 | le16(p);
}

static bool is_size(uint32_t width, uint32_t height)
{
	return width && height && width <= PICTURE_MAX_SIDE && height <= PICTURE_MAX_SIDE;
}

/* One of these names of four characters each? */
static bool is_one_of(const unsigned char *name, const char *names)
{
	for (; *names; names += 4)
		if (!memcmp(name, names, 4))
			return true;
	return false;
}

/* PNG */

static bool png_clean(struct reader *r, struct buf *out)
{
	static const char kept[] = "IHDRPLTEIDATIENDtRNSgAMAcHRMsRGBiCCPcICPsBITbKGDpHYshISTacTLfcTLfdAT";
	bool has_data = false;

	buf_add(out, here(r), 8);
	r->at += 8;
	for (bool is_first = true; has(r, 12); is_first = false) {
		const unsigned char *chunk = here(r);
		size_t n = be32(chunk);

		if (n > r->n || !has(r, n + 12) || is_first != !memcmp(chunk + 4, "IHDR", 4))
			return false;
		if (is_first && (n != 13 || !is_size(be32(chunk + 8), be32(chunk + 12))))
			return false;
		if (is_one_of(chunk + 4, kept))
			buf_add(out, chunk, n + 12);
		else if (!(chunk[4] & 0x20)) /* it has to be understood, and is not */
			return false;
		r->at += n + 12;
		has_data |= !memcmp(chunk + 4, "IDAT", 4);
		if (!memcmp(chunk + 4, "IEND", 4))
			return has_data;
	}
	return false;
}

/* JPEG */

/* Which side is up, 1 to 8, as the Exif segment's first directory says; 1: as it is. */
static int orientation(const unsigned char *tiff, size_t n)
{
	bool is_little = n >= 8 && !memcmp(tiff, "II*\0", 4);
	size_t at, count;

	if (n < 8 || (!is_little && memcmp(tiff, "MM\0*", 4) != 0))
		return 1;
	at = is_little ? le32(tiff + 4) : be32(tiff + 4);
	if (at > n - 2)
		return 1;
	count = is_little ? le16(tiff + at) : be16(tiff + at);
	for (at += 2; count-- && at <= n && n - at >= 12; at += 12) {
		uint32_t tag = is_little ? le16(tiff + at) : be16(tiff + at);
		uint32_t value = is_little ? le16(tiff + at + 8) : be16(tiff + at + 8);

		if (tag == 0x0112)
			return value >= 1 && value <= 8 ? (int)value : 1;
	}
	return 1;
}

/* An Exif segment that says only that. */
static void orientation_write(struct buf *out, int side)
{
	buf_add(out,
		"\xff\xe1\0\x22"
		"Exif\0\0"
		"MM\0*\0\0\0\x08"
		"\0\x01"
		"\x01\x12\0\x03\0\0\0\x01\0",
		29);
	buf_char(out, (char)side);
	buf_add(out, "\0\0\0\0\0\0", 6);
}

static bool is_frame(int marker)
{
	return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

/* A segment that has a length, without marker: n bytes with the length. */
static bool segment_clean(struct buf *out, int marker, const unsigned char *p, size_t n)
{
	static const struct {
		int marker;
		const char *name;
		size_t n;
	} kept[] = { { 0xe2, "ICC_PROFILE", 12 }, { 0xee, "Adobe", 5 } };

	if (marker == 0xe0 && n >= 16 && !memcmp(p + 2, "JFIF", 5)) { /* without its thumbnail */
		buf_add(out, "\xff\xe0\0\x10", 4);
		buf_add(out, p + 2, 12);
		buf_add(out, "\0\0", 2);
		return true;
	}
	if (marker == 0xe1 && n >= 8 && !memcmp(p + 2, "Exif\0", 6)) {
		int side = orientation(p + 8, n - 8);

		if (side != 1)
			orientation_write(out, side);
		return true;
	}
	if ((marker >= 0xe0 && marker <= 0xef) || marker == 0xfe) {
		bool is_kept = false;

		for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
			is_kept |= marker == kept[i].marker && n >= 2 + kept[i].n &&
				   !memcmp(p + 2, kept[i].name, kept[i].n);
		if (!is_kept)
			return true;
	}
	if (is_frame(marker) && (n < 8 || !is_size(be16(p + 5), be16(p + 3))))
		return false;
	buf_char(out, '\xff');
	buf_char(out, (char)marker);
	buf_add(out, p, n);
	return true;
}

/* What is coded, up to the next marker that is none of its own. */
static void scan_copy(struct reader *r, struct buf *out)
{
	size_t from = r->at;

	while (has(r, 2)) {
		const unsigned char *p = here(r);

		if (p[0] == 0xff && p[1] != 0 && (p[1] < 0xd0 || p[1] > 0xd7))
			break;
		r->at++;
	}
	buf_add(out, r->p + from, r->at - from);
}

static bool jpeg_clean(struct reader *r, struct buf *out)
{
	bool has_frame = false, has_scan = false;

	buf_add(out, here(r), 2);
	r->at += 2;
	while (has(r, 2) && here(r)[0] == 0xff) {
		int marker = here(r)[1];
		size_t n;

		if (marker == 0xff) { /* filled up */
			r->at++;
			continue;
		}
		r->at += 2;
		if (marker == 0xd9) {
			buf_add(out, "\xff\xd9", 2);
			return has_scan;
		}
		if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd8) || !has(r, 2))
			return false;
		n = be16(here(r));
		if (n < 2 || !has(r, n) || !segment_clean(out, marker, here(r), n))
			return false;
		r->at += n;
		has_frame |= is_frame(marker);
		if (marker == 0xda) {
			if (!has_frame)
				return false;
			scan_copy(r, out);
			has_scan = true;
		}
	}
	return false;
}

/* GIF */

/* Behind r: blocks of up to 255 bytes, up to an empty one.  How many bytes, or 0. */
static size_t blocks(const struct reader *r, size_t at)
{
	size_t from = at;

	while (at < r->n) {
		size_t n = r->p[at];

		if (!n)
			return at + 1 - from;
		at += n + 1;
	}
	return 0;
}

/* The colours that a byte of flags announces. */
static size_t colours(int flags)
{
	return flags & 0x80 ? (size_t)3 << ((flags & 7) + 1) : 0;
}

static bool gif_clean(struct reader *r, struct buf *out)
{
	bool has_image = false;
	size_t n = 13;

	if (!has(r, n) || !is_size(le16(here(r) + 6), le16(here(r) + 8)))
		return false;
	n += colours(here(r)[10]);
	if (!has(r, n))
		return false;
	buf_add(out, here(r), n);
	r->at += n;
	while (has(r, 1)) {
		const unsigned char *p = here(r);
		bool is_kept = true;
		size_t more;

		if (p[0] == 0x3b) {
			buf_char(out, 0x3b);
			return has_image;
		}
		if (p[0] == 0x2c && has(r, 11)) {
			n = 10 + colours(p[9]) + 1;
			has_image = true;
		} else if (p[0] == 0x21 && has(r, 14)) {
			n = 2;
			is_kept = p[1] == 0xf9 ||
				  (p[1] == 0xff && p[2] == 11 &&
				   (!memcmp(p + 3, "NETSCAPE2.0", 11) || !memcmp(p + 3, "ANIMEXTS1.0", 11)));
		} else if (p[0] == 0x21 &&
			   has(r, 3)) { /* the last one can be shorter than an application's name */
			n = 2;
			is_kept = p[1] == 0xf9;
		} else {
			return false;
		}
		if (!has(r, n))
			return false;
		more = blocks(r, r->at + n);
		if (!more)
			return false;
		if (is_kept)
			buf_add(out, p, n + more);
		r->at += n + more;
	}
	return false;
}

/* WebP */

static void le32_write(unsigned char *p, size_t n)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(n >> 8 * i);
}

static bool webp_clean(struct reader *r, struct buf *out)
{
	static const char kept[] = "VP8 VP8LVP8XALPHANIMANMFICCP", images[] = "VP8 VP8LANMF";
	size_t size = le32(here(r) + 4), from = out->n;
	bool has_image = false;

	if (size < 4 || size > r->n - 8)
		return false;
	r->n = size + 8; /* what follows is not it */
	buf_add(out, here(r), 12);
	r->at += 12;
	while (has(r, 8)) {
		const unsigned char *chunk = here(r);
		size_t n = le32(chunk + 4), padded = n + (n & 1);

		if (n > r->n || !has(r, padded + 8))
			return false;
		if (!memcmp(chunk, "VP8X", 4) && n >= 10) {
			unsigned char head[18];

			if (!is_size((le32(chunk + 12) & 0xffffff) + 1, (le32(chunk + 14) >> 8) + 1))
				return false;
			memcpy(head, chunk, sizeof(head));
			head[8] &= 0xf3; /* Exif and XMP are not there */
			le32_write(head + 4, 10);
			buf_add(out, head, sizeof(head));
		} else if (is_one_of(chunk, kept)) {
			buf_add(out, chunk, padded + 8);
		}
		has_image |= is_one_of(chunk, images);
		r->at += padded + 8;
	}
	le32_write((unsigned char *)out->p + from + 4, out->n - from - 8);
	return has_image && !has(r, 1);
}

const char *picture_clean(const void *bytes, size_t n, struct buf *out)
{
	struct reader r = { bytes, n, 0 };

	if (n >= 20 && !memcmp(bytes, "\x89PNG\r\n\x1a\n", 8))
		return png_clean(&r, out) ? "image/png" : NULL;
	if (n >= 20 && !memcmp(bytes, "\xff\xd8\xff", 3))
		return jpeg_clean(&r, out) ? "image/jpeg" : NULL;
	if (n >= 20 && (!memcmp(bytes, "GIF87a", 6) || !memcmp(bytes, "GIF89a", 6)))
		return gif_clean(&r, out) ? "image/gif" : NULL;
	if (n >= 20 && !memcmp(bytes, "RIFF", 4) && !memcmp((const char *)bytes + 8, "WEBP", 4))
		return webp_clean(&r, out) ? "image/webp" : NULL;
	return NULL;
}

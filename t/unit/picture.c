#include "lib/base/picture.h"

#include <string.h>

#include "t/unit/tap.h"

#define BYTES(text) text, sizeof(text) - 1

static struct arena arena;

/* What is made of it must be exactly that; NULL: it is refused. */
static void cleaned(const char *what, const char *bytes, size_t n, const char *type, const char *want,
		    size_t nwant)
{
	struct buf out, again;
	const char *got;

	buf_init(&out, &arena, 16);
	buf_init(&again, &arena, 16);
	got = picture_clean(bytes, n, &out);
	if (!type) {
		ok(!got, "refused: %s", what);
		return;
	}
	is_str(got ? got : "refused", type, "%s: its type", what);
	ok(got && out.n == nwant && !memcmp(out.p, want, nwant), "%s: what is kept", what);
	ok(got && picture_clean(out.p, out.n, &again) && again.n == out.n && !memcmp(again.p, out.p, out.n),
	   "%s: twice is once", what);
	for (size_t cut = 0; got && cut < nwant;
	     cut++) { /* without its end it is none, wherever that is missing */
		struct buf part;

		buf_init(&part, &arena, 16);
		if (picture_clean(want, cut, &part)) {
			ok(false, "%s: refused after %zu bytes", what, cut);
			break;
		}
	}
}

#define PNG_HEAD            \
	"\x89PNG\r\n\x1a\n" \
	"\0\0\0\rIHDR\0\0\0\1\0\0\0\1\b\2\0\0\0ABCD"
#define PNG_DATA "\0\0\0\2IDATxyABCD"
#define PNG_END "\0\0\0\0IENDABCD"

#define GIF_HEAD "GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff"
#define GIF_IMAGE ",\0\0\0\0\1\0\1\0\0\2\2D\1\0"
#define GIF_LOOP "!\xff\x0bNETSCAPE2.0\3\1\0\0\0"

#define JPEG_FRAME "\xff\xc0\0\x0b\b\0\1\0\1\1\1\x11\0"
#define JPEG_SCAN                 \
	"\xff\xda\0\b\1\1\0\0?\0" \
	"ab\xff\0c\xff\xd0"       \
	"d"
#define JPEG_END "\xff\xd9"
#define JFIF "\xff\xe0\0\x10JFIF\0\1\2\0\0\1\0\1\0\0"
#define JPEG "\xff\xd8" JFIF JPEG_FRAME JPEG_SCAN JPEG_END
#define EXIF(side)       \
	"\xff\xe1\0\x22" \
	"Exif\0\0"       \
	"MM\0*\0\0\0\b\0\1\1\x12\0\3\0\0\0\1\0" side "\0\0\0\0\0\0"

#define WEBP_IMAGE "VP8L\3\0\0\0abc\0"

int main(void)
{
	arena_init(&arena, 65536);
	cleaned("PNG", BYTES(PNG_HEAD PNG_DATA PNG_END), "image/png", BYTES(PNG_HEAD PNG_DATA PNG_END));
	cleaned("PNG with texts and Exif",
		BYTES(PNG_HEAD "\0\0\0\7tEXtA\0where1234"
			       "\0\0\0\4eXIfMM\0*1234" PNG_DATA "\0\0\0\0gAMA1234" PNG_END),
		"image/png", BYTES(PNG_HEAD PNG_DATA "\0\0\0\0gAMA1234" PNG_END));
	cleaned("PNG with a page behind it", BYTES(PNG_HEAD PNG_DATA PNG_END "<script>alert(1)</script>"),
		"image/png", BYTES(PNG_HEAD PNG_DATA PNG_END));
	cleaned("PNG without picture", BYTES(PNG_HEAD PNG_END), NULL, NULL, 0);
	cleaned("PNG with what has to be understood", BYTES(PNG_HEAD "\0\0\0\0NEWX1234" PNG_DATA PNG_END),
		NULL, NULL, 0);
	cleaned("PNG of no size",
		BYTES("\x89PNG\r\n\x1a\n"
		      "\0\0\0\rIHDR\0\0\0\0\0\0\0\1\b\2\0\0\0ABCD" PNG_DATA PNG_END),
		NULL, NULL, 0);
	cleaned("PNG of too many pixels",
		BYTES("\x89PNG\r\n\x1a\n"
		      "\0\0\0\rIHDR\0\1\0\0\0\0\0\1\b\2\0\0\0ABCD" PNG_DATA PNG_END),
		NULL, NULL, 0);
	cleaned("PNG whose part is longer than all", BYTES(PNG_HEAD "\xff\xff\xff\xffIDATxy1234"), NULL, NULL,
		0);

	cleaned("GIF", BYTES(GIF_HEAD GIF_IMAGE ";"), "image/gif", BYTES(GIF_HEAD GIF_IMAGE ";"));
	cleaned("GIF that moves", BYTES(GIF_HEAD GIF_LOOP "!\xf9\4\0\0\0\0\0" GIF_IMAGE GIF_IMAGE ";"),
		"image/gif", BYTES(GIF_HEAD GIF_LOOP "!\xf9\4\0\0\0\0\0" GIF_IMAGE GIF_IMAGE ";"));
	cleaned("GIF with comment and XMP",
		BYTES(GIF_HEAD "!\xfe\7<hello>\0!\xff\x0bXMP DataXMP\3abc\0" GIF_IMAGE ";<script>"),
		"image/gif", BYTES(GIF_HEAD GIF_IMAGE ";"));
	cleaned("GIF that is HTML", BYTES("GIF89a<html><script>alert(1)</script></html>"), NULL, NULL, 0);
	cleaned("GIF that is a script", BYTES("GIF89a=1;alert(document.cookie);//aaaaaaaaaa"), NULL, NULL, 0);
	cleaned("GIF without picture", BYTES(GIF_HEAD "!\xfe\7<hello>\0;"), NULL, NULL, 0);

	cleaned("JPEG", BYTES(JPEG), "image/jpeg", BYTES(JPEG));
	cleaned("JPEG with Exif, XMP, IPTC and a comment",
		BYTES("\xff\xd8" JFIF "\xff\xe1\0\x14"
		      "Exif\0\0II*\0\b\0\0\0\0\0GP"
		      "\xff\xe1\0\x08http:/"
		      "\xff\xed\0\x06"
		      "8BIM"
		      "\xff\xfe\0\x05"
		      "Ada"
		      "\xff\xe2\0\x10ICC_PROFILE\0ab" JPEG_FRAME JPEG_SCAN JPEG_END "<script>"),
		"image/jpeg",
		BYTES("\xff\xd8" JFIF "\xff\xe2\0\x10ICC_PROFILE\0ab" JPEG_FRAME JPEG_SCAN JPEG_END));
	cleaned("JPEG on its side",
		BYTES("\xff\xd8"
		      "\xff\xe1\0\x2e"
		      "Exif\0\0"
		      "II*\0\b\0\0\0\2\0\x0f\1\2\0\4\0\0\0abc\0"
		      "\x12\1\3\0\1\0\0\0\6\0\0\0"
		      "GPS!" JPEG_FRAME JPEG_SCAN JPEG_END),
		"image/jpeg", BYTES("\xff\xd8" EXIF("\6") JPEG_FRAME JPEG_SCAN JPEG_END));
	cleaned("JPEG with a thumbnail",
		BYTES("\xff\xd8"
		      "\xff\xe0\0\x13JFIF\0\1\2\0\0\1\0\1\1\1abc" JPEG_FRAME JPEG_SCAN JPEG_END),
		"image/jpeg", BYTES(JPEG));
	cleaned("JPEG without a scan", BYTES("\xff\xd8" JFIF JPEG_FRAME JPEG_END), NULL, NULL, 0);
	cleaned("JPEG without a frame", BYTES("\xff\xd8" JFIF JPEG_SCAN JPEG_END), NULL, NULL, 0);
	cleaned("JPEG of too many pixels",
		BYTES("\xff\xd8" JFIF "\xff\xc0\0\x0b\b\0\1\xff\xff\1\1\x11\0" JPEG_SCAN JPEG_END), NULL,
		NULL, 0);
	cleaned("JPEG that is HTML", BYTES("\xff\xd8\xff<html><script>alert(1)</script>"), NULL, NULL, 0);

	cleaned("WebP", BYTES("RIFF\x10\0\0\0WEBP" WEBP_IMAGE), "image/webp",
		BYTES("RIFF\x10\0\0\0WEBP" WEBP_IMAGE));
	cleaned("WebP with Exif and XMP",
		BYTES("RIFF\x38\0\0\0WEBPVP8X\n\0\0\0\x0c\0\0\0\0\0\0\0\0\0" WEBP_IMAGE "EXIF\4\0\0\0MM\0*"
		      "XMP \2\0\0\0ab"
		      "<script>"),
		"image/webp", BYTES("RIFF\x22\0\0\0WEBPVP8X\n\0\0\0\0\0\0\0\0\0\0\0\0\0" WEBP_IMAGE));
	cleaned("WebP without picture", BYTES("RIFF\x10\0\0\0WEBPEXIF\4\0\0\0MM\0*"), NULL, NULL, 0);
	cleaned("WebP longer than it is", BYTES("RIFF\xff\0\0\0WEBP" WEBP_IMAGE), NULL, NULL, 0);
	cleaned("SVG", BYTES("<svg xmlns='http://www.w3.org/2000/svg'></svg>"), NULL, NULL, 0);
	cleaned("nothing", "", 0, NULL, NULL, 0);
	arena_release(&arena);
	return done_testing();
}

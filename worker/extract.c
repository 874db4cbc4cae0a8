#include "worker/extract.h"

#include <strings.h>

#include "lib/base/utf8.h"
#include "worker/extractor.h"

const struct extract_limits extract_usual = {
	.cpu_s = 10,
	.wall_ms = 30000,
	.memory_bytes = (size_t)512 << 20,
	.text_bytes = (size_t)4 << 20,
	.unpacked_bytes = (size_t)128 << 20,
};

const struct sandbox_task extract_tasks[] = {
	{ "plain", NULL, extractor_plain },
	{ "html", NULL, extractor_html },
	{ "ooxml", NULL, extractor_ooxml },
	{ "pdf", extractor_pdf_load, extractor_pdf },
	{ NULL },
};

#define OFFICE "application/vnd.openxmlformats-officedocument."

/* clang-format off */
static const struct {
	const char *media_type, *task;
} types[] = {
	{ "text/plain",                           "plain" },
	{ "text/markdown",                        "plain" },
	{ "text/csv",                             "plain" },
	{ "application/json",                     "plain" },
	{ "text/html",                            "html" },
	{ "application/xhtml+xml",                "html" },
	{ OFFICE "wordprocessingml.document",     "ooxml" },
	{ OFFICE "spreadsheetml.sheet",           "ooxml" },
	{ OFFICE "presentationml.presentation",   "ooxml" },
	{ "application/pdf",                      "pdf" },
};
/* clang-format on */

static const char *task_of(const char *media_type)
{
	size_t n = strcspn(media_type, "; \t");

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		if (n == strlen(types[i].media_type) && !strncasecmp(types[i].media_type, media_type, n))
			return types[i].task;
	}
	return NULL;
}

bool extract_knows(const char *media_type)
{
	return task_of(media_type);
}

/* Does it say that it is something else than UTF-8? */
static bool has_other_charset(const char *media_type)
{
	const char *charset = strcasestr(media_type, "charset=");
	size_t n;

	if (!charset)
		return false;
	charset += strlen("charset=");
	charset += *charset == '"';
	n = strcspn(charset, "\"; \t");
	return !(n == 5 && !strncasecmp(charset, "utf-8", n)) &&
	       !(n == 4 && !strncasecmp(charset, "utf8", n)) &&
	       !(n == 8 && !strncasecmp(charset, "us-ascii", n));
}

/* What a child wrote as what may be kept: PostgreSQL takes no NUL, and people no terminal's commands. */
static void clean(struct arena *a, const struct buf *raw, struct extracted *text)
{
	struct buf b;

	buf_init(&b, a, raw->n + 1);
	for (size_t i = 0; i < raw->n;) {
		int len = utf8_next(raw->p + i, raw->n - i);
		unsigned char c = (unsigned char)raw->p[i];

		if (len < 0) {
			/* What is cut may end within a character. */
			if (!text->was_cut || i + (size_t)-len < raw->n)
				buf_text(&b, "\xef\xbf\xbd");
			i += (size_t)-len;
			continue;
		}
		if (c == '\r') {
			if (i + 1 == raw->n || raw->p[i + 1] != '\n')
				buf_char(&b, '\n');
		} else if ((c < ' ' && c != '\t' && c != '\n') || c == 0x7f) {
			if (c)
				buf_char(&b, ' ');
		} else {
			buf_add(&b, raw->p + i, (size_t)len);
		}
		i += (size_t)len;
	}
	text->n = b.n;
	text->text = buf_str(&b);
}

/* Why there is no text, and whether that stays so. */
static const char *why(enum sandbox_end end, int status, bool *is_final)
{
	*is_final = end != SANDBOX_FAILED && status != EXTRACTOR_ABSENT;
	switch (end) {
	case SANDBOX_TIME: return "it took too long";
	case SANDBOX_MEMORY: return "it took too much memory";
	case SANDBOX_OUTPUT: return "it has more text than it may";
	case SANDBOX_FAILED: return "it could not be tried";
	case SANDBOX_STOPPED:
	case SANDBOX_CRASHED:
	case SANDBOX_ENDED: break;
	}
	switch (status) {
	case EXTRACTOR_ENCODING: return "the text is not in UTF-8";
	case EXTRACTOR_SIZE: return "the file is larger than it may be to be read";
	case EXTRACTOR_UNPACKS: return "the file unpacks to more than it may";
	case EXTRACTOR_PARTS: return "the file has more parts than it may";
	case EXTRACTOR_ENCRYPTED: return "the file is encrypted";
	case EXTRACTOR_ABSENT: return "what reads such files is not installed";
	default: return "the file cannot be read";
	}
}

bool extract_text(struct arena *a, int fd, const char *media_type, const struct extract_limits *limits,
		  struct extracted *text, const char **reason, bool *is_final)
{
	const char *task = task_of(media_type);
	struct sandbox_limits sandbox = {
		.cpu_s = limits->cpu_s,
		.wall_ms = limits->wall_ms,
		.memory_bytes = limits->memory_bytes,
		.output_bytes = limits->text_bytes,
	};
	enum sandbox_end end;
	struct buf raw;
	int status;

	*is_final = true;
	if (!task) {
		*reason = "there is no text in files of this type";
		return false;
	}
	if (has_other_charset(media_type)) {
		*reason = "the text is not in UTF-8";
		return false;
	}
	buf_init(&raw, a, 65536);
	end = sandbox_run(task, arena_fmt(a, "%zu %zu", limits->text_bytes, limits->unpacked_bytes), fd,
			  &sandbox, &raw, &status);
	if (end != SANDBOX_ENDED || (status != EXTRACTOR_OK && status != EXTRACTOR_CUT)) {
		*reason = why(end, status, is_final);
		return false;
	}
	text->was_cut = status == EXTRACTOR_CUT;
	clean(a, &raw, text);
	return true;
}

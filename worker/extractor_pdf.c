/*
 * PDF by poppler, the parser that pdftotext is made of: page by page, in the
 * order in which it is read.
 *
 * Its library is loaded by the child that needs it, so no other process has its
 * forty others in memory, nor its C++; that is done before the filter, and in
 * front of it no byte of the file is read.  pdftotext itself would have to be
 * executed behind a filter, which so would have to allow that, and files.
 *
 * Behind the filter poppler finds no file of its own: a CJK font that names one
 * of Adobe's character maps and says nothing of Unicode has no text here
 * (poppler-data has those maps; pdftotext reads them).
 *
 * A document takes the time of its pages, of which it may have any number: what
 * is told until most of the time is over is told, and marked as cut.
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include "worker/extractor.h"

enum { MAX_PAGES = 10000, PER_CENT_OF_TIME = 70 };

/*
 * What is taken of its C interface, of which the number is the version: poppler.h has these, and a member
 * by a name that no file of ours may have.
 */
#define POPPLER "libpoppler-glib.so.8"
#define POPPLER_ERROR_ENCRYPTED 1

typedef struct PopplerDocument PopplerDocument;
typedef struct PopplerPage PopplerPage;
typedef struct GBytes GBytes;

struct g_error {
	uint32_t domain;
	int code;
	char *message;
};

/* clang-format off */
#define FUNCTIONS(X) \
	X(GBytes *, g_bytes_new_static, const void *p, size_t n) \
	X(void, g_free, void *p) \
	X(void, g_object_unref, void *object) \
	X(PopplerDocument *, poppler_document_new_from_bytes, GBytes *bytes, const char *password, struct g_error **error) \
	X(int, poppler_document_get_n_pages, PopplerDocument *document) \
	X(PopplerPage *, poppler_document_get_page, PopplerDocument *document, int index) \
	X(char *, poppler_page_get_text, PopplerPage *page)
/* clang-format on */

static struct {
#define POINTER(type, name, ...) type (*name)(__VA_ARGS__);
	FUNCTIONS(POINTER)
} to;

static bool is_loaded;
static double most_cpu_s; /* behind which no page is begun */

void extractor_pdf_load(const char *arg)
{
	void *library = dlopen(POPPLER, RTLD_NOW | RTLD_LOCAL);
	struct rlimit cpu;

	(void)arg;
	if (!library || getrlimit(RLIMIT_CPU, &cpu))
		return;
	is_loaded = true;
#define LOOK_UP(type, name, ...)                              \
	to.name = (__typeof__(to.name))dlsym(library, #name); \
	is_loaded = is_loaded && to.name;
	FUNCTIONS(LOOK_UP)
	most_cpu_s = (double)cpu.rlim_cur * PER_CENT_OF_TIME / 100;
}

/* One page; false: there is none. */
static bool tell_page(PopplerDocument *document, int i)
{
	PopplerPage *page = to.poppler_document_get_page(document, i);
	char *text = page ? to.poppler_page_get_text(page) : NULL;
	size_t n = text ? strlen(text) : 0, from = 0;

	while (n && strchr(" \n\f", text[n - 1]))
		n--;
	while (from < n && strchr("\n\f", text[from]))
		from++;
	if (n > from)
		extractor_text(text + from, n - from);
	extractor_break(2);
	if (page)
		to.g_object_unref(page);
	to.g_free(text);
	return page;
}

int extractor_pdf(const char *arg)
{
	PopplerDocument *document;
	bool has_page = false;
	struct g_error *error = NULL;
	size_t max, n;
	char *p;
	int pages;

	if (!is_loaded)
		return EXTRACTOR_ABSENT;
	extractor_begin(arg, &max);
	p = extractor_file(max, &n);
	document = to.poppler_document_new_from_bytes(to.g_bytes_new_static(p, n), NULL, &error);
	if (!document)
		return error && error->code == POPPLER_ERROR_ENCRYPTED ? EXTRACTOR_ENCRYPTED : EXTRACTOR_READ;
	pages = to.poppler_document_get_n_pages(document);
	for (int i = 0; i < pages; i++) {
		if (i == MAX_PAGES || (double)clock() / CLOCKS_PER_SEC > most_cpu_s)
			return extractor_cut();
		has_page = tell_page(document, i) || has_page;
	}
	return has_page ? extractor_end() : EXTRACTOR_READ;
}

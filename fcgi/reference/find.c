#include "fcgi/reference/find.h"

#include <math.h>
#include <string.h>

#include "fcgi/field.h"

enum { WORDS = 8, LETTERS = 32 };

/* What a word is worth by where it stands. */
enum { IN_PATH = 6, IN_TITLE = 5, IN_ABOUT = 2, IN_FIELD = 1, IN_TEXT = 1, TEXT_MOST = 3 };

struct asked {
	char word[WORDS][LETTERS];
	size_t len[WORDS];
	int n;
};

/* Of each word, what an entry has of it. */
struct found {
	float weight[WORDS];
};

static int lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c + 32 : (unsigned char)c;
}

static bool is_letter(char c)
{
	int l = lower(c);

	return (l >= 'a' && l <= 'z') || (l >= '0' && l <= '9') || l >= 0x80;
}

/* Without the ending of a plural, so that each finds the other: companies, company. */
static size_t stem(const char *p, size_t n)
{
	if (n > 4 && !strncmp(p + n - 3, "ies", 3))
		return n - 3;
	if (n > 3 && (p[n - 1] == 'y' || (p[n - 1] == 's' && p[n - 2] != 's')))
		return n - 1;
	return n;
}

/* The next word of a text, in lower case and cut to LETTERS; its length, 0: there is none. */
static size_t next(const char **p, const char *end, char word[LETTERS])
{
	size_t n = 0;

	while (*p < end && !is_letter(**p))
		(*p)++;
	for (; *p < end && is_letter(**p); (*p)++)
		if (n < LETTERS)
			word[n++] = (char)lower(**p);
	return n;
}

static void ask(struct asked *a, const char *query)
{
	const char *end = query + strnlen(query, 1000);
	size_t n;

	for (a->n = 0; a->n < WORDS && (n = next(&query, end, a->word[a->n])); a->n++)
		a->len[a->n] = stem(a->word[a->n], n);
}

/* How well a word of a text is one that is asked for: 1, or half where it only begins so. */
static float likeness(const struct asked *a, int i, const char *word, size_t n)
{
	size_t len = a->len[i];

	if (n < len || word[0] != a->word[i][0] || memcmp(word, a->word[i], len) != 0)
		return 0;
	return stem(word, n) == len ? 1 : len >= 3 ? 0.5F : 0;
}

static void look(const struct asked *a, struct found *f, const char *p, size_t len, float worth, float most)
{
	const char *end = p + len;
	char word[LETTERS];
	float sum[WORDS] = { 0 };
	size_t n;

	while ((n = next(&p, end, word)))
		for (int i = 0; i < a->n; i++)
			sum[i] += likeness(a, i, word, n);
	for (int i = 0; i < a->n; i++)
		f->weight[i] += worth * (sum[i] > most ? most : sum[i]);
}

static void look_at(const struct asked *a, struct found *f, const char *text, float worth)
{
	if (text)
		look(a, f, text, strlen(text), worth, 1);
}

static void look_at_fields(const struct asked *a, struct found *f, const struct field *table)
{
	for (; table && table->type != F_END; table++)
		look_at(a, f, table->name, IN_FIELD);
}

static void look_at_route(const struct asked *a, struct found *f, const struct route *r)
{
	look_at(a, f, r->path, IN_PATH);
	look_at(a, f, strchr(r->id, '.'), IN_PATH);
	look_at(a, f, r->summary, IN_TITLE);
	look_at(a, f, r->about, IN_ABOUT);
	look_at_fields(a, f, r->query);
	look_at_fields(a, f, r->body);
}

/* A page's next section: from its heading to the next one. */
static const char *section(const char *p, struct find_hit *h)
{
	const char *end = strstr(p + 1, "\n## "), *line = strchr(p, '\n');

	end = end ? end + 1 : p + strlen(p);
	line = line && line < end ? line : end;
	h->heading = p + strspn(p, "# ");
	h->heading_len = (size_t)(line - h->heading);
	h->text = line;
	h->text_len = (size_t)(end - line);
	return *end ? end : NULL;
}

static void look_at_section(const struct asked *a, struct found *f, const struct find_hit *h)
{
	look_at(a, f, h->page->title, IN_ABOUT);
	look(a, f, h->heading, h->heading_len, IN_TITLE, 1);
	look(a, f, h->text, h->text_len, IN_TEXT, TEXT_MOST);
}

/* Call fn for all there is to find. */
static void each(const struct asked *a, void (*fn)(void *to, const struct find_hit *h, const struct found *f),
		 void *to)
{
	const struct route *r;

	for (int i = 0; (r = route_at(i)); i++) {
		struct find_hit h = { .route = r };
		struct found f = { { 0 } };

		if (r->flags & LINK)
			continue;
		look_at_route(a, &f, r);
		fn(to, &h, &f);
	}
	for (const struct guide_page *page = guide_pages; page->name; page++) {
		for (const char *p = page->text; p;) {
			struct find_hit h = { .page = page };
			struct found f = { { 0 } };

			p = section(p, &h);
			look_at_section(a, &f, &h);
			fn(to, &h, &f);
		}
	}
}

struct seen {
	const struct asked *asked;
	int all, with[WORDS]; /* how many entries there are, and how many have a word */
	struct find_hit *hits;
	int n;
};

static void count(void *to, const struct find_hit *h, const struct found *f)
{
	struct seen *s = to;

	(void)h;
	s->all++;
	for (int i = 0; i < s->asked->n; i++)
		s->with[i] += f->weight[i] > 0;
}

/* What a word is worth that few have; who has more of the words comes first. */
static double score_of(const struct seen *s, const struct found *f)
{
	double score = 0;
	int words = 0;

	for (int i = 0; i < s->asked->n; i++) {
		if (f->weight[i] <= 0)
			continue;
		words++;
		score += (double)f->weight[i] * log(1 + (double)s->all / s->with[i]);
	}
	return score * words;
}

static void keep(void *to, const struct find_hit *h, const struct found *f)
{
	struct seen *s = to;
	double score = score_of(s, f);
	int i = s->n;

	if (score <= 0 || (i == FIND_MOST && score <= s->hits[i - 1].score))
		return;
	if (i == FIND_MOST)
		i--;
	else
		s->n++;
	for (; i > 0 && s->hits[i - 1].score < score; i--)
		s->hits[i] = s->hits[i - 1];
	s->hits[i] = *h;
	s->hits[i].score = score;
}

int find_words(const char *query, struct find_hit hits[FIND_MOST])
{
	struct asked asked;
	struct seen seen = { .asked = &asked, .hits = hits };

	ask(&asked, query);
	each(&asked, count, &seen);
	each(&asked, keep, &seen);
	return seen.n;
}

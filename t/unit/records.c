/*
 * The records of a file that somebody else's program wrote.
 */
#include "lib/host/records.h"

#include "lib/base/buf.h"
#include "t/unit/tap.h"

enum { MAX = 64 };

static struct arena a;

/* A file as its records: "1:{…} 2-3:a|b|c 4!why"; and a note on which form it is. */
static const char *read_bytes(const char *text, size_t size, const char *member)
{
	static const char *const forms[] = { "lines", "list", "objects", "csv" };
	FILE *in = fmemopen(memcpy(arena_alloc(&a, size + 1), text, size), size ? size : 1, "r");
	struct records r;
	struct record record;
	struct buf b;

	if (!size)
		getc(in);
	buf_init(&b, &a, 256);
	records_init(&r, in, member, MAX);
	buf_text(&b, forms[r.form]);
	while (records_next(&r, &a, &record)) {
		buf_fmt(&b, " %ld", record.line);
		if (record.last_line != record.line)
			buf_fmt(&b, "-%ld", record.last_line);
		if (record.problem) {
			buf_fmt(&b, "!%s", record.problem);
			continue;
		}
		buf_char(&b, ':');
		if (!record.fields)
			buf_add(&b, record.text, record.n);
		for (int i = 0; i < record.nfields; i++)
			buf_fmt(&b, "%s%s", i ? "|" : "", record.fields[i]);
	}
	fclose(in);
	return buf_str(&b);
}

static const char *read_text(const char *text)
{
	return read_bytes(text, strlen(text), "users");
}

#define BOM "\xef\xbb\xbf"
#define TEN "xxxxxxxxxx"
#define LONG TEN TEN TEN TEN TEN TEN TEN

static void test_json(void)
{
	is_str(read_text("{\"a\":1}\n{\"a\":2}\n"), "lines 1:{\"a\":1} 2:{\"a\":2}", "an object a line");
	is_str(read_text(BOM "\n\n {\"a\":1}\r\n\r\n{\"a\":2}"), "lines 3:{\"a\":1}\r 5:{\"a\":2}",
	       "with blank lines and a mark before it, and none behind");
	is_str(read_text("{\"a\":1}\n{\"a\n{\"a\":3}\n"), "lines 1:{\"a\":1} 2:{\"a 3:{\"a\":3}",
	       "a broken line breaks no other");
	is_str(read_text("{\"a\":\"" LONG "\"}\n{\"b\":2}"),
	       "lines 1!it is longer than 64 bytes, to line 1 2:{\"b\":2}", "nor does one that is too long");
	is_str(read_text("[]"), "list", "an empty list");
	is_str(read_text(" [ {\"a\":[1,{\"b\":\"}]\\\"\"}]} ,\n\n{\"c\":2}\n]\n{\"d\":3}"),
	       "list 1:{\"a\":[1,{\"b\":\"}]\\\"\"}]} 3:{\"c\":2}", "a list, to its end");
	is_str(read_text("{\"users\": [{\"a\":1},\n{\n\"b\":2\n}]}"), "list 1:{\"a\":1} 2-4:{\n\"b\":2\n}",
	       "the list of an object");
	is_str(read_text("{\"others\": [{\"a\":1}]}"), "lines 1:{\"others\": [{\"a\":1}]}",
	       "of another name it is a line");
	is_str(read_bytes("{\"users\": [{\"a\":1}]}", 21, NULL), "lines 1:{\"users\": [{\"a\":1}]}",
	       "or where none is expected");
	is_str(read_text("{\n\"a\":1\n}\n{\n\"a\":2\n}\n"), "objects 1-3:{\n\"a\":1\n} 4-6:{\n\"a\":2\n}",
	       "objects over several lines");
	is_str(read_text("[{\"a\":1},7,\"x,]\",null,[1],{\"b\":2}]"),
	       "list 1:{\"a\":1} 1!it is no object 1!it is no object 1!it is no object 1!it is no object",
	       "what is no object is told, and a list in a list ends it");
	is_str(read_text("{\n\"a\":1\n}\n,]\n{\n}"),
	       "objects 1-3:{\n\"a\":1\n} 4!it is no object 4!it is no object 5-6:{\n}",
	       "what stands between objects, too");
	is_str(read_text("[{\"a\":1}"), "list 1:{\"a\":1} 1!the file ends before its list does",
	       "a list that was cut off");
	is_str(read_text("[{\"a\":1},{\"b"),
	       "list 1:{\"a\":1} 1!the file ends in the middle of it 1!the file ends before its list does",
	       "in the middle of an object");
	is_str(read_text("[{\"a\":\"" LONG "\"},{\"b\":2}]"),
	       "list 1!it is longer than 64 bytes, to line 1 1:{\"b\":2}",
	       "one that is too long is skipped to its end");
	is_str(read_bytes("{\"a\":\0}\n{}", 10, NULL),
	       "lines 1:{\"a\":", "a NUL is part of it (and cut here)");
}

static void test_csv(void)
{
	is_str(read_text(""), "csv", "nothing");
	is_str(read_text("a,b\n1,2\n3,4"), "csv 1:a|b 2:1|2 3:3|4", "rows");
	is_str(read_text(BOM "a,b\r\n1,\r\n\r\n,2\r\n"), "csv 1:a|b 2:1| 4:|2",
	       "of Windows, with fields that are empty");
	is_str(read_text("\"a,\"\"b\"\"\",\"c\nd\",e\nf"), "csv 1-2:a,\"b\"|c\nd|e 3:f", "quoted ones");
	is_str(read_text("\"a \"b\" c\",d \"e\"\n"), "csv 1:a \"b\" c|d \"e\"", "marks that nobody doubled");
	is_str(read_text("\"\",\"\"\n"), "csv 1:|", "empty ones");
	is_str(read_text("a\n\"b"), "csv 1:a 2!the file ends within quotation marks",
	       "a mark that is not closed");
	is_str(read_text("a\n\"b" LONG "\nc\nd\n"), "csv 1:a 2!it is longer than 64 bytes, to line 2 3:c 4:d",
	       "it does not take the rest of the file along");
	is_str(read_text(LONG "," LONG ",x\ny\n"), "csv 1!it is longer than 64 bytes, to line 1 2:y",
	       "one that is too long");
	is_str(read_text(",,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,\ny\n"),
	       "csv 1!it is longer than 64 bytes, to line 1 2:y", "one of commas alone");
	is_str(read_text("a\xff,b\nc\n"), "csv 1!it is not UTF-8 2:c", "one that is no UTF-8");
	is_str(read_bytes("a\0b,c\nd\n", 8, NULL), "csv 1!it has a NUL character 2:d", "one with a NUL");
}

/* Whatever there is, it ends, and no line is told twice as another one's. */
static void test_any(void)
{
	static const char alphabet[] = "{}[],\"\\\n\r :a1\xc3\xa9";
	unsigned long seed = 20261129;
	char text[200];
	int ended = 0;

	for (int i = 0; i < 3000; i++) {
		size_t n = 1 + i % (sizeof(text) - 1);
		struct records r;
		struct record record;
		FILE *in;
		long last = 0;
		bool good = true;

		for (size_t k = 0; k < n; k++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			text[k] = alphabet[(seed >> 33) % (sizeof(alphabet) - 1)];
		}
		in = fmemopen(text, n, "r");
		records_init(&r, in, "a", MAX);
		for (size_t k = 0; good && records_next(&r, &a, &record); k++) {
			good = k <= n && record.line >= last && record.last_line >= record.line &&
			       (record.problem || record.fields || record.n <= MAX);
			last = record.line;
		}
		fclose(in);
		ended += good;
		arena_release(&a);
		arena_init(&a, 4096);
	}
	is_int(ended, 3000, "3,000 files of anything end");
}

int main(void)
{
	arena_init(&a, 4096);
	test_json();
	test_csv();
	test_any();
	arena_release(&a);
	return done_testing();
}

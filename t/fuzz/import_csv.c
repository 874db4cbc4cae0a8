/* Any bytes as a table of text: by its first two, in an encoding and between delimiters, or as both are found
 * out. */
#include <unicode/ucnv.h>

#include "t/fuzz/import.h"

static const char *const encodings[] = { "-", "utf-8", "utf-16le", "utf-16be", "windows-1252", "shift_jis" };
static const char delimiters[] = { 0, ',', ';', '\t', '|' };

enum { ENCODINGS = sizeof(encodings) / sizeof(*encodings) };

/* What ICU reads of an encoding stays its own. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	for (size_t i = 1; i < ENCODINGS; i++) {
		UErrorCode code = U_ZERO_ERROR;

		ucnv_close(ucnv_open(encodings[i], &code));
		must(U_SUCCESS(code));
	}
	begin();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct import_child c = { .format = "csv", .sheet = "" };

	if (n < 2)
		return 0;
	snprintf(c.encoding, sizeof(c.encoding), "%s", encodings[data[0] % ENCODINGS]);
	c.delimiter = delimiters[data[1] % sizeof(delimiters)];
	set_file(data + 2, n - 2);
	read_file(&c, import_child_csv);
	return 0;
}

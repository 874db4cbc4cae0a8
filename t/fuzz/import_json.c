/* Any bytes as rows of JSON: an array, lines, or, where the first one is odd, GeoJSON. */
#include "t/fuzz/import.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	begin();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct import_child c = { .sheet = "" };

	if (n < 1)
		return 0;
	snprintf(c.format, sizeof(c.format), "%s", data[0] & 1 ? "geojson" : "json");
	c.encoding[0] = '-';
	set_file(data + 1, n - 1);
	read_file(&c, import_child_json);
	return 0;
}

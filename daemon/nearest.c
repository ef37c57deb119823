#include "nearest.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum { WORD_MAX = 64 };

static size_t
min_of(size_t a, size_t b)
{
	return a < b ? a : b;
}

static bool
same_letter(char a, char b)
{
	return strncasecmp(&a, &b, 1) == 0;
}

/* How many letters must be added, left out, changed, or swapped with their neighbour
 * (Damerau-Levenshtein, optimal string alignment); case does not count. */
static size_t
distance(const char *a, const char *b)
{
	size_t rows[3][WORD_MAX + 1];
	size_t la = strlen(a);
	size_t lb = strlen(b);
	if (la > WORD_MAX || lb > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= lb; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t *row = rows[i % 3];
		const size_t *above = rows[(i - 1) % 3];
		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t change = same_letter(a[i - 1], b[j - 1]) ? 0 : 1;
			row[j] = min_of(min_of(above[j], row[j - 1]) + 1, above[j - 1] + change);
			if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) &&
				same_letter(a[i - 2], b[j - 1]))
				row[j] = min_of(row[j], rows[(i - 2) % 3][j - 2] + 1);
		}
	}
	return rows[la % 3][lb];
}

void
nearest_offer(struct nearest *n, const char *known)
{
	size_t d = distance(n->word, known);
	if (d > 1 + strlen(known) / 4 || (n->found != NULL && d >= n->distance))
		return;
	n->found = known;
	n->distance = d;
}

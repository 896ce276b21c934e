/* The best of many scores, row by row, as they come; plain C.
 *
 * A score and the number of its column are one key, the higher score first, equal ones by number:
 * keys are compared, moved and sorted as integers. A row keeps some more keys than are wanted, and
 * casts off the worst when it has no room: what is below them is passed over at a glance.
 */
#ifndef GCSA_BEST_H
#define GCSA_BEST_H

#include <stddef.h>
#include <stdint.h>

/* Scores that are looked at together. */
enum { BEST_GLANCE = 32 };

/* What is kept of each row: counts[r] keys of room, in no order, and the least score that may
 * still join. num of them are wanted, 0 < num and num + BEST_GLANCE < room. */
typedef struct {
    size_t rows, num, room;
    uint64_t *keys;
    int64_t *counts;
    float *least;
} best_kept;

/* Let scores (rows, columns), whose columns are numbered from first on, join; 0 where counts are
 * none. Scores of -infinity and NaN never join. */
int best_join(const best_kept *kept, const float *scores, size_t columns, uint32_t first);

/* Write the num best of each row in order, -infinity and -1 where there are fewer; 0 as above. */
int best_write(const best_kept *kept, float *scores, int64_t *numbers);

#endif

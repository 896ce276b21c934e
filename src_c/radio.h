/* Affinities of what images heard, from the entries that are not at their default; plain C.
 *
 * Vectors are rows of sparse matrices. Distances follow from their squares and inner products, and
 * the inner products of one row with a whole list from the entries that they have in common, which
 * are found by transmitter: most pairs have few.
 */
#ifndef GCSA_RADIO_H
#define GCSA_RADIO_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
    RADIO_OK = 0,
    RADIO_NO_MEMORY,
    RADIO_INDEX /* an index names no row, or a row's entries are not where they must be */
} radio_status;

/* The entries of row r are numbered starts[r] to starts[r + 1]; columns are below the width. */
typedef struct {
    const double *values;
    const int64_t *columns, *starts;
    const double *squares; /* the sum of a row's squared values */
    size_t rows, entries;
} radio_matrix;

/* out[l][r][c] is 1 - scale * distance of row rows[l][r] of a and row anchors[l][c] of b; float
 * where single, else double. It is 0 for an index of -1 and, where silent_is_zero, for a row
 * without entries. */
typedef struct {
    radio_matrix a, b;
    size_t width;
    const int64_t *rows, *anchors;
    size_t lists, row_count, anchor_count;
    double scale;
    int silent_is_zero, single;
    void *out;
} radio_job;

/* On failure some of out is not written. */
radio_status radio_affinities(const radio_job *job);

#endif

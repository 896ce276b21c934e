#include "radio.h"

#include <math.h>
#include <stdlib.h>

typedef struct {
    size_t anchor;
    double value;
} heard;

/* A list of anchors, with what they heard sorted by transmitter. */
typedef struct {
    size_t *starts;  /* of transmitter t: entries starts[t] to starts[t + 1] */
    heard *entries;
    double *squares; /* of the anchors; -1 where the affinity is 0 */
    double *sums;    /* the inner products of one row with the anchors */
} anchor_list;

/* ---- rows */

typedef struct {
    int64_t begin, end;
} span;

/* The entries of a row; none for -1. */
static span entries_of(const radio_matrix *m, int64_t row)
{
    return row < 0 ? (span){0, 0} : (span){m->starts[row], m->starts[row + 1]};
}

/* Whether row is -1, or one of the matrix whose entries are where they must be. */
static int row_fits(const radio_matrix *m, int64_t row, size_t width)
{
    if (row < -1 || row >= (int64_t)m->rows)
        return 0;
    span s = entries_of(m, row);
    int fits = s.begin >= 0 && s.begin <= s.end && s.end <= (int64_t)m->entries;
    for (int64_t e = s.begin; fits && e < s.end; e++)
        fits = m->columns[e] >= 0 && m->columns[e] < (int64_t)width;
    return fits;
}

/* The squared length of a row; -1 where the affinity is 0. */
static double square_of(const radio_job *job, const radio_matrix *m, int64_t row)
{
    span s = entries_of(m, row);
    return row < 0 || (job->silent_is_zero && s.begin == s.end) ? -1 : m->squares[row];
}

/* ---- one list */

/* A counting sort of the entries. */
static radio_status read_anchors(const radio_job *job, const int64_t *anchors, anchor_list *list)
{
    const radio_matrix *m = &job->b;
    size_t *next = list->starts + 1, total = 0;
    for (size_t t = 0; t < job->width + 2; t++)
        list->starts[t] = 0;
    for (size_t c = 0; c < job->anchor_count; c++) {
        if (!row_fits(m, anchors[c], job->width))
            return RADIO_INDEX;
        list->squares[c] = square_of(job, m, anchors[c]);
        span s = entries_of(m, anchors[c]);
        total += (size_t)(s.end - s.begin);
        for (int64_t e = s.begin; e < s.end; e++)
            next[m->columns[e] + 1]++;
    }
    free(list->entries);
    list->entries = malloc((total + 1) * sizeof *list->entries);
    if (list->entries == NULL)
        return RADIO_NO_MEMORY;
    for (size_t t = 1; t < job->width + 1; t++)
        next[t] += next[t - 1];
    for (size_t c = 0; c < job->anchor_count; c++) {
        span s = entries_of(m, anchors[c]);
        for (int64_t e = s.begin; e < s.end; e++) /* next ends as the start of what follows */
            list->entries[next[m->columns[e]]++] = (heard){c, m->values[e]};
    }
    return RADIO_OK;
}

static void sum_products(const radio_job *job, int64_t row, anchor_list *list)
{
    span s = entries_of(&job->a, row);
    for (size_t c = 0; c < job->anchor_count; c++)
        list->sums[c] = 0;
    for (int64_t e = s.begin; e < s.end; e++) {
        const size_t *of = list->starts + job->a.columns[e];
        for (size_t k = of[0]; k < of[1]; k++)
            list->sums[list->entries[k].anchor] += job->a.values[e] * list->entries[k].value;
    }
}

static void write_row(const radio_job *job, double square, const anchor_list *list, size_t at)
{
    for (size_t c = 0; c < job->anchor_count; c++) {
        double apart = square + list->squares[c] - 2 * list->sums[c], value = 0;
        if (square >= 0 && list->squares[c] >= 0)
            value = 1 - job->scale * sqrt(apart > 0 ? apart : 0);
        if (job->single)
            ((float *)job->out)[at + c] = (float)value;
        else
            ((double *)job->out)[at + c] = value;
    }
}

static radio_status one_list(const radio_job *job, size_t l, anchor_list *list)
{
    const int64_t *rows = job->rows + l * job->row_count;
    radio_status status = read_anchors(job, job->anchors + l * job->anchor_count, list);
    for (size_t r = 0; status == RADIO_OK && r < job->row_count; r++) {
        if (!row_fits(&job->a, rows[r], job->width))
            return RADIO_INDEX;
        sum_products(job, rows[r], list);
        double square = square_of(job, &job->a, rows[r]);
        write_row(job, square, list, (l * job->row_count + r) * job->anchor_count);
    }
    return status;
}

radio_status radio_affinities(const radio_job *job)
{
    size_t anchors = job->anchor_count + 1;
    anchor_list list = {malloc((job->width + 2) * sizeof(size_t)), NULL,
                        malloc(anchors * sizeof(double)), malloc(anchors * sizeof(double))};
    int enough = list.starts != NULL && list.squares != NULL && list.sums != NULL;
    radio_status status = enough ? RADIO_OK : RADIO_NO_MEMORY;
    for (size_t l = 0; status == RADIO_OK && l < job->lists; l++)
        status = one_list(job, l, &list);
    free(list.starts);
    free(list.entries);
    free(list.squares);
    free(list.sums);
    return status;
}

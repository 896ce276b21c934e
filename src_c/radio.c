#include "radio.h"

#include <math.h>
#include <stdlib.h>

typedef struct {
    size_t anchor;
    double value;
} heard;

typedef struct {
    int64_t begin, end;
} span;

/* A list of anchors, with what they heard sorted by transmitter. */
typedef struct {
    size_t *starts;  /* of transmitter t: entries starts[t] to starts[t + 1] */
    heard *entries;
    span *spans;     /* the anchors' entries in the matrix */
    double *squares; /* of the anchors; -1 where the affinity is 0 */
    double *sums;    /* the inner products of one row with the anchors */
    size_t total;    /* entries of all anchors */
} anchor_list;

/* ---- rows */

/* Another thread may change the arrays while this works: what is looked at is read once. */
static int64_t read_once(const int64_t *place)
{
    return *(const volatile int64_t *)place;
}

/* The entries of a row, none for -1; 0 where row is neither, or they are not where they must be. */
static int entries_of(const radio_matrix *m, int64_t row, span *s)
{
    *s = (span){0, 0};
    if (row < -1 || row >= (int64_t)m->rows)
        return 0;
    if (row >= 0)
        *s = (span){read_once(m->starts + row), read_once(m->starts + row + 1)};
    return s->begin >= 0 && s->begin <= s->end && s->end <= (int64_t)m->entries;
}

/* The column of an entry; -1 where it is none. */
static int64_t column_of(const radio_job *job, const radio_matrix *m, int64_t entry)
{
    int64_t column = read_once(m->columns + entry);
    return column >= 0 && column < (int64_t)job->width ? column : -1;
}

/* The squared length of a row; -1 where the affinity is 0. */
static double square_of(const radio_job *job, const radio_matrix *m, int64_t row, span s)
{
    return row < 0 || (job->silent_is_zero && s.begin == s.end) ? -1 : m->squares[row];
}

/* ---- one list */

/* Counts the entries of each transmitter: in next[t + 1], after all before it. */
static radio_status count_anchors(const radio_job *job, const int64_t *anchors, anchor_list *list)
{
    const radio_matrix *m = &job->b;
    size_t *next = list->starts + 1;
    list->total = 0;
    for (size_t t = 0; t < job->width + 2; t++)
        list->starts[t] = 0;
    for (size_t c = 0; c < job->anchor_count; c++) {
        int64_t row = read_once(anchors + c);
        span *s = list->spans + c;
        if (!entries_of(m, row, s))
            return RADIO_INDEX;
        list->squares[c] = square_of(job, m, row, *s);
        list->total += (size_t)(s->end - s->begin);
        for (int64_t e = s->begin; e < s->end; e++) {
            int64_t column = column_of(job, m, e);
            if (column < 0)
                return RADIO_INDEX;
            next[column + 1]++;
        }
    }
    for (size_t t = 1; t < job->width + 1; t++)
        next[t] += next[t - 1];
    return RADIO_OK;
}

/* A counting sort of the entries. */
static radio_status read_anchors(const radio_job *job, const int64_t *anchors, anchor_list *list)
{
    const radio_matrix *m = &job->b;
    size_t *next = list->starts + 1;
    radio_status status = count_anchors(job, anchors, list);
    if (status != RADIO_OK)
        return status;
    free(list->entries);
    /* Zeros, for places that stay free where columns change between the count and here. */
    list->entries = calloc(list->total + 1, sizeof *list->entries);
    if (list->entries == NULL)
        return RADIO_NO_MEMORY;
    for (size_t c = 0; c < job->anchor_count; c++) {
        for (int64_t e = list->spans[c].begin; e < list->spans[c].end; e++) {
            int64_t column = column_of(job, m, e);
            if (column < 0 || next[column] >= list->total)
                return RADIO_INDEX;
            /* next ends as the start of what follows */
            list->entries[next[column]++] = (heard){c, m->values[e]};
        }
    }
    return RADIO_OK;
}

static radio_status sum_products(const radio_job *job, span s, anchor_list *list)
{
    for (size_t c = 0; c < job->anchor_count; c++)
        list->sums[c] = 0;
    for (int64_t e = s.begin; e < s.end; e++) {
        int64_t column = column_of(job, &job->a, e);
        if (column < 0)
            return RADIO_INDEX;
        const size_t *of = list->starts + column;
        for (size_t k = of[0]; k < of[1]; k++)
            list->sums[list->entries[k].anchor] += job->a.values[e] * list->entries[k].value;
    }
    return RADIO_OK;
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
        int64_t row = read_once(rows + r);
        span s;
        if (!entries_of(&job->a, row, &s))
            return RADIO_INDEX;
        status = sum_products(job, s, list);
        double square = square_of(job, &job->a, row, s);
        write_row(job, square, list, (l * job->row_count + r) * job->anchor_count);
    }
    return status;
}

radio_status radio_affinities(const radio_job *job)
{
    size_t anchors = job->anchor_count + 1;
    anchor_list list = {malloc((job->width + 2) * sizeof(size_t)), NULL,
                        malloc(anchors * sizeof(span)), malloc(anchors * sizeof(double)),
                        malloc(anchors * sizeof(double)), 0};
    int enough = list.starts != NULL && list.spans != NULL && list.squares != NULL &&
                 list.sums != NULL;
    radio_status status = enough ? RADIO_OK : RADIO_NO_MEMORY;
    for (size_t l = 0; status == RADIO_OK && l < job->lists; l++)
        status = one_list(job, l, &list);
    free(list.starts);
    free(list.entries);
    free(list.spans);
    free(list.squares);
    free(list.sums);
    return status;
}

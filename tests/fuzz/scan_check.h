/* What must hold for mqtt_scan and mqtt_scan_one, whoever makes up the input: check_case() aborts where it does not.
 *
 * A case is a file or a buffer: the bytes of one direction of a connection, then a tail of
 * TAIL bytes that says how to scan them:
 *
 *     0  version, an index into 0, 3, 4, 5, modulo 4
 *     1  sender, modulo 3
 *     2  capacity of the frame table, in rows
 *     3  where in the bytes the stream begins, modulo their number plus 1
 *     4  where to cut the stream in two, 32 bits, little endian, modulo its length plus 1
 *     8  limit, 32 bits
 *    12  beyond, 32 bits, lowered to what the contract allows
 *
 * So every buffer of TAIL bytes and more is a case, and a recording becomes one by appending. */
#ifndef SCAN_CHECK_H
#define SCAN_CHECK_H

#include "_scan.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAIL = 16 };
enum { CONNECT = 1, PUBLISH = 3, PUBACK = 4, PUBCOMP = 7, PINGREQ = 12, PINGRESP = 13 };

#define ROW (MQTT_COLUMNS * sizeof(uint32_t))
#define MOST_BYTES UINT32_C(0x7FFFFFFF) /* of size + beyond */

#define MUST(condition)                                                                      \
    do {                                                                                     \
        if (!(condition)) {                                                                  \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);   \
            abort();                                                                         \
        }                                                                                    \
    } while (0)

typedef struct {
    const uint8_t *data;
    uint32_t size, version, sender, capacity, start, cut, limit, beyond;
} scan_case;

/* What a whole stream came to, however many scans it took. Positions count from its start. */
typedef struct {
    uint32_t *rows; /* belongs to whoever asked */
    uint32_t count, fault, fault_at, needed, at;
} outcome;

/* Memory of `size` bytes instead of the `old`, which may be NULL. */
static void *allocate(void *old, size_t size)
{
    void *memory = realloc(old, size);
    MUST(memory);
    return memory;
}

static uint32_t little_endian(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

/* Read a case; 0 if the buffer is none. */
static int read_case(const uint8_t *buffer, size_t size, scan_case *k)
{
    static const uint32_t versions[4] = {0, 3, 4, 5};
    const uint8_t *tail;
    uint32_t beyond;
    if (size < TAIL || size - TAIL > MOST_BYTES)
        return 0;
    k->data = buffer;
    k->size = (uint32_t)(size - TAIL);
    tail = buffer + k->size;
    k->version = versions[tail[0] % 4];
    k->sender = tail[1] % 3;
    k->capacity = tail[2];
    k->start = tail[3] % (k->size + 1);
    k->cut = little_endian(tail + 4) % (k->size - k->start + 1);
    k->limit = little_endian(tail + 8);
    beyond = little_endian(tail + 12);
    k->beyond = beyond < MOST_BYTES - k->size ? beyond : MOST_BYTES - k->size;
    return 1;
}

/* The value of the variable byte integer at p, which is complete, and its width in bytes. */
static uint32_t variable(const uint8_t *p, uint32_t *width)
{
    uint32_t value = 0, index = 0;
    do
        value += (uint32_t)(p[index] & 0x7F) << 7 * index;
    while (p[index++] & 0x80);
    *width = index;
    return value;
}

/* Whether `length` bytes are a topic name, decided on code points and not, as the scanner does,
 * on bytes. */
static int is_topic_name(const uint8_t *p, uint32_t length)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t at = 0;
    while (at < length) {
        uint32_t lead = p[at], code, width, i;
        width = lead < 0x80 ? 1 : lead < 0xC0 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
        if (!width || width > length - at || lead > 0xF7)
            return 0;
        code = width == 1 ? lead : lead & (0xFFu >> (width + 1));
        for (i = 1; i < width; i++) {
            if ((p[at + i] & 0xC0) != 0x80)
                return 0;
            code = code << 6 | (p[at + i] & 0x3F);
        }
        if (code < least[width] || (code >= 0xD800 && code < 0xE000) || code > 0x10FFFF)
            return 0;
        if (!code || code == '+' || code == '#')
            return 0;
        at += width;
    }
    return 1;
}

/* Check the row of a PUBLISH at p, whose body begins at `header`; `left` bytes are at hand. */
static void check_publish(const uint8_t *p, uint32_t left, uint32_t version, uint32_t header,
                          const uint32_t *row)
{
    uint32_t behind, width, length;
    MUST(row[1] == header + 2 && row[1] <= row[2] && row[2] <= row[4] && row[4] <= row[5]);
    MUST(row[5] <= row[6] && row[5] <= left);
    MUST(row[2] - row[1] == ((uint32_t)p[header] << 8 | p[header + 1]));
    MUST(is_topic_name(p + row[1], row[2] - row[1]));
    behind = row[2];
    if (p[0] & 6) {
        MUST(row[3] && row[3] == ((uint32_t)p[behind] << 8 | p[behind + 1]));
        behind += 2;
    } else {
        MUST(!row[3]);
    }
    if (version == 5) {
        length = variable(p + behind, &width);
        MUST(row[4] == behind + width && row[5] == row[4] + length);
    } else {
        MUST(row[4] == behind && row[5] == behind && row[2] > row[1]);
    }
}

/* Check the row of an acknowledgement at p, whose body begins at `header`. */
static void check_acknowledgement(const uint8_t *p, uint32_t version, uint32_t header,
                                  const uint32_t *row)
{
    uint32_t body = row[6] - header, width, length;
    MUST(row[3] && row[3] == ((uint32_t)p[header] << 8 | p[header + 1]));
    MUST(row[2] == 0 && row[5] == row[6]);
    MUST(row[1] == (body > 2 ? p[header + 2] : 0));
    MUST(body == 2 || version == 5);
    if (body > 3) {
        length = variable(p + header + 3, &width);
        MUST(row[4] == header + 3 + width && row[5] == row[4] + length);
    } else {
        MUST(row[4] == row[6]);
    }
}

/* Check one table against the bytes it was made from: data[start..size). */
static void check_table(const scan_case *k, const uint8_t *data, uint32_t start, uint32_t size,
                        uint32_t beyond, uint32_t capacity, const uint32_t *table, uint32_t rows)
{
    const uint32_t *row = table;
    uint32_t at = start, kind = 0, left, width, header, remaining;
    MUST(rows <= capacity);
    for (; row < table + rows * MQTT_COLUMNS; row += MQTT_COLUMNS) {
        MUST(at < size && kind != CONNECT); /* it ends a scan */
        left = size - at;
        MUST(row[0] == data[at]);
        MUST(row[6] >= 2 && row[6] <= k->limit);
        kind = row[0] >> 4;
        MUST(row[6] <= left || (kind == PUBLISH && row[6] - left <= beyond));
        remaining = variable(data + at + 1, &width);
        header = 1 + width;
        MUST(row[6] == header + remaining);
        if (kind == PUBLISH) {
            check_publish(data + at, left, k->version, header, row);
        } else if (kind >= PUBACK && kind <= PUBCOMP) {
            check_acknowledgement(data + at, k->version, header, row);
        } else {
            MUST(row[1] == header && !row[2] && !row[3] && !row[4] && !row[5]);
        }
        MUST(k->version || kind == CONNECT);
        at += row[6];
    }
    MUST(row[6] == at && !row[3] && !row[4] && !row[5]);
    if (row[0]) {
        MUST(at < size && rows < capacity && !row[2]);
        MUST(row[1] >= at && row[1] <= size);
    } else if (row[2]) {
        MUST(at < size && rows < capacity && !row[1]);
        MUST(row[2] > size - at && (row[2] <= k->limit || row[2] == size - at + 1));
    } else {
        MUST(!row[1]);
        MUST(at >= size || rows == capacity || kind == CONNECT);
    }
}

/* Scan `size` bytes of a stream to the end, as a decoder does, with `prefix` bytes in front of
 * them and tables of `capacity` rows. The scanner sees memory that ends where it must not read or
 * write on; `filler` is what that memory holds, which must make no difference. */
static outcome scan_all(const scan_case *k, const uint8_t *data, uint32_t size, uint32_t beyond,
                        uint32_t prefix, uint32_t capacity, uint8_t filler)
{
    uint32_t end = prefix + size, start = prefix, rows, i;
    uint8_t *block = allocate(NULL, end);
    uint32_t *table = allocate(NULL, (capacity + 1) * ROW);
    const uint32_t *status;
    outcome all;
    all.rows = NULL;
    all.count = 0;
    memset(block, filler, prefix);
    if (size)
        memcpy(block + prefix, data, size);
    do {
        memset(table, filler, (capacity + 1) * ROW);
        rows = mqtt_scan(block, start, end, beyond, k->version, k->sender, k->limit, table,
                         capacity);
        check_table(k, block, start, end, beyond, capacity, table, rows);
        status = table + rows * MQTT_COLUMNS;
        for (i = MQTT_COLUMNS; i < (capacity + 1 - rows) * MQTT_COLUMNS; i++)
            MUST(status[i] == filler * UINT32_C(0x01010101));
        all.rows = allocate(all.rows, (all.count + rows + 1) * ROW);
        memcpy(all.rows + all.count * MQTT_COLUMNS, table, rows * ROW);
        all.count += rows;
        start = status[6];
    } while (!status[0] && !status[2] && start < end && capacity);
    all.fault = status[0];
    all.fault_at = status[0] ? status[1] - prefix : 0;
    all.needed = status[2];
    all.at = start - prefix;
    free(table);
    free(block);
    return all;
}

static int same_rows(const uint32_t *a, const uint32_t *b, uint32_t count)
{
    return memcmp(a, b, count * ROW) == 0;
}

static int same(const outcome *a, const outcome *b)
{
    return a->count == b->count && a->fault == b->fault && a->fault_at == b->fault_at &&
           a->needed == b->needed && a->at == b->at && same_rows(a->rows, b->rows, a->count);
}

/* Where the stream is cut must make no difference, nor must it whether the first scan is told how
 * many bytes follow the cut. */
static void check_cut(const scan_case *k, const uint8_t *data, uint32_t size, uint32_t beyond,
                      const outcome *whole)
{
    outcome first = scan_all(k, data, k->cut, beyond, 0, 8, 0x5A);
    MUST(first.count <= whole->count);
    MUST(same_rows(first.rows, whole->rows, first.count));
    if (first.fault) {
        MUST(same(&first, whole));
    } else {
        outcome second = scan_all(k, data + first.at, size - first.at, 0, 0, 8, 0xA5);
        MUST(first.count + second.count == whole->count);
        MUST(same_rows(second.rows, whole->rows + first.count * MQTT_COLUMNS, second.count));
        MUST(second.fault == whole->fault && second.needed == whole->needed);
        MUST(!second.fault || first.at + second.fault_at == whole->fault_at);
        MUST(first.at + second.at == whole->at);
        free(second.rows);
    }
    if (!beyond && first.needed && first.needed <= size - first.at) {
        /* With a byte less than it asked for there is nothing new, with all of them there is. */
        const uint8_t *rest = data + first.at;
        outcome less = scan_all(k, rest, first.needed - 1, 0, 0, 1, 0x5A);
        outcome enough = scan_all(k, rest, first.needed, 0, 0, 1, 0xA5);
        MUST(!less.count && !less.fault && less.needed == first.needed);
        MUST(enough.count || enough.fault || enough.needed > first.needed);
        free(less.rows);
        free(enough.rows);
    }
    free(first.rows);
}

/* Bytes out of reach behind the stream complete at most the PUBLISH that is at its end. */
static void check_beyond(const scan_case *k, const uint8_t *data, uint32_t size,
                         const outcome *whole)
{
    outcome far = scan_all(k, data, size, k->beyond, 0, 64, 0x5A);
    if (far.count > whole->count) {
        MUST(far.count == whole->count + 1 && !far.fault && !far.needed);
        MUST(whole->needed == far.rows[whole->count * MQTT_COLUMNS + 6]);
        MUST(far.at == whole->at + whole->needed);
        MUST(same_rows(far.rows, whole->rows, whole->count));
    } else if (far.fault && !whole->fault) {
        MUST(whole->needed && data[whole->at] >> 4 == PUBLISH);
        MUST(far.count == whole->count && far.at == whole->at);
        MUST(same_rows(far.rows, whole->rows, whole->count));
    } else {
        MUST(same(&far, whole));
    }
    free(far.rows);
}

/* A chunk of `size` bytes is found the short way if it is the first frame, whole, and of a kind that
 * is checked whole. */
static void check_one(const scan_case *k, const uint8_t *data, uint32_t size, const outcome *whole)
{
    uint32_t kind = size ? data[0] >> 4 : 0, *row = whole->rows;
    uint8_t *block = allocate(NULL, size);
    uint64_t found;
    if (size)
        memcpy(block, data, size);
    found = mqtt_scan_one(block, size, k->version, k->sender);
    free(block);
    /* The table was made within a limit, which this knows nothing of. */
    if (size > k->limit)
        return;
    if (whole->count && row[6] == size && size <= MQTT_MOST_OF_ONE &&
        ((kind >= PUBLISH && kind <= PUBCOMP) || kind == PINGREQ || kind == PINGRESP))
        MUST(found == ((uint64_t)row[3] << 44 | (uint64_t)row[1] << 36 | (uint64_t)row[2] << 24 |
                       (uint64_t)row[4] << 12 | row[5]));
    else
        MUST(!found);
}

static void check_case(const scan_case *k)
{
    const uint8_t *data = k->data + k->start;
    uint32_t size = k->size - k->start;
    outcome whole = scan_all(k, data, size, 0, 0, 64, 0xA5);
    outcome again = scan_all(k, data, size, 0, k->start, k->capacity, 0x5A);
    if (k->capacity)
        MUST(same(&again, &whole));
    else
        MUST(!again.count && !again.fault && !again.needed && !again.at);
    free(again.rows);
    check_cut(k, data, size, 0, &whole);
    check_cut(k, data, size, size - k->cut, &whole);
    check_beyond(k, data, size, &whole);
    check_one(k, data, size, &whole);
    if (whole.count)
        check_one(k, data, whole.rows[6], &whole);
    free(whole.rows);
}

#endif

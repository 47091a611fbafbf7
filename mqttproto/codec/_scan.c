/* See _scan.h. The tables and the numbers of faults and wire types come from the Python tables:
 * _scan_build.py writes them, into _scan_tables.h or in front of this file.
 *
 * No allocation, no globals that change, no recursion; every read is behind a comparison with the
 * end of what may be read. A check returns 0 or a fault, and leaves its place in c->fault_at. */
#include "_scan.h"

#include <string.h>

#ifndef MQTT_TABLES
#include "_scan_tables.h"
#endif

enum { CONNECT = 1, PUBLISH = 3, PUBACK = 4, PUBCOMP = 7, PINGREQ = 12, PINGRESP = 13 };

/* The packets that are checked whole, each as a bit. */
enum { IN_ONE = 0x1F << PUBLISH | 1 << PINGREQ | 1 << PINGRESP };

typedef struct {
    const uint8_t *data;
    uint32_t at;       /* the cursor */
    uint32_t end;      /* nothing at or behind it may be read */
    uint32_t fault_at; /* set by whatever returns a fault */
} cursor;

static uint32_t fail(cursor *c, uint32_t fault, uint32_t at)
{
    c->fault_at = at;
    return fault;
}

static uint32_t read_u16(cursor *c, uint32_t field, uint32_t *value)
{
    if (c->end - c->at < 2)
        return fail(c, F_TRUNCATED, field);
    *value = (uint32_t)c->data[c->at] << 8 | c->data[c->at + 1];
    c->at += 2;
    return 0;
}

static uint32_t read_u32(cursor *c, uint32_t *value)
{
    const uint8_t *p = c->data + c->at;
    if (c->end - c->at < 4)
        return fail(c, F_TRUNCATED, c->at);
    *value = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    c->at += 4;
    return 0;
}

/* A variable byte integer; 5.0 wants as few bytes as the value allows. */
static uint32_t read_varint(cursor *c, int minimal, uint32_t *value)
{
    uint32_t field = c->at, sum = 0, shift;
    for (shift = 0; shift < 28; shift += 7) {
        uint32_t byte;
        if (c->at >= c->end)
            return fail(c, F_TRUNCATED, field);
        byte = c->data[c->at++];
        sum |= (byte & 0x7F) << shift;
        if (byte < 0x80) {
            if (minimal && byte == 0 && shift)
                return fail(c, F_LENGTH_NOT_MINIMAL, field);
            *value = sum;
            return 0;
        }
    }
    return fail(c, F_LENGTH_OVER_FOUR_BYTES, field);
}

/* The length in front of a string or binary data, which must fit behind it. */
static uint32_t read_length(cursor *c, uint32_t *length)
{
    uint32_t field = c->at, fault = read_u16(c, field, length);
    if (fault)
        return fault;
    return c->end - c->at < *length ? fail(c, F_TRUNCATED, field) : 0;
}

/* The length of the well-formed UTF-8 sequence at p, of at most `left` bytes; 0 if ill-formed. */
static uint32_t sequence(const uint8_t *p, uint32_t left)
{
    uint8_t lead = p[0], low = 0x80, high = 0xBF;
    uint32_t length, i;
    if (lead >= 0xC2 && lead <= 0xDF)
        length = 2;
    else if (lead >= 0xE0 && lead <= 0xEF)
        length = 3;
    else if (lead >= 0xF0 && lead <= 0xF4)
        length = 4;
    else
        return 0;
    if (left < length)
        return 0;
    if (lead == 0xE0)
        low = 0xA0; /* shorter would do */
    else if (lead == 0xED)
        high = 0x9F; /* surrogates */
    else if (lead == 0xF0)
        low = 0x90; /* shorter would do */
    else if (lead == 0xF4)
        high = 0x8F; /* above U+10FFFF */
    if (p[1] < low || p[1] > high)
        return 0;
    for (i = 2; i < length; i++)
        if (p[i] < 0x80 || p[i] > 0xBF)
            return 0;
    return length;
}

/* Whether eight bytes may hold anything but plain ASCII: a byte of 0x80 and above, a 0, or, with
 * `wildcard`, a + or a #. A false alarm costs time only: the bytes are then looked at singly. */
static int suspicious(uint64_t word, uint32_t wildcard)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint64_t alarm = word | (word - ones);
    if (wildcard)
        alarm |= ((word ^ ones * 0x2B) - ones) | ((word ^ ones * 0x23) - ones);
    return (alarm & tops) != 0;
}

/* Check the string from the cursor to `end` and step over it; a non-zero `wildcard` is the fault
 * of a + or # in it. */
static uint32_t check_string(cursor *c, uint32_t end, uint32_t wildcard)
{
    const uint8_t *data = c->data;
    uint32_t at = c->at;
    while (at < end) {
        uint8_t byte;
        while (end - at >= 8) {
            uint64_t word;
            memcpy(&word, data + at, 8);
            if (suspicious(word, wildcard))
                break;
            at += 8;
        }
        if (at == end)
            break;
        byte = data[at];
        if (byte >= 0x80) {
            uint32_t length = sequence(data + at, end - at);
            if (!length)
                return fail(c, F_UTF8, at);
            at += length;
            continue;
        }
        if (byte == 0)
            return fail(c, F_NULL_CHARACTER, at);
        if (wildcard && (byte == '+' || byte == '#'))
            return fail(c, wildcard, at);
        at++;
    }
    c->at = end;
    return 0;
}

static uint32_t check_utf8(cursor *c)
{
    uint32_t length, fault = read_length(c, &length);
    return fault ? fault : check_string(c, c->at + length, 0);
}

static uint32_t check_topic_name(cursor *c)
{
    uint32_t field = c->at, length, fault = read_length(c, &length);
    if (fault)
        return fault;
    if (!length)
        return fail(c, F_NAME_EMPTY, field);
    return check_string(c, c->at + length, F_RESPONSE_TOPIC_WILDCARD);
}

static uint32_t check_binary(cursor *c)
{
    uint32_t length, fault = read_length(c, &length);
    if (fault)
        return fault;
    c->at += length;
    return 0;
}

static uint32_t check_value(cursor *c, const property_row *row)
{
    uint32_t field = c->at, value = 0, fault = 0;
    switch (row->wire) {
    case W_BYTE:
        if (c->at >= c->end)
            return fail(c, F_TRUNCATED, field);
        value = c->data[c->at++];
        break;
    case W_U16:
        fault = read_u16(c, field, &value);
        break;
    case W_U32:
        fault = read_u32(c, &value);
        break;
    case W_VARINT:
        fault = read_varint(c, 1, &value);
        break;
    case W_UTF8:
        return check_utf8(c);
    case W_TOPIC_NAME:
        return check_topic_name(c);
    case W_BINARY:
        return check_binary(c);
    default: /* W_PAIR */
        fault = check_utf8(c);
        return fault ? fault : check_utf8(c);
    }
    if (fault)
        return fault;
    if (value < row->low || value > row->high)
        return fail(c, row->range_fault, field);
    return 0;
}

/* Check the property block from the cursor to `end`, the last thing of interest in its packet, and
 * step over it. *seen has a bit for each property in it. */
static uint32_t check_block(cursor *c, uint32_t end, uint32_t kind, uint32_t sender,
                            uint64_t *seen)
{
    uint32_t packet = UINT32_C(1) << kind, fault;
    c->end = end;
    while (c->at < end) {
        uint32_t field = c->at;
        uint8_t id = c->data[c->at++];
        const property_row *row;
        if (id >= PROPERTY_IDS || !PROPERTY[id].packets)
            return fail(c, F_PROPERTY_UNKNOWN, field);
        row = &PROPERTY[id];
        if (!(row->packets & packet))
            return fail(c, F_PROPERTY_MISPLACED, field);
        if (sender && row->not_from[sender - 1] & packet)
            return fail(c, row->sender_fault, field);
        if (*seen >> id & 1 && !(row->repeatable & packet))
            return fail(c, F_PROPERTY_REPEATED, field);
        *seen |= UINT64_C(1) << id;
        fault = check_value(c, row);
        if (fault)
            return fault;
    }
    return 0;
}

/* Read a Property Length; `block_end` is where its block ends, not behind `end`. */
static uint32_t read_block_end(cursor *c, uint32_t end, uint32_t *block_end)
{
    uint32_t field = c->at, length, fault = read_varint(c, 1, &length);
    if (fault)
        return fault;
    if (length > end - c->at)
        return fail(c, F_PROPERTY_LENGTH, field);
    *block_end = c->at + length;
    if (*block_end > c->end)
        return fail(c, F_TRUNCATED, field);
    return 0;
}

static uint32_t read_packet_id(cursor *c, uint32_t *packet_id)
{
    uint32_t field = c->at, fault = read_u16(c, field, packet_id);
    if (fault)
        return fault;
    return *packet_id ? 0 : fail(c, F_PACKET_ID, field);
}

/* The middle cells of a PUBLISH from `at` to `end`. */
static uint32_t publish(cursor *c, uint32_t at, uint32_t end, uint32_t first, uint32_t version,
                        uint32_t sender, uint32_t *row)
{
    uint32_t field = c->at, length, fault, block, block_end;
    uint64_t seen = 0;
    fault = read_length(c, &length);
    if (fault)
        return fault;
    row[1] = c->at - at;
    row[2] = c->at + length - at;
    fault = check_string(c, c->at + length, F_TOPIC_WILDCARD);
    if (fault)
        return fault;
    row[3] = 0;
    if (first & 6) {
        fault = read_packet_id(c, &row[3]);
        if (fault)
            return fault;
    }
    block = block_end = c->at;
    if (version == 5) {
        fault = read_block_end(c, end, &block_end);
        if (fault)
            return fault;
        block = c->at;
        fault = check_block(c, block_end, PUBLISH, sender, &seen);
        if (fault)
            return fault;
    }
    if (!length && !(seen >> P_TOPIC_ALIAS & 1))
        return fail(c, F_TOPIC_MISSING, field);
    row[4] = block - at;
    row[5] = block_end - at;
    return 0;
}

/* The middle cells of a PUBACK, PUBREC, PUBREL or PUBCOMP from `at` to `end`. */
static uint32_t acknowledgement(cursor *c, uint32_t at, uint32_t end, uint32_t kind,
                                uint32_t sender, uint32_t *row)
{
    uint32_t block_end, fault = read_packet_id(c, &row[3]);
    uint64_t seen = 0;
    if (fault)
        return fault;
    row[1] = row[2] = 0;
    if (c->at < end) {
        uint8_t reason = c->data[c->at];
        if (!(REASON[sender][kind - PUBACK][reason >> 3] >> (reason & 7) & 1))
            return fail(c, REASON_FAULT[kind - PUBACK], c->at);
        row[1] = reason;
        c->at++;
        if (c->at < end) {
            fault = read_block_end(c, end, &block_end);
            if (fault)
                return fault;
            row[4] = c->at - at;
            row[5] = block_end - at;
            fault = check_block(c, block_end, kind, sender, &seen);
            if (fault)
                return fault;
            return block_end == end ? 0 : fail(c, F_TRAILING_BYTES, block_end);
        }
    }
    row[4] = row[5] = c->at - at;
    return 0;
}

uint32_t mqtt_scan(const uint8_t *data, uint32_t start, uint32_t size, uint32_t beyond,
                   uint32_t version, uint32_t sender, uint32_t limit, uint32_t *table,
                   uint32_t capacity)
{
    uint32_t v = version ? version - 2 : 0, rows = 0, at = start, needed = 0, fault = 0;
    uint32_t *row = table;
    cursor c = {data, start, size, 0};
    while (at < size && rows < capacity) {
        uint32_t first = data[at], kind = first >> 4, remaining = 0, total, end;
        fault = FIRST_BYTE[v][sender][first];
        if (fault) {
            c.fault_at = at;
            break;
        }
        c.at = at + 1;
        c.end = size;
        fault = read_varint(&c, version == 5, &remaining);
        if (fault == F_TRUNCATED) {
            fault = 0;
            needed = size - at + 1;
        }
        if (fault || needed)
            break;
        total = c.at - at + remaining;
        if (total > limit) {
            fault = fail(&c, F_PACKET_TOO_LARGE, at);
            break;
        }
        if (remaining < LEAST[v][kind] || remaining > MOST[v][kind]) {
            fault = fail(&c, F_LENGTH_WRONG, at + 1);
            break;
        }
        if (total > size - at + beyond || (total > size - at && kind != PUBLISH)) {
            needed = total;
            break;
        }
        end = at + total;
        c.end = end < size ? end : size;
        if (kind == PUBLISH) {
            fault = publish(&c, at, end, first, version, sender, row);
        } else if (kind >= PUBACK && kind <= PUBCOMP) {
            fault = acknowledgement(&c, at, end, kind, sender, row);
        } else {
            row[1] = c.at - at;
            row[2] = row[3] = row[4] = row[5] = 0;
        }
        if (fault) {
            if (fault == F_TRUNCATED && end > size) {
                fault = 0; /* not the packet ends here, but the bytes at hand */
                needed = total;
            }
            break;
        }
        row[0] = first;
        row[6] = total;
        row += MQTT_COLUMNS;
        rows++;
        at = end;
        if (kind == CONNECT)
            break;
    }
    row[0] = fault;
    row[1] = fault ? c.fault_at : 0;
    row[2] = needed;
    row[3] = row[4] = row[5] = 0;
    row[6] = at;
    return rows;
}

uint64_t mqtt_scan_one(const uint8_t *data, uint32_t size, uint32_t version, uint32_t sender)
{
    uint32_t row[2 * MQTT_COLUMNS];
    if (size < 2 || size > MQTT_MOST_OF_ONE || !(IN_ONE >> (data[0] >> 4) & 1))
        return 0;
    if (!mqtt_scan(data, 0, size, 0, version, sender, size, row, 1) || row[6] != size)
        return 0;
    return (uint64_t)row[3] << 44 | (uint64_t)row[1] << 36 | (uint64_t)row[2] << 24 |
           row[4] << 12 | row[5];
}
